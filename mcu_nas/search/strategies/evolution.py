"""Evolution as in TinyNAS. Lin et al., MCUNet, NeurIPS 2020, §3.1 and appendix (from Guo et al., 2020).

Each generation takes the best architectures of the whole log as parents; one half of the children are
crossovers of two parents, the other half mutations of one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from numpy.random import Generator

from mcu_nas.search.exploration.history import Evaluation, best
from mcu_nas.spaces.architecture import Architecture
from mcu_nas.spaces.space import Space


@dataclass(frozen=True)
class Evolution:
    """Parameters of the paper by default; ``population`` is a generation, the random first one as well."""

    space: Space
    population: int = 100
    parents: int = 20
    mutation_probability: float = 0.1

    @property
    def batch(self) -> int:
        """A generation is asked for at once."""
        return self.population

    def ask(self, history: Sequence[Evaluation], n: int, rng: Generator) -> list[Architecture]:
        """``n`` children of the log's best, or random architectures while the log is short."""
        if len(history) < self.population:
            return [self.space.sample(rng) for _ in range(n)]
        parents = [evaluation.architecture for evaluation in self.preferred(history, self.parents)]
        return [self._child(parents, rng) for _ in range(n)]

    def preferred(self, evaluations: Sequence[Evaluation], count: int) -> list[Evaluation]:
        """Those of least loss."""
        return best(evaluations, count)

    def _child(self, parents: Sequence[Architecture], rng: Generator) -> Architecture:
        one, other = (parents[i] for i in rng.integers(len(parents), size=2))
        if rng.random() < 0.5:
            return self.space.crossover(one, other, rng)
        return self.space.mutate(one, rng, self.mutation_probability)
