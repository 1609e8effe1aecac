"""How long and how fast to train: counted in steps, never in seconds, so that a run can be repeated."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Schedule:
    """SGD with momentum under one cosine, after a linear warm-up.

    ``learning_rate`` is for a batch of 256 and is scaled to ``batch``. Each batch is dealt out in
    ``shares`` with batch norms of their own. ``averaging`` is the decay a step of the moving average of the
    weights that the training ends with (0: the last weights). ``distillation`` is the weight of a teacher's
    answers beside the labels, where there is a teacher.

    Images are varied: shifted by up to ``shift`` px in both axes; with ``mirror`` mirrored at random where
    the data allow it; ``cutout``: a black square of so many px (DeVries & Taylor, arXiv 1708.04552);
    ``mixup``: blended in pairs with a share from Beta(mixup, mixup) (Zhang et al., ICLR 2018).
    """

    steps: int
    batch: int
    learning_rate: float
    shares: int = 2
    shift: int = 0
    mirror: bool = False
    cutout: int = 0
    mixup: float = 0.0
    warmup_steps: int = 50
    momentum: float = 0.9
    weight_decay: float = 5e-5
    label_smoothing: float = 0.1
    averaging: float = 0.0
    distillation: float = 0.0

    def rate(self, step: int) -> float:
        """Learning rate of step number ``step``, from 0."""
        peak = self.learning_rate * self.batch / 256
        if step < self.warmup_steps:
            return peak * (step + 1) / self.warmup_steps
        progress = (step - self.warmup_steps) / max(1, self.steps - self.warmup_steps)
        return peak * 0.5 * (1.0 + math.cos(math.pi * progress))


@dataclass(frozen=True)
class SupernetSchedule:
    """The largest network alone, its channels sorted, then sampled subnets (TinyNAS's two phases).

    In the second phase each share of a batch goes to one architecture sampled for it, or with ``sandwich``
    to a large one, a small one and so many others (supernet/subnet_losses.py). Where the second schedule has
    ``distillation``, the large one teaches the others; single paths have no teacher. ``progressive``:
    kernels, depths, expand ratios and widths become free one after the other, a fifth of the phase apart
    (Once-for-All's progressive shrinking).
    """

    largest: Schedule
    sampled: Schedule
    sandwich: int = 0
    progressive: bool = False

    @property
    def phases(self) -> tuple[Schedule, Schedule]:
        """Both schedules in order."""
        return self.largest, self.sampled
