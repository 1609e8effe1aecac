"""Rows of kernels that hand a tensor on in another format than NHWC: depthwise convolutions that write PAIRS,
pointwise ones that read them as they are.

A tensor in PAIRS takes 2 bytes a value, aligned to a word. What it saves is the gathering of pairs.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from mcu_nas.compiler.armv7em_kernels import (
    ARMV7E_M_KERNELS,
    TO_A_WORD,
    TRIPLE_WORDS,
    generated,
    lane_constants,
    pair_effort,
    pointwise_in_lanes,
    product_shape,
)
from mcu_nas.compiler.generators.formats import Format
from mcu_nas.compiler.kernel import Kernel
from mcu_nas.compiler.target import WeightStorage
from mcu_nas.network import Network
from mcu_nas.operators import Conv2D, DepthwiseConv2D

_PAIR = 15  # instructions around the triples of a pair


def _effort(network: Network, op: Conv2D, unpacking: float) -> float:
    """All triples of each pair; unpacking once for the whole image."""
    pixels, inputs, outputs = product_shape(network, op)
    pairs = -(-pixels // 2)
    return pairs * (_PAIR + pair_effort(inputs, outputs)) + unpacking * inputs * outputs


def _unpacked_triple(network: Network, op: Conv2D) -> int:
    _, inputs, _ = product_shape(network, op)
    return -(-4 * (2 * inputs + TRIPLE_WORDS) // 8) * 8 + TO_A_WORD


def _writing_pairs(row: Kernel) -> Kernel:
    """A row of depthwise convolutions, for rows of an even number of outputs; the output must not overlap."""

    def even_rows(network: Network, op: DepthwiseConv2D) -> bool:
        return network.shape(op.outputs[0])[2] % 2 == 0 and row.condition(network, op)

    return replace(row, condition=even_rows, any_pixel=False, writes=Format.PAIRS)


ARMV7E_M_FORMAT_KERNELS = (
    generated(
        "pointwise_lanes",
        Conv2D,
        condition=pointwise_in_lanes,
        constants_bytes=partial(lane_constants, weights=WeightStorage.WIDE),
        weights=WeightStorage.WIDE,
        effort=partial(_effort, unpacking=0),
        reads=Format.PAIRS,
    ),
    generated(
        "pointwise_blocks",
        Conv2D,
        condition=pointwise_in_lanes,
        constants_bytes=partial(lane_constants, weights=WeightStorage.BYTES),
        scratch_bytes=_unpacked_triple,
        effort=partial(_effort, unpacking=1.9),
        reads=Format.PAIRS,
    ),
    *(_writing_pairs(row) for row in ARMV7E_M_KERNELS if row.serves is DepthwiseConv2D),
)
