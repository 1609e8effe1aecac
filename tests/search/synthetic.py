"""Searches of a real space and its real costs for a fitness that can be written down."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

import numpy as np

from mcu_nas.boards import load_board
from mcu_nas.cost.constraints import Constraints, constraints_for
from mcu_nas.search.exploration.feasible import FeasibleCandidates
from mcu_nas.search.exploration.history import Evaluation, History, Score
from mcu_nas.search.exploration.loop import Evaluate, explore
from mcu_nas.search.strategies.aging import AgingEvolution
from mcu_nas.search.strategies.evolution import Evolution
from mcu_nas.search.strategies.nsga2 import Nsga2
from mcu_nas.search.strategies.random import Random
from mcu_nas.search.strategies.strategy import Strategy
from mcu_nas.spaces.architecture import Architecture
from mcu_nas.spaces.space import Space, mbconv_space

POPULATION, EVALUATIONS = 8, 32
STRATEGIES = ("evolution", "aging", "nsga2", "random")


@cache
def space() -> Space:
    return mbconv_space(28, 1, 10, resolutions=(16,), widths=(0.8,))


def constraints(latency_ms: float = 6.0) -> Constraints:
    return constraints_for(load_board("stm32f746g-disco"), latency_ms=latency_ms)


@cache
def shared_candidates() -> FeasibleCandidates:
    """One for all searches: costs are the slow part, and the same for each of them."""
    return FeasibleCandidates(space(), constraints())


def strategy(name: str, space: Space, population: int = POPULATION) -> Strategy:
    return {
        "evolution": Evolution(space, population, parents=max(2, population // 4)),
        "aging": AgingEvolution(space, population, tournament=max(2, population // 4), batch=3),
        "nsga2": Nsga2(space, population),
        "random": Random(space, population),
    }[name]


def expand_sum(architecture: Architecture) -> Score:
    """Wide blocks are better, whatever they cost: best is what uses up the limits."""
    share = sum(float(c) for name, c in architecture.choices if name.endswith("expand")) / 120
    return Score(1 - share, share)


def score_all(architectures: Sequence[Architecture], log: Sequence[Evaluation]) -> Iterable[Score]:
    return map(expand_sum, architectures)


def explored(
    path: Path,
    name: str,
    *,
    seed: int = 0,
    evaluate: Evaluate = score_all,
    candidates: FeasibleCandidates | None = None,
    population: int = POPULATION,
    evaluations: int = EVALUATIONS,
) -> History:
    candidates = candidates or shared_candidates()
    history = History(path)
    explore(
        strategy(name, candidates.space, population),
        name,
        candidates,
        history,
        evaluate,
        start=population,
        evaluations=evaluations,
        seed=seed,
    )
    return history


@cache
def hidden() -> Architecture:
    """A feasible architecture that searches are to find."""
    rng = np.random.default_rng(5)
    return shared_candidates().gather(lambda n: [space().sample(rng) for _ in range(n)], 1)[0]


def differing(architecture: Architecture) -> int:
    """Positions at which an architecture differs from the hidden one."""
    return sum(choice != hidden()[name] for name, choice in architecture.choices)


def score_by_distance(architectures: Sequence[Architecture], log: Sequence[Evaluation]) -> Iterable[Score]:
    """The share of positions that differ from the hidden architecture: the optimum is 0, and known."""
    shares = (differing(architecture) / len(architecture.choices) for architecture in architectures)
    return (Score(share, 1 - share) for share in shares)
