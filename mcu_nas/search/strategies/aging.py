"""Regularized (aging) evolution. Real et al., AAAI 2019, arXiv:1802.01548.

The population is the last ``population`` evaluations: who is older dies, however good. A child is the best of
a random ``tournament`` with one position changed, as the paper's mutations change one operation or one edge.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from numpy.random import Generator

from mcu_nas.search.exploration.history import Evaluation, best
from mcu_nas.spaces.architecture import Architecture
from mcu_nas.spaces.space import Space


@dataclass(frozen=True)
class AgingEvolution:
    """The paper's population, and its sample of 25 from 100. Its 450 workers asked one by one; here ``batch``
    children are asked for at once, so that the log does not depend on the number of workers."""

    space: Space
    population: int = 100
    tournament: int = 25
    batch: int = 10

    def ask(self, history: Sequence[Evaluation], n: int, rng: Generator) -> list[Architecture]:
        """``n`` children, each of its own tournament, or random architectures while the log is short."""
        alive = history[-self.population :]
        if len(alive) < self.population:
            return [self.space.sample(rng) for _ in range(n)]
        return [changed(self.space, self._parent(alive, rng), rng) for _ in range(n)]

    def preferred(self, evaluations: Sequence[Evaluation], count: int) -> list[Evaluation]:
        """Those of least loss."""
        return best(evaluations, count)

    def _parent(self, alive: Sequence[Evaluation], rng: Generator) -> Architecture:
        drawn = rng.choice(len(alive), size=min(self.tournament, len(alive)), replace=False)
        (winner,) = self.preferred([alive[i] for i in drawn], 1)
        return winner.architecture


def changed(space: Space, parent: Architecture, rng: Generator) -> Architecture:
    """The parent with another option at one position that means something under its depths; the parent
    itself where none has a second option."""
    positions = [name for name in space.active(parent) if len(space.options[name]) > 1]
    if not positions:
        return parent
    position = positions[rng.integers(len(positions))]
    others = [option for option in space.options[position] if option != parent[position]]
    return space.canonical({**dict(parent.choices), position: others[rng.integers(len(others))]})
