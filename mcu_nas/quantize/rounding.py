"""Rounding as TFLite Micro's int8 kernels round, with gradients that pass straight through.

Integers are held in floats; the straight-through estimator is Bengio et al., arXiv 1308.3432.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

# Rounds ties away from zero where torch rounds them to even: every value moves outwards, by less than what
# separates two products of int32 and a power of two down to 2^-15.
_OUTWARDS = 1.0 + 2.0**-22


def rounded(x: Tensor) -> Tensor:
    """The nearest integers."""
    return straight_through(x, torch.round(x))


def straight_through(x: Tensor, instead: Tensor) -> Tensor:
    """``instead``, with the gradient going to ``x``."""
    value: Tensor = _Through.apply(x, instead)
    return value


def clamped_and_rounded(x: Tensor, low: int, high: int) -> Tensor:
    """The nearest integers in [low, high], ties away from zero; no gradient passes where ``x`` is outside.

    ``x`` is overwritten.
    """
    integers: Tensor = _ClampAndRound.apply(x, low, high)
    return integers


def requantized(
    sums: Tensor, bias: Tensor, factor: Tensor, parts: tuple[Tensor, Tensor], low: int, high: int
) -> Tensor:
    """(``sums`` + ``bias``) * ``factor`` in [low, high], rounded by TFLite's MultiplyByQuantizedMultiplier.

    sums (N, C, ...) and bias (C,) are integers. ``parts`` multiply to ``factor``, all (C,): after the product
    with the first, the multiplier's fraction, comes a rounding of its own; the second is the power of two of
    the right shift. Products of 32 bits rarely round otherwise than those of a float's 24.
    """
    shape = (-1, *(1,) * (sums.ndim - 2))
    columns = (values.reshape(shape) for values in (bias, factor, *parts))
    integers: Tensor = _Requantize.apply(sums, *columns, low, high)
    return integers


class _Through(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, instead: Tensor) -> Tensor:
        return instead.detach()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient, None


class _ClampAndRound(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, low: int, high: int) -> Tensor:
        x.mul_(_OUTWARDS).clamp_(low, high)
        ctx.save_for_backward(x)
        ctx.low, ctx.high = low, high
        return torch.round(x)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (clamped,) = ctx.saved_tensors
        return _inside(gradient, clamped, ctx.low, ctx.high), None, None


class _Requantize(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        sums: Tensor,
        bias: Tensor,
        factor: Tensor,
        fraction: Tensor,
        power: Tensor,
        low: int,
        high: int,
    ) -> Tensor:
        clamped = torch.addcmul(bias * fraction, sums, fraction).round_()
        clamped.mul_(power * _OUTWARDS).clamp_(low, high)
        ctx.save_for_backward(clamped, factor)
        ctx.low, ctx.high = low, high
        return torch.round(clamped)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        clamped, factor = ctx.saved_tensors
        inside = _inside(gradient, clamped, ctx.low, ctx.high)
        of_bias = of_factor = None
        if ctx.needs_input_grad[1]:
            of_bias = inside.sum_to_size(factor.shape) * factor
        if ctx.needs_input_grad[2]:  # inside, clamped = (sums + bias) * factor
            of_factor = (inside * clamped).sum_to_size(factor.shape) / factor
        return inside.mul_(factor), of_bias, of_factor, None, None, None, None


def _inside(gradient: Tensor, clamped: Tensor, low: int, high: int) -> Tensor:
    """The gradient where a clamp did nothing, else 0."""
    return torch.ops.aten.hardtanh_backward(gradient, clamped, low, high)
