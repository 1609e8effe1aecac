"""What the int8 kernels compute, in numpy: firmware/kernels/requantize.h and the sums in front of it.

The passes need it to know, to the bit, which constant a layer gives for a constant input.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mcu_nas.compiler.requantize import (
    ADD_HEADROOM_BITS,
    INT8_MAX,
    INT8_MIN,
    Multiplier,
    activation_range,
    add_multipliers,
)
from mcu_nas.graph import Quantization
from mcu_nas.operators import Activation


def scaled(x: np.ndarray, multipliers: Sequence[Multiplier]) -> np.ndarray:
    """``mcu_scale``: int32 accumulators, int64 (N,), times one factor each, rounded twice. int64 (N,)."""
    values = np.array([m.value for m in multipliers], np.int64)
    shifts = np.array([m.shift for m in multipliers], np.int64)
    left = np.maximum(shifts, 0)
    high = (_wrapped(x << left) * values + (1 << 30)) >> 31
    right = np.maximum(-1 - shifts, 0)
    rounded = (((high + (high >> 31)) >> right) + 1) >> 1
    return np.where(shifts < 0, rounded, high)


def requantized(
    x: np.ndarray, multipliers: Sequence[Multiplier], output: Quantization, activation: Activation
) -> np.ndarray:
    """``mcu_requantize_s8``: the int8 outputs, as int64 (N,), of int32 accumulators, int64 (N,)."""
    moved = np.clip(_wrapped(scaled(x, multipliers) + output.zero_point), INT8_MIN, INT8_MAX)
    return np.clip(moved, *activation_range(activation, output))


def added(
    values: tuple[np.ndarray, np.ndarray],
    sources: tuple[Quantization, Quantization],
    output: Quantization,
    activation: Activation,
) -> np.ndarray:
    """``mcu_add_s8`` of two rows of int8 values: int64 (N,).

    Raises:
        UnsupportedError: scales between which ADD cannot work.
    """
    *to_shared, to_output = add_multipliers(*sources, output)
    count = len(values[0])
    terms = [
        scaled((row - source.zero_point) << ADD_HEADROOM_BITS, [factor] * count)
        for row, source, factor in zip(values, sources, to_shared, strict=True)
    ]
    return requantized(terms[0] + terms[1], [to_output] * count, output, activation)


def _wrapped(x: np.ndarray) -> np.ndarray:
    """int64 values reduced to int32 as two's complement arithmetic reduces them, in int64."""
    return x.astype(np.int32).astype(np.int64)
