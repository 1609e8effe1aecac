"""Batch norm in training with the activation after it: native/batch_norm.c behind autograd."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from mcu_nas.operators import Activation
from mcu_nas.supernet.native.kernels import check, library, serves

_RANGES = {
    Activation.NONE: (-math.inf, math.inf),
    Activation.RELU: (0.0, math.inf),
    Activation.RELU6: (0.0, 6.0),
}


@dataclass(frozen=True)
class Unnormalised:
    """A batch norm and its activation that are still to do: its reader does them on the way.

    ``values`` (N, C, H, W); ``gain``, ``shift`` (C,).
    """

    values: Tensor
    gain: Tensor
    shift: Tensor
    epsilon: float
    activation: Activation

    @property
    def clamp(self) -> tuple[float, float]:
        """The activation as a range."""
        return _RANGES[self.activation]

    def done(self) -> Tensor:
        """The activation (N, C, H, W)."""
        return normalise(self.values, self.gain, self.shift, self.epsilon, self.activation)


def normalise(x: Tensor, gain: Tensor, shift: Tensor, epsilon: float, activation: Activation) -> Tensor:
    """Batch norm of x (N, C, H, W) by its own statistics, then the activation; gain, shift (C,)."""
    low, high = _RANGES[activation]
    if serves(x):
        return _Normalise.apply(x, gain, shift, epsilon, low, high)
    y = F.batch_norm(x, None, None, gain, shift, True, 0.0, epsilon)
    return y if activation is Activation.NONE else y.clamp(low, high)


def statistics(x: Tensor, gain: Tensor, shift: Tensor, epsilon: float) -> Tensor:
    """``saved`` (4, C) of native/batch_norm.h: what normalises x (N, C, H, W), channels_last."""
    channels = x.shape[1]
    saved = x.new_empty((4, channels))
    pointers = gain.data_ptr(), shift.data_ptr(), epsilon, saved.data_ptr()
    check(library(x.dtype).batch_norm_statistics(x.data_ptr(), x.numel() // channels, channels, *pointers))
    return saved


class _Normalise(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, gain: Tensor, shift: Tensor, epsilon: float, low: float, high: float
    ) -> Tensor:
        x = x.contiguous(memory_format=torch.channels_last)
        channels = x.shape[1]
        saved, y = x.new_empty((4, channels)), torch.empty_like(x)
        status = library(x.dtype).batch_norm_forward(
            x.data_ptr(),
            x.numel() // channels,
            channels,
            gain.data_ptr(),
            shift.data_ptr(),
            epsilon,
            low,
            high,
            saved.data_ptr(),
            y.data_ptr(),
        )
        check(status)
        ctx.save_for_backward(x, saved)
        ctx.low, ctx.high = low, high
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor, Tensor, Tensor, None, None, None]:
        x, saved = ctx.saved_tensors
        dy = dy.contiguous(memory_format=torch.channels_last)
        channels = x.shape[1]
        dx, dgain, dshift = torch.empty_like(x), x.new_empty(channels), x.new_empty(channels)
        status = library(x.dtype).batch_norm_backward(
            x.data_ptr(),
            dy.data_ptr(),
            x.numel() // channels,
            channels,
            saved.data_ptr(),
            ctx.low,
            ctx.high,
            dx.data_ptr(),
            dgain.data_ptr(),
            dshift.data_ptr(),
        )
        check(status)
        return dx, dgain, dshift, None, None, None
