"""Random search: what every other strategy must beat. Li & Talwalkar, UAI 2019, arXiv:1902.07638."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from numpy.random import Generator

from mcu_nas.search.exploration.history import Evaluation
from mcu_nas.spaces.architecture import Architecture
from mcu_nas.spaces.space import Space


@dataclass(frozen=True)
class Random:
    """Samples, whatever the log says."""

    space: Space
    batch: int = 100

    def ask(self, history: Sequence[Evaluation], n: int, rng: Generator) -> list[Architecture]:
        """``n`` samples of the space."""
        return [self.space.sample(rng) for _ in range(n)]

    def preferred(self, evaluations: Sequence[Evaluation], count: int) -> list[Evaluation]:
        """The first, as it prefers none."""
        return list(evaluations[:count])
