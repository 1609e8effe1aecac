"""Int8 functions of one variable as tables of 256 bytes, computed as TFLite Micro's kernels compute them.

Entry i belongs to the input i - 128. Where TFLM's own arithmetic ends, the operator is refused; inside, a
table equals its kernel for every input.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from mcu_nas.compiler import fixed_point
from mcu_nas.compiler.fixed_point import halved
from mcu_nas.compiler.int8_arithmetic import requantized, scaled
from mcu_nas.compiler.requantize import INT8_MAX, INT8_MIN, Multiplier, quantize_multiplier
from mcu_nas.errors import UnsupportedError
from mcu_nas.graph import Quantization
from mcu_nas.operators import Activation, Elementwise, HardSwish, LeakyRelu, Logistic, Relu, Relu6, Tanh

TABLE_BYTES = 256

_LARGEST_RESCALING = 2.0**23  # times 255, the largest distance from a zero point, is still an int32
_INPUT_INTEGER_BITS = 4  # LOGISTIC and TANH bring their inputs to Q4.27
_LARGEST_SHIFT = 62  # TFLM divides by 2^shift, an int64
_LARGEST_RAMP_SHIFT = 29  # HARD_SWISH: input scales below 2^22


def table(op: Elementwise, source: Quantization, output: Quantization) -> np.ndarray:
    """The function of ``op`` between two quantizations: int8 (256,).

    Raises:
        UnsupportedError: scales for which TFLM's arithmetic overflows or is refused.
    """
    x = np.arange(INT8_MIN, INT8_MAX + 1, dtype=np.int64) - source.zero_point
    match op:
        case HardSwish():
            values = _hard_swish(x, source, output)
        case Logistic():
            values = halved(_saturating(x, source, fixed_point.logistic), 23) - 128
        case Tanh():
            values = halved(_saturating(x, source, fixed_point.tanh), 24)
        case LeakyRelu():
            values = _leaky_relu(x, op.alpha, source, output)
        case _:
            activation = {Relu: Activation.RELU, Relu6: Activation.RELU6}.get(type(op), Activation.NONE)
            values = _rescaled(x, source.scale / output.scale, output, activation)
    return np.clip(values, INT8_MIN, INT8_MAX).astype(np.int8)


def _rescaled(
    x: np.ndarray, factor: float, output: Quantization, activation: Activation = Activation.NONE
) -> np.ndarray:
    """x times a factor, around the output's zero point, within the activation's range."""
    if factor >= _LARGEST_RESCALING:
        raise UnsupportedError(f"its output scale {output.scale:g} is 2^23 times finer than its input's")
    return requantized(x, [quantize_multiplier(factor)] * len(x), output, activation)


def _leaky_relu(x: np.ndarray, alpha: float, source: Quantization, output: Quantization) -> np.ndarray:
    """One factor for each sign; TFLM computes both in double precision, alpha's too."""
    factors = source.scale / output.scale, source.scale * float(np.float32(alpha)) / output.scale
    positive, negative = (_rescaled(x, factor, output) for factor in factors)
    return np.where(x >= 0, positive, negative)


def _saturating(
    x: np.ndarray, source: Quantization, function: Callable[[np.ndarray, int], np.ndarray]
) -> np.ndarray:
    """A function of x in Q0.31, its argument in Q4.27; the int32 limits from where |x| reaches 15."""
    factor = source.scale * 2.0 ** (31 - _INPUT_INTEGER_BITS)
    shift = math.frexp(factor)[1]
    if not 0 <= shift <= _LARGEST_SHIFT:
        raise UnsupportedError(f"its input scale {source.scale:g} is too {'fine' if shift < 0 else 'coarse'}")
    radius = (15 << (31 - _INPUT_INTEGER_BITS)) >> shift
    inside = np.abs(x) < radius
    argument = np.where(inside, x, 0)
    if shift <= 30:
        argument = scaled(argument, [quantize_multiplier(factor)] * len(x))
    limits = np.where(x <= -radius, -(2**31), 2**31 - 1)
    return np.where(inside, function(argument, _INPUT_INTEGER_BITS), limits)


def _hard_swish(x: np.ndarray, source: Quantization, output: Quantization) -> np.ndarray:
    """x times a ramp from 0 at -3 to 1 at 3, both in 16 bits, Q0.15, for x in units of 1/128 of a step."""
    fine = source.scale / 128
    to_output = _factor16(fine / output.scale, 0, f"{source.scale:g} over output scale {output.scale:g}")
    to_ramp = _factor16(fine / (3 / 32768), _LARGEST_RAMP_SHIFT, f"{source.scale:g}")
    x = x << 7
    value = _multiplied16(x, to_output.value)
    ramp = _saturated16(x << max(to_ramp.shift - 1, 0))
    ramp = _multiplied16(ramp, to_ramp.value)
    ramp = _saturated16(ramp << 1) if to_ramp.shift > 0 else halved(ramp, -to_ramp.shift)
    ramp = (ramp + (1 << 15)) >> 1  # from [-1, 1] to [0, 1]
    product = np.sign(value) * (ramp * np.abs(value) >> 15)  # towards 0
    return halved(product, -to_output.shift) + output.zero_point


def _factor16(factor: float, largest_shift: int, what: str) -> Multiplier:
    """A factor with a 16-bit multiplier: value * 2^(shift - 15), shift from -15.

    Raises:
        UnsupportedError: TFLM refuses a larger shift; a smaller one exceeds its 16 bits.
    """
    whole = quantize_multiplier(min(factor, 2.0**_LARGEST_RAMP_SHIFT))
    if whole.value == 0 or not -15 <= whole.shift <= largest_shift:
        raise UnsupportedError(f"its input scale {what} is out of HARD_SWISH's range")
    return Multiplier(min((whole.value + (1 << 15)) >> 16, 2**15 - 1), whole.shift)


def _multiplied16(a: np.ndarray, b: int) -> np.ndarray:
    """The product in Q0.15, rounded to nearest, ties up."""
    return (a * b + (1 << 14)) >> 15


def _saturated16(x: np.ndarray) -> np.ndarray:
    return np.clip(x, -(2**15), 2**15 - 1)
