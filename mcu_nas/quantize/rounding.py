"""Rounding as TFLite Micro's int8 kernels round, with gradients that pass straight through.

Integers are held in floats; the straight-through estimator is Bengio et al., arXiv 1308.3432.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from mcu_nas.supernet.native.kernels import check, library, serves

# Rounds ties away from zero where torch rounds them to even: every value moves outwards, by less than what
# separates two products of int32 and a power of two down to 2^-15.
_OUTWARDS = 1.0 + 2.0**-22


class Factor(NamedTuple):
    """Multipliers of requantization, (C,) each: ``whole`` = ``fraction`` * ``power``.

    After the product with the fraction there is a rounding of its own; the power of two is that of the right
    shift.
    """

    whole: Tensor
    fraction: Tensor
    power: Tensor


def factor_of(whole: Tensor) -> Factor:
    """As TFLite's QuantizeMultiplier splits it; a left shift, being exact, goes to the fraction."""
    _, shift = torch.frexp(whole)
    power = torch.exp2(shift.clamp(max=0).to(whole.dtype))
    return Factor(whole, whole / power, power)


def rounded(x: Tensor) -> Tensor:
    """The nearest integers."""
    integers: Tensor = _Round.apply(x)
    return integers


def clamped_and_rounded(x: Tensor, low: int, high: int) -> Tensor:
    """The nearest integers in [low, high], ties away from zero; no gradient passes where ``x`` is outside.

    ``x`` is overwritten.
    """
    integers: Tensor = _ClampAndRound.apply(x, low, high)
    return integers


def requantized(sums: Tensor, bias: Tensor, factor: Factor, low: int, high: int) -> Tensor:
    """(``sums`` + ``bias``) * ``factor`` in [low, high], rounded by TFLite's MultiplyByQuantizedMultiplier.

    sums (N, C) or (N, C, H, W) and bias (C,) are integers. The product of two of 32 bits rarely rounds
    otherwise than that of floats with 24.
    """
    requantize = _RequantizeInC if serves(sums) else _Requantize
    integers: Tensor = requantize.apply(sums, bias, factor, low, high)
    return integers


class _Round(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return torch.round(x)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return gradient


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
    """Where there is no kernel in C."""

    @staticmethod
    def forward(ctx: Any, sums: Tensor, bias: Tensor, factor: Factor, low: int, high: int) -> Tensor:
        shape = (-1, *(1,) * (sums.ndim - 2))
        whole, fraction, power = (values.reshape(shape) for values in factor)
        clamped = sums.add(bias.reshape(shape)).mul_(fraction).round_()
        clamped.mul_(power * _OUTWARDS).clamp_(low, high)
        ctx.save_for_backward(clamped, whole)
        ctx.low, ctx.high = low, high
        return torch.round(clamped)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        clamped, whole = ctx.saved_tensors
        of_sums = _inside(gradient, clamped, ctx.low, ctx.high) * whole
        # Not in the factor's shape: a fully connected layer has one factor and a bias for each output.
        axes = (0, *range(2, of_sums.ndim))
        of_bias = of_sums.sum(axes) if ctx.needs_input_grad[1] else None
        return of_sums, of_bias, None, None, None


class _RequantizeInC(torch.autograd.Function):
    """The same by native/requantize.c, which takes one pass where torch takes six."""

    @staticmethod
    def forward(ctx: Any, sums: Tensor, bias: Tensor, factor: Factor, low: int, high: int) -> Tensor:
        sums = _pixel_by_pixel(sums)
        channels = sums.shape[1]
        bias, whole, fraction = (values.expand(channels).contiguous() for values in (bias, *factor[:2]))
        power = (factor.power * _OUTWARDS).expand(channels).contiguous()
        integers = torch.empty_like(sums)
        library(sums.dtype).requantize_forward(
            sums.data_ptr(),
            sums.numel() // channels,
            channels,
            bias.data_ptr(),
            fraction.data_ptr(),
            power.data_ptr(),
            low,
            high,
            integers.data_ptr(),
        )
        ctx.save_for_backward(sums, bias, whole, fraction, power)
        ctx.low, ctx.high = low, high
        return integers

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None, None, None]:
        sums, bias, whole, fraction, power = ctx.saved_tensors
        gradient = _pixel_by_pixel(gradient)
        channels = sums.shape[1]
        of_sums, of_bias = torch.empty_like(sums), torch.empty_like(bias)
        status = library(sums.dtype).requantize_backward(
            sums.data_ptr(),
            gradient.data_ptr(),
            sums.numel() // channels,
            channels,
            bias.data_ptr(),
            fraction.data_ptr(),
            power.data_ptr(),
            whole.data_ptr(),
            ctx.low,
            ctx.high,
            of_sums.data_ptr(),
            of_bias.data_ptr(),
        )
        check(status)
        return of_sums, of_bias, None, None, None


def _pixel_by_pixel(x: Tensor) -> Tensor:
    """In memory, the channels of a pixel beside each other."""
    return x.contiguous(memory_format=torch.channels_last) if x.ndim == 4 else x.contiguous()


def _inside(gradient: Tensor, clamped: Tensor, low: int, high: int) -> Tensor:
    """The gradient where a clamp did nothing, else 0."""
    return torch.ops.aten.hardtanh_backward(gradient, clamped, low, high)
