"""NSGA-II over loss, latency, peak SRAM and flash. Deb et al., IEEE Trans. Evol. Comp. 6(2), 2002.

Non-dominated sorting and crowding distance are pymoo's (Blank & Deb, IEEE Access 2020). The survivors are
those of the whole log, where the paper takes them from the last parents and children: nothing that was
evaluated is lost to crowding for good.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from pymoo.operators.survival.rank_and_crowding.metrics import get_crowding_function
from pymoo.util.nds.non_dominated_sorting import NonDominatedSorting

from mcu_nas.search.exploration.history import Evaluation
from mcu_nas.search.exploration.pareto import objectives
from mcu_nas.spaces.architecture import Architecture
from mcu_nas.spaces.space import Space


@dataclass(frozen=True)
class Nsga2:
    """``population`` survives, and is a generation. A child is a crossover of two winners of binary
    tournaments with probability ``crossover_probability``, else one of them; then each position is redrawn
    with ``mutation_probability`` (None: 1 / positions, the paper's for real variables)."""

    space: Space
    population: int = 100
    crossover_probability: float = 0.9
    mutation_probability: float | None = None

    @property
    def batch(self) -> int:
        """A generation is asked for at once."""
        return self.population

    def ask(self, history: Sequence[Evaluation], n: int, rng: Generator) -> list[Architecture]:
        """``n`` children of the log's survivors, or random architectures while the log is short."""
        if len(history) < self.population:
            return [self.space.sample(rng) for _ in range(n)]
        parents = [evaluation.architecture for evaluation in self.preferred(history, self.population)]
        return [self._child(parents, rng) for _ in range(n)]

    def preferred(self, evaluations: Sequence[Evaluation], count: int) -> list[Evaluation]:
        """By rank, within a rank by crowding distance."""
        return [evaluations[i] for i in survivors(self.values(evaluations), count)]

    def values(self, evaluations: Sequence[Evaluation]) -> np.ndarray:
        """What is minimised, float64 (N, M)."""
        return objectives(evaluations)

    def _child(self, parents: Sequence[Architecture], rng: Generator) -> Architecture:
        one, other = (parents[rng.integers(len(parents), size=2).min()] for _ in range(2))
        child = self.space.crossover(one, other, rng) if rng.random() < self.crossover_probability else one
        probability = self.mutation_probability or 1 / len(self.space.positions)
        return self.space.mutate(child, rng, probability)


def survivors(values: np.ndarray, count: int) -> np.ndarray:
    """Indices of the best ``count`` rows of objectives (N, M), all to be minimised: by rank, within a rank by
    falling crowding distance, of equals the older. So the better of two is the one that comes first."""
    chosen: list[int] = []
    for front in NonDominatedSorting().do(values, n_stop_if_ranked=count):
        crowding = get_crowding_function("cd").do(values[front], n_remove=0)
        chosen.extend(front[np.argsort(-crowding, kind="stable")])
    return np.array(chosen[:count], dtype=np.int64)
