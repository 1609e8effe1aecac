"""The search loop: asks a strategy, rejects what does not fit, evaluates the rest, logs it.

A generation's candidates follow from the log of the generations before it, the seed and the generation's
number; a resumed search asks again and skips what the log already holds.

Every search begins with a random start, which its strategy and the control, random search, share: both build
on it, neither sees what the other finds. So the log shows what the strategy was worth: its best beside that
of as many random architectures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.random import Generator

from mcu_nas.search.exploration.feasible import FeasibleCandidates
from mcu_nas.search.exploration.history import Evaluation, History, Score, best
from mcu_nas.search.strategies.random import Random
from mcu_nas.search.strategies.strategy import Strategy
from mcu_nas.spaces.architecture import Architecture

START, CONTROL = "start", "random"

# Scores of a generation's architectures, in their order; the log is the one that they were asked from.
Evaluate = Callable[[Sequence[Architecture], Sequence[Evaluation]], Iterable[Score]]

# So many feasible answers of a strategy to a log, none of which the log holds.
Gather = Callable[[Strategy, Sequence[Evaluation], int, Generator], list[Architecture]]


def explore(
    strategy: Strategy,
    name: str,
    candidates: FeasibleCandidates,
    history: History,
    evaluate: Evaluate,
    *,
    start: int,
    evaluations: int,
    seed: int,
    gather: Gather | None = None,
    control: bool = True,
    on_evaluation: Callable[[Evaluation], None] = lambda evaluation: None,
) -> None:
    """Evaluates a random start, then a strategy and the control, each until it has ``evaluations``, those of
    the start included; ``name`` is the strategy's in the log. Ends earlier where the space holds no more.

    ``gather`` may choose among more answers of the strategy than are evaluated (screen.py); the start and the
    control are never screened. ``control``: whether there is one. ``on_evaluation`` hears of each new
    evaluation.

    Raises:
        NothingFitsError: no architecture of the space meets the limits.
    """

    def plain(asked: Strategy, log: Sequence[Evaluation], count: int, rng: Generator) -> list[Architecture]:
        known = [e.architecture for e in log]
        return candidates.gather(lambda n: asked.ask(log, n, rng), count, known)

    random = Random(candidates.space, start)
    parts = {START: (random, start, plain), name: (strategy, evaluations, gather or plain)}
    if control:
        parts[CONTROL] = (random, evaluations, plain)
    for part, (asked, count, gatherer) in parts.items():
        _ask_until(asked, part, count, gatherer, candidates, history, evaluate, seed, on_evaluation)


def seen_by(name: str, log: Sequence[Evaluation]) -> list[Evaluation]:
    """What a strategy of that name builds on: the start and its own evaluations."""
    return [e for e in log if e.strategy in (START, name)]


def _ask_until(
    strategy: Strategy,
    name: str,
    count: int,
    gather: Gather,
    candidates: FeasibleCandidates,
    history: History,
    evaluate: Evaluate,
    seed: int,
    on_evaluation: Callable[[Evaluation], None],
) -> None:
    generation = 0 if name == START else 1
    while True:
        seen = seen_by(name, history)
        before = [e for e in seen if e.generation < generation]
        if len(before) >= count:
            return
        rng = np.random.default_rng([seed, generation, *name.encode()])
        asked = gather(strategy, before, min(strategy.batch, count - len(before)), rng)
        if not asked:
            return
        done = sum(e.generation == generation for e in seen)
        for architecture, score in zip(asked[done:], evaluate(asked[done:], before), strict=True):
            history.append(_evaluation(name, generation, architecture, score, candidates))
            on_evaluation(history[-1])
        generation += 1


def _evaluation(
    name: str, generation: int, architecture: Architecture, score: Score, candidates: FeasibleCandidates
) -> Evaluation:
    needs = candidates.cost(architecture)
    return Evaluation(
        strategy=name,
        generation=generation,
        architecture=architecture,
        loss=score.loss,
        accuracy=score.accuracy,
        partial=score.partial,
        macs=needs.macs,
        weights_bytes=needs.weights_bytes,
        peak_bytes=needs.peak_bytes,
        flash_bytes=needs.flash_bytes(candidates.constraints.profile),
        instructions=needs.instructions,
    )


def fitness_curve(log: Sequence[Evaluation]) -> list[dict[str, float]]:
    """Per generation: evaluations so far, the best of them, and the generation's means."""
    curve = []
    for generation in sorted({e.generation for e in log}):
        so_far = [e for e in log if e.generation <= generation]
        (leader,) = best(so_far, 1)
        own = [e for e in log if e.generation == generation]
        curve.append(
            {
                "generation": generation,
                "evaluations": len(so_far),
                "best_loss": leader.loss,
                "best_accuracy": leader.accuracy,
                "mean_loss": sum(e.loss for e in own) / len(own),
                "mean_accuracy": sum(e.accuracy for e in own) / len(own),
            }
        )
    return curve
