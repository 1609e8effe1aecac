"""Listener: how the pipeline says what it is doing, without knowing who hears it."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Protocol

Figures = Mapping[str, float]  # what a stage's progress is made of, by name: ``loss``, ``images_per_second``


class Listener(Protocol):
    """Hears of stages and of their progress. The command line draws bars; tests and --json stay silent."""

    def stage(self, name: str) -> None:
        """A stage begins."""

    def progress(self, done: int, total: int, detail: str, figures: Figures | None = None) -> None:
        """The current stage has come so far; ``detail`` is a short phrase such as ``loss 0.61``, and
        ``figures`` are its numbers for programs."""

    def note(self, text: str) -> None:
        """A result of the current stage in one line."""


class Silence:
    """Hears nothing."""

    def stage(self, name: str) -> None:
        """Ignored."""

    def progress(self, done: int, total: int, detail: str, figures: Figures | None = None) -> None:
        """Ignored."""

    def note(self, text: str) -> None:
        """Ignored."""


class Together:
    """Several listeners that hear the same."""

    def __init__(self, *listeners: Listener) -> None:
        self._listeners = listeners

    def stage(self, name: str) -> None:
        """A stage begins."""
        for listener in self._listeners:
            listener.stage(name)

    def progress(self, done: int, total: int, detail: str, figures: Figures | None = None) -> None:
        """The current stage has come so far."""
        for listener in self._listeners:
            listener.progress(done, total, detail, figures)

    def note(self, text: str) -> None:
        """A result of the current stage in one line."""
        for listener in self._listeners:
            listener.note(text)


class TrainingProgress:
    """Tells a listener of a training's epochs, images a second and loss; called after each step.

    ``phases``: (steps, images a step) in order; ``epoch``: the images of one.
    """

    def __init__(self, listener: Listener, phases: Sequence[tuple[int, int]], epoch: int) -> None:
        self._listener, self._phases, self._epoch = listener, phases, epoch
        self._recent: deque[tuple[float, int]] = deque(maxlen=50)  # (time, images) after the last steps

    def __call__(self, done: int, total: int, loss: float) -> None:
        """Step number ``done`` of ``total`` was done, with that loss."""
        images = self._images(done)
        self._recent.append((time.monotonic(), images))
        (began, before), (now, _) = self._recent[0], self._recent[-1]
        figures = {"epoch": images / self._epoch, "epochs": self._images(total) / self._epoch, "loss": loss}
        detail = f"epoch {figures['epoch']:.1f}/{figures['epochs']:.1f}, loss {loss:.2f}"
        if now > began:
            figures["images_per_second"] = (images - before) / (now - began)
            detail += f", {figures['images_per_second']:,.0f} img/s"
        self._listener.progress(done, total, detail, figures)

    def _images(self, steps: int) -> int:
        images = 0
        for length, batch in self._phases:
            images += min(steps, length) * batch
            steps = max(0, steps - length)
        return images


class Remaining:
    """How long a stage will go on, judged by what it did since this process began with it."""

    def __init__(self) -> None:
        self._first: tuple[float, int] | None = None

    def seconds(self, done: int, total: int) -> float | None:
        """The estimate after ``done`` of ``total``; None after the first."""
        now = time.monotonic()
        if self._first is None:
            self._first = (now, done)
        began, before = self._first
        return (now - began) / (done - before) * (total - done) if done > before else None
