"""Integer parameters of the int8 kernels, computed as TensorFlow Lite Micro computes them.

TFLM derives them in its operators' Prepare functions, in double precision from the file's float32 scales;
one different rounding here would show in the outputs. firmware/kernels/requantize.h uses them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from mcu_nas.errors import UnsupportedError
from mcu_nas.graph import Quantization
from mcu_nas.operators import Activation

ADD_HEADROOM_BITS = 20  # firmware/kernels/shared_scale.h
MUL_LARGEST_SHIFT = 15  # firmware/kernels/mul.h: 255 * 255 * 2^15 < 2^31
SOFTMAX_FRACTION_BITS = 26  # firmware/kernels/softmax.c
INT8_MIN, INT8_MAX = -128, 127


@dataclass(frozen=True, slots=True)
class Multiplier:
    """A real factor as value * 2^(shift - 31): value 0 or in [2^30, 2^31), shift in [-31, 30]."""

    value: int
    shift: int


def quantize_multiplier(real: float) -> Multiplier:
    """A non-negative real factor as an integer multiplier (TFLite's QuantizeMultiplier).

    Raises:
        UnsupportedError: a factor of 2^30 or more.
    """
    if real == 0.0:
        return Multiplier(0, 0)
    fraction, shift = math.frexp(real)
    value = _round_half_away(fraction * 2.0**31)
    if value == 2**31:
        value //= 2
        shift += 1
    if shift < -31:
        return Multiplier(0, 0)
    if shift > 30:
        raise UnsupportedError(f"requantization factor {real:g} is 2^30 or more")
    return Multiplier(value, shift)


def weighted_multipliers(
    source: Quantization, weights: Quantization, output: Quantization, channels: int, *, fully_connected: bool
) -> tuple[Multiplier, ...]:
    """Per output channel, the factor from accumulator to output: s_in * s_w / s_out.

    A fully connected layer with one weight scale multiplies s_in and s_w in float32 first, as TFLM does
    there and nowhere else.
    """
    if fully_connected and len(weights.scales) == 1:
        product = float(np.float32(source.scale) * np.float32(weights.scale))
        return (quantize_multiplier(product / output.scale),) * channels
    scales = weights.scales if len(weights.scales) > 1 else weights.scales * channels
    return tuple(quantize_multiplier(source.scale * scale / output.scale) for scale in scales)


def activation_range(activation: Activation, output: Quantization) -> tuple[int, int]:
    """The int8 range to which a fused activation clamps (TFLite's CalculateActivationRangeQuantized).

    Raises:
        UnsupportedError: a scale in which 6 is 2^31 steps or more.
    """
    low, high = INT8_MIN, INT8_MAX
    if activation is not Activation.NONE:
        low = max(low, output.zero_point)
    if activation is Activation.RELU6:
        with np.errstate(over="ignore"):
            six = float(np.float32(6.0) / np.float32(output.scale))
        if six >= 2.0**31:
            raise UnsupportedError(f"output scale {output.scale:g} is too fine for RELU6")
        high = min(high, output.zero_point + _round_half_away(six))
    return low, high


def add_multipliers(
    a: Quantization, b: Quantization, output: Quantization
) -> tuple[Multiplier, Multiplier, Multiplier]:
    """ADD's and SUB's factors: of both inputs to the shared scale (twice the larger one), and from it to the
    output.

    Raises:
        UnsupportedError: an output scale so fine that the last factor is 1 or more.
    """
    shared = 2.0 * max(a.scale, b.scale)
    to_output = shared / (2.0**ADD_HEADROOM_BITS * output.scale)
    if to_output >= 1.0:
        raise UnsupportedError(
            f"output scale {output.scale:g} is 2^{ADD_HEADROOM_BITS} times finer than the inputs'"
        )
    return (
        quantize_multiplier(a.scale / shared),
        quantize_multiplier(b.scale / shared),
        quantize_multiplier(to_output),
    )


def mul_multiplier(a: Quantization, b: Quantization, output: Quantization) -> Multiplier:
    """MUL's factor from a product to the output: s_a * s_b / s_out.

    Raises:
        UnsupportedError: a factor of 2^15 or more, by which the largest product leaves int32.
    """
    factor = quantize_multiplier(a.scale * b.scale / output.scale)
    if factor.shift > MUL_LARGEST_SHIFT:
        raise UnsupportedError(f"output scale {output.scale:g} is 2^15 times finer than the inputs' product")
    return factor


def mean_multiplier(source: Quantization, output: Quantization, count: int) -> Multiplier:
    """MEAN's factor from a sum of ``count`` values to the output: s_in / s_out / count.

    The division happens on the integer multiplier, after as large a left shift as is safe.
    """
    whole = quantize_multiplier(source.scale / output.scale)
    shift = min(count.bit_length() - 1, 32, 31 + whole.shift)
    return Multiplier((whole.value << shift) // count, whole.shift - shift)


def softmax_multiplier(source: Quantization) -> tuple[Multiplier, int]:
    """SOFTMAX's factor from a difference of inputs to Q5.26, and the least difference that counts.

    Raises:
        UnsupportedError: a scale of 16 or more, or of 2^-26 or less, where TFLM's arithmetic ends.
    """
    to_exponent = source.scale * 2.0**SOFTMAX_FRACTION_BITS
    if to_exponent <= 1.0:
        raise UnsupportedError(f"input scale {source.scale:g} is too fine for a softmax")
    factor = quantize_multiplier(to_exponent)
    return factor, -(((2**5 - 1) << SOFTMAX_FRACTION_BITS) >> factor.shift)


def _round_half_away(x: float) -> int:
    """Round a non-negative number to nearest, ties up (C's round)."""
    return math.floor(x + 0.5)
