"""Accuracy against time: validation accuracy of a network while it trains, kept in run.json as ``curve``."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from mcu_nas.search.run.run_folder import RunFolder

SECTION = "curve"


@dataclass
class Curve:
    """Called after each step of a training, it measures at every ``every``-th and at the last.

    ``measure`` gives the network's accuracy, 0 to 1, and leaves it as the training wants it. A point holds
    the seconds spent in training (those of measuring not counted), the images seen, the accuracy. A resumed
    training goes on where its checkpoint stands: points beyond it are taken again, and the seconds go on
    from those of the last point that is kept. A kill between a checkpoint and its point loses that point.
    """

    folder: RunFolder
    measure: Callable[[], float]
    every: int
    batch: int
    clock: Callable[[], float] = time.monotonic
    _points: list[dict[str, Any]] | None = field(default=None, repr=False)
    _began: float = field(default=0.0, repr=False)

    def __post_init__(self) -> None:
        self._began = self.clock()

    def __call__(self, done: int, total: int) -> None:
        """Step number ``done``, from 1, of ``total`` is over."""
        if self._points is None:
            earlier = self.folder.read().get(SECTION, [])
            self._points = [point for point in earlier if point["images"] < done * self.batch]
            if self._points:
                self._began -= self._points[-1]["seconds"]
        if done % self.every and done != total:
            return
        seconds = self.clock() - self._began
        before = self.clock()
        point = {"seconds": seconds, "images": done * self.batch, "accuracy": self.measure()}
        self._began += self.clock() - before
        self._points.append(point)
        self.folder.record(SECTION, self._points)

    def finish(self, total: int) -> float | None:
        """After the training of ``total`` steps: the seconds that it took, in all sittings. Takes the last
        point where a kill has lost it; nobody knows its seconds then, and they are None.
        """
        points = self.folder.read().get(SECTION, [])
        if not points or points[-1]["images"] < total * self.batch:
            points.append({"seconds": None, "images": total * self.batch, "accuracy": self.measure()})
            self.folder.record(SECTION, points)
        seconds: float | None = points[-1]["seconds"]
        return seconds
