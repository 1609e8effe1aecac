"""Rows of pointwise_pairs.py: pointwise convolutions of few inputs, two pixels in registers."""

from __future__ import annotations

from mcu_nas.compiler.armv7em_kernels import generated, lane_lag, pointwise_in_lanes, product_shape
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


def _pair_constants(network: Network, op: Conv2D) -> int:
    """Weights in 16 bits, four or eight."""
    _, inputs, outputs = product_shape(network, op)
    return outputs * (2 * wide_inputs(inputs) + 4 * _CHANNEL_WORDS)


def _pair_effort(network: Network, op: Conv2D) -> float:
    """Widening two pixels; 12 instructions an output channel of four inputs, 17 of more."""
    pixels, inputs, outputs = product_shape(network, op)
    wide = wide_inputs(inputs)
    return pixels / 2 * (6 + 1.5 * wide + outputs * (7 + 1.25 * wide))


ARMV7E_M_PAIR_KERNELS = (
    generated(
        "pointwise_pairs",
        Conv2D,
        condition=_in_registers,
        constants_bytes=_pair_constants,
        lag_bytes=lane_lag,
        weights=WeightStorage.WIDE,
        effort=_pair_effort,
    ),
)
