"""How long and how fast to train: counted in steps, never in seconds, so that a run can be repeated."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Schedule:
    """SGD with momentum under one cosine, after a linear warm-up.

    ``learning_rate`` is for a batch of 256 and is scaled to ``batch``. Each batch is dealt out in
    ``shares`` with batch norms of their own. Images are shifted by up to ``shift`` px in both axes
    and, with ``mirror``, mirrored at random where the data allow it.
    """

    steps: int
    batch: int
    learning_rate: float
    shares: int = 2
    shift: int = 0
    mirror: bool = False
    warmup_steps: int = 50
    momentum: float = 0.9
    weight_decay: float = 5e-5
    label_smoothing: float = 0.1

    def rate(self, step: int) -> float:
        """Learning rate of step number ``step``, from 0."""
        peak = self.learning_rate * self.batch / 256
        if step < self.warmup_steps:
            return peak * (step + 1) / self.warmup_steps
        progress = (step - self.warmup_steps) / max(1, self.steps - self.warmup_steps)
        return peak * 0.5 * (1.0 + math.cos(math.pi * progress))


@dataclass(frozen=True)
class SupernetSchedule:
    """TinyNAS: the largest network alone, its channels sorted, then sampled subnets.

    In the second phase each share of a batch goes to an architecture sampled for it.
    """

    largest: Schedule
    sampled: Schedule
