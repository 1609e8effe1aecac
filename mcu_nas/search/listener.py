"""Listener: how the pipeline says what it is doing, without knowing who hears it."""

from __future__ import annotations

from typing import Protocol


class Listener(Protocol):
    """Hears of stages and of their progress. The command line draws bars; tests and --json stay silent."""

    def stage(self, name: str) -> None:
        """A stage begins."""

    def progress(self, done: int, total: int, detail: str) -> None:
        """The current stage has come so far; ``detail`` is a short phrase such as ``loss 0.61``."""

    def note(self, text: str) -> None:
        """A result of the current stage in one line."""


class Silence:
    """Hears nothing."""

    def stage(self, name: str) -> None:
        """Ignored."""

    def progress(self, done: int, total: int, detail: str) -> None:
        """Ignored."""

    def note(self, text: str) -> None:
        """Ignored."""
