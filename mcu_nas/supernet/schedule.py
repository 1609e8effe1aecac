"""How long and how fast to train: counted in steps, never in seconds, so that a run can be repeated."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Schedule:
    """SGD with momentum under one cosine, after a linear warm-up.

    ``learning_rate`` is for a batch of 256 and is scaled to ``batch``.
    """

    steps: int
    batch: int
    learning_rate: float
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

    def epochs(self, images: int) -> float:
        """Passes over ``images`` training images."""
        return self.steps * self.batch / images


@dataclass(frozen=True)
class SupernetSchedule:
    """TinyNAS: the largest network alone, its channels sorted, then sampled subnets.

    In the second phase each step's batch is dealt out to ``subnets_per_step`` sampled architectures.
    """

    largest: Schedule
    sampled: Schedule
    subnets_per_step: int = 4
