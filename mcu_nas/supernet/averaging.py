"""A moving average of weights in training, with which the training ends (Polyak & Juditsky, 1992)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


class MovingAverage:
    """Exponential average of parameters with a decay a step; with decay 0 there is none.

    In its first steps it decays faster, so that the initial weights do not linger: (1 + n) / (10 + n) after
    n steps, as long as that is less.
    """

    def __init__(self, parameters: Sequence[Tensor], decay: float) -> None:
        self._parameters = [parameter.detach() for parameter in parameters]
        self._decay = decay
        self.values = [parameter.clone() for parameter in self._parameters] if decay else []

    def update(self, step: int) -> None:
        """After step number ``step``, from 0."""
        if self.values:
            decay = min(self._decay, (1 + step) / (10 + step))
            torch._foreach_lerp_(self.values, self._parameters, 1 - decay)

    def take_over(self) -> None:
        """The parameters become their average."""
        for parameter, value in zip(self._parameters, self.values, strict=False):
            parameter.copy_(value)

    def load(self, values: Sequence[Tensor]) -> None:
        """Goes on from ``values`` saved before."""
        for own, saved in zip(self.values, values, strict=True):
            own.copy_(saved)
