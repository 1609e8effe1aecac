"""Strategy: how to move in a search space, as one question."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from numpy.random import Generator

from mcu_nas.search.exploration.history import Evaluation
from mcu_nas.spaces.architecture import Architecture


class Strategy(Protocol):
    """What the search loop asks.

    Answers follow from the log and the generator alone, so that a resumed search gets the same. Whether they
    meet the limits is the loop's business.
    """

    @property
    def batch(self) -> int:
        """How many architectures are evaluated between one question and the next: a generation. They may be
        evaluated at once, by as many workers."""

    def ask(self, history: Sequence[Evaluation], n: int, rng: Generator) -> list[Architecture]:
        """``n`` architectures to evaluate next; ``history`` in the order of asking."""

    def preferred(self, evaluations: Sequence[Evaluation], count: int) -> list[Evaluation]:
        """The ``count`` that it would rather build on than on the others, first the one it prefers most."""
