"""Screening: a predictor decides which of a strategy's children are evaluated.

The strategy goes on for ``rounds`` generations as if evaluating cost nothing, on a log in which the
predictor's losses stand for those that evaluating would find; of all that it asks for, what it would prefer
is evaluated. Once-for-All (Cai et al., ICLR 2020) runs a whole evolution on a predictor that way; here the
predictor learns from every generation, as in BANANAS (White et al., AAAI 2021) and NPENAS (Wei et al., IEEE
TNNLS 2022).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.random import Generator

from mcu_nas.search.exploration.feasible import FeasibleCandidates
from mcu_nas.search.exploration.history import Evaluation
from mcu_nas.search.exploration.pareto import non_dominated
from mcu_nas.search.exploration.predictor import FOLDS, Predictor, cross_validated, fit, kendall_tau
from mcu_nas.search.strategies.nsga2 import Nsga2
from mcu_nas.search.strategies.strategy import Strategy
from mcu_nas.spaces.architecture import Architecture
from mcu_nas.spaces.space import Space

IMAGINED = "imagined"  # the strategy's name in the log of what was not evaluated
FEWER = 5  # how many times fewer evaluations find the same front (benchmarks/predictor.py)
BATCH, ROUNDS, FEWEST = 6, 20, 8
POINTS, MARGIN = 4096, 0.1  # that measure a volume, and its share beyond the front's ends
_SEEDS = 2**31


class _Costs(NamedTuple):
    """What an Evaluation says besides its scores."""

    macs: int
    weights_bytes: int
    peak_bytes: int
    flash_bytes: int
    instructions: int


@dataclass(frozen=True)
class Screen:
    """``batch``: how many are evaluated at most between one question and the next. ``rounds``: the strategy's
    generations that they are chosen from. ``fewest``: the evaluations that the predictor learns from at
    least."""

    candidates: FeasibleCandidates = field(repr=False)
    batch: int = BATCH
    rounds: int = ROUNDS
    fewest: int = FEWEST

    def gather(
        self, strategy: Strategy, log: Sequence[Evaluation], count: int, rng: Generator
    ) -> list[Architecture]:
        """Up to ``count`` feasible architectures that are not in the log: what the strategy prefers of all
        that it asks for; the first that it asks for while the log is too short to learn from.

        Follows from the log and the generator alone, as a strategy's answers do.

        Raises:
            NothingFitsError: no architecture of the space meets the limits.
        """
        count = min(count, self.batch)
        if len(log) < self.fewest:
            return self._ask(strategy, log, count, rng)
        predictor = trained_on(self.candidates.space, log, int(rng.integers(_SEEDS)))
        imagined: list[Evaluation] = []
        for _ in range(self.rounds):
            asked = self._ask(strategy, [*log, *imagined], strategy.batch, rng)
            if not asked:
                break
            imagined.extend(self._imagined(predictor, asked))
        if isinstance(strategy, Nsga2):
            known, new = strategy.values(log), strategy.values(imagined)
            return [imagined[i].architecture for i in widening(known, new, count, rng)]
        return [e.architecture for e in strategy.preferred(imagined, count)]

    def _ask(
        self, strategy: Strategy, log: Sequence[Evaluation], count: int, rng: Generator
    ) -> list[Architecture]:
        known = [e.architecture for e in log]
        return self.candidates.gather(lambda n: strategy.ask(log, n, rng), count, known)

    def _imagined(self, predictor: Predictor, asked: Sequence[Architecture]) -> list[Evaluation]:
        needs = self.candidates.network_costs(asked)
        columns = (needs.macs, needs.weights_bytes, needs.peak_bytes, needs.flash_bytes, needs.instructions)
        costs = [_Costs(*map(int, row)) for row in zip(*columns, strict=True)]
        rows = [features(self.candidates.space, a, c) for a, c in zip(asked, costs, strict=True)]
        return [
            Evaluation(
                strategy=IMAGINED,
                generation=0,
                architecture=architecture,
                loss=float(loss),
                accuracy=0.0,
                partial=False,
                **own._asdict(),
            )
            for architecture, own, loss in zip(asked, costs, predictor.predict(np.array(rows)), strict=True)
        ]


def widening(known: np.ndarray, new: np.ndarray, count: int, rng: Generator) -> list[int]:
    """Which ``count`` of ``new`` widen what ``known`` dominates the most, one after the other; objectives
    (N, M) and (K, M), all to be minimised.

    The dominated volume is that of random points between the best and the worst of the front. A crowding
    distance would choose the ends of a front again and again, whatever is known of them.
    """
    together = np.concatenate([known, new])
    front = together[non_dominated(together)]
    ideal, nadir = front.min(0), front.max(0)
    points = rng.uniform(ideal, nadir + MARGIN * (nadir - ideal), size=(POINTS, new.shape[1]))
    free = ~np.array([(row <= points).all(1) for row in known]).any(0)  # (POINTS,)
    covers = np.array([(row <= points).all(1) for row in new])  # (K, POINTS)
    chosen: list[int] = []
    for _ in range(min(count, len(new))):
        gains = (covers & free).sum(1)
        gains[chosen] = -1
        chosen.append(int(np.argmax(gains)))
        free &= ~covers[chosen[-1]]
    return chosen


def screened_sizes(population: int, evaluations: int) -> tuple[int, int]:
    """Start and number of evaluations of a search that with ``population`` for a start would evaluate so many
    unscreened: half the start and a fifth of the evaluations, where that leaves a batch to choose."""
    start = min(max(population // 2, FEWEST), evaluations)
    return start, min(max(evaluations // FEWER, start + BATCH), evaluations)


def features(space: Space, architecture: Architecture, needs: _Costs | Evaluation) -> np.ndarray:
    """What the predictor reads of an architecture: its encoding and the logarithms of what it needs, float64
    (F,)."""
    costs = (needs.macs, needs.weights_bytes, needs.peak_bytes, needs.instructions)
    return np.concatenate([space.encode(architecture), np.log(costs)])


def trained_on(space: Space, log: Sequence[Evaluation], seed: int) -> Predictor:
    """The predictor that a log teaches; of those rejected early it takes the estimated losses."""
    return fit(*_rows(space, log), seed)


def predictor_record(space: Space, log: Sequence[Evaluation], seed: int) -> dict[str, Any]:
    """The section ``predictor`` of run.json: how well losses in the log are foretold when they are held out,
    and the tau of MACs beside it; empty where the log is too short to tell."""
    complete = [e for e in log if not e.partial]
    if len(complete) < 2 * FOLDS:
        return {}
    rows, losses = _rows(space, complete)
    by_macs = kendall_tau(np.array([-float(e.macs) for e in complete]), losses)
    return {**asdict(cross_validated(rows, losses, seed)), "kendall_tau_of_macs": by_macs}


def _rows(space: Space, log: Sequence[Evaluation]) -> tuple[np.ndarray, np.ndarray]:
    """Features (N, F) and losses (N,), both float64."""
    return np.array([features(space, e.architecture, e) for e in log]), np.array([e.loss for e in log])
