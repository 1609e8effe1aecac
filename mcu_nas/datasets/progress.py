"""How far reading is, for whoever waits."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[int, int], None]  # images read, images


def unseen(done: int, total: int) -> None:
    """A Progress that nobody watches."""
