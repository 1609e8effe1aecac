"""Architecture: the choices made in a search space."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

Choice = int | float


@dataclass(frozen=True)
class Position:
    """One decision of a search space and its options, in ascending order."""

    name: str
    options: tuple[Choice, ...]


@dataclass(frozen=True)
class Architecture:
    """A tuple of (position name, choice); hashable, comparable, JSON.

    Resolution and width multiplier are positions like the others, so that one supernet can serve several
    boards.
    """

    choices: tuple[tuple[str, Choice], ...]

    @cached_property
    def _by_name(self) -> Mapping[str, Choice]:
        return dict(self.choices)

    def __getitem__(self, position: str) -> Choice:
        return self._by_name[position]

    def integer(self, position: str) -> int:
        """The choice at a position whose options are whole numbers."""
        choice = self._by_name[position]
        assert isinstance(choice, int), f"{position} is not a whole number"
        return choice

    def to_json(self) -> str:
        """One line of JSON, keys in the space's order."""
        return json.dumps(dict(self.choices))

    @staticmethod
    def from_json(text: str) -> Architecture:
        """The inverse of ``to_json``."""
        return Architecture(tuple(json.loads(text).items()))
