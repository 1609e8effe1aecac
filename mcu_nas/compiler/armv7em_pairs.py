"""Rows of pointwise_pairs.py: pointwise convolutions of few inputs, two pixels in registers."""

from __future__ import annotations

from functools import partial

from mcu_nas.compiler.armv7em_efforts import product_shape
from mcu_nas.compiler.armv7em_kernels import (
    TO_A_WORD,
    generated,
    lane_lag,
    pointwise_in_lanes,
)
from mcu_nas.compiler.target import WeightStorage
from mcu_nas.network import Network
from mcu_nas.operators import Conv2D

_LEAST_INPUTS, _MOST_INPUTS = 4, 8
_CHANNEL_WORDS = 4  # of a channel beside its weights, at most: bias, multiplier, C, E


def wide_inputs(inputs: int) -> int:
    """Inputs in whole words of bytes: of a pixel in registers."""
    return -(-inputs // 4) * 4


def _in_registers(network: Network, op: Conv2D) -> bool:
    """Pairs of pixels of four to eight inputs."""
    pixels, inputs, _ = product_shape(network, op)
    return pointwise_in_lanes(network, op) and pixels % 2 == 0 and _LEAST_INPUTS <= inputs <= _MOST_INPUTS


def _constants(network: Network, op: Conv2D, weight_bytes: int) -> int:
    """Four or eight weights an output channel."""
    _, inputs, outputs = product_shape(network, op)
    return outputs * (weight_bytes * wide_inputs(inputs) + 4 * _CHANNEL_WORDS)


def _unpacked(network: Network, op: Conv2D) -> int:
    """The constants with weights in 16 bits."""
    return _constants(network, op, 2) + TO_A_WORD


def _effort(network: Network, op: Conv2D, unpacking: int) -> float:
    """Widening two pixels; 12 instructions an output channel of four inputs, 17 of more; unpacking once."""
    pixels, inputs, outputs = product_shape(network, op)
    wide = wide_inputs(inputs)
    return unpacking * outputs + pixels / 2 * (6 + 1.5 * wide + outputs * (7 + 1.25 * wide))


ARMV7E_M_PAIR_KERNELS = (
    generated(
        "pointwise_pairs",
        Conv2D,
        condition=_in_registers,
        constants_bytes=partial(_constants, weight_bytes=2),
        lag_bytes=lane_lag,
        weights=WeightStorage.WIDE,
        effort=partial(_effort, unpacking=0),
    ),
    generated(
        "pointwise_pairs_bytes",
        Conv2D,
        condition=_in_registers,
        constants_bytes=partial(_constants, weight_bytes=1),
        lag_bytes=lane_lag,
        scratch_bytes=_unpacked,
        effort=partial(_effort, unpacking=50),
    ),
)
