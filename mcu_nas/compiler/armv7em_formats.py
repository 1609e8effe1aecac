"""Rows of kernels that hand another format than NHWC on, between pointwise and depthwise convolutions.

PAIRS, from the depthwise to the pointwise one: 2 bytes a value, and no gathering of pairs. PLANES, from the
pointwise to the depthwise one: 2 bytes a value and a border, and no widening. Both are aligned to a word.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from mcu_nas.compiler.armv7em_byte_kernels import ARMV7E_M_BYTE_KERNELS
from mcu_nas.compiler.armv7em_efforts import lane_triples, pair_effort, planes_effort, product_shape
from mcu_nas.compiler.armv7em_kernels import (
    ARMV7E_M_KERNELS,
    FARTHEST,
    TO_A_WORD,
    on_plane,
    pointwise_in_lanes,
    triple_bytes,
)
from mcu_nas.compiler.generators.formats import Format, pairs_bytes
from mcu_nas.compiler.input_planes import input_planes, reader_of
from mcu_nas.compiler.kernel import Kernel, no_bytes
from mcu_nas.compiler.target import WeightStorage
from mcu_nas.network import Network
from mcu_nas.operators import Conv2D, DepthwiseConv2D

_PAIR = 15  # instructions around the triples of a pair
_PAIR_IN_PLANES = 9  # more where it is stored in planes, and
_TRIPLE_IN_PLANES, _FILLED = 1, 0.08  # of a triple, and of a value that is filled


def _effort(network: Network, op: Conv2D, row: Kernel, reads: Format, writes: Format) -> float:
    """Gathering of NHWC, all triples of each pair, unpacking once for the whole image; storing in planes."""
    pixels, inputs, outputs = product_shape(network, op)
    pairs = -(-pixels // 2)
    effort = pairs * (_PAIR + pair_effort(inputs, outputs))
    if reads is Format.NHWC:
        effort += pairs * 3.25 * inputs
    if row.weights is WeightStorage.BYTES:
        effort += 1.9 * inputs * outputs
    if writes is Format.PLANES:
        planes = input_planes(network, reader_of(network, op.outputs[0]))
        effort += pairs * (_PAIR_IN_PLANES + _TRIPLE_IN_PLANES * sum(lane_triples(outputs)))
        effort += _FILLED * planes.bytes / 2
    return effort


def _scratch(network: Network, op: Conv2D, weights: WeightStorage, reads: Format) -> int:
    """NHWC as PAIRS: a pair or with weights of one byte the image; of these a triple's unpacked constants."""
    pixels, inputs, _ = product_shape(network, op)
    if weights is WeightStorage.WIDE:
        return 4 * inputs + TO_A_WORD if reads is Format.NHWC else 0
    unpacked = triple_bytes(inputs) + TO_A_WORD
    return unpacked + (pairs_bytes(pixels, inputs) if reads is Format.NHWC else 0)


def _near_planes(network: Network, op: Conv2D) -> bool:
    """A depthwise convolution on planes reads the output, whose rows have whole pairs; three of its planes
    are within a store's reach."""
    readers = [other for other in network.ops if op.outputs[0] in other.inputs]
    if not (len(readers) == 1 and isinstance(readers[0], DepthwiseConv2D) and on_plane(network, readers[0])):
        return False
    plane_bytes = 2 * input_planes(network, readers[0]).plane_stride
    return network.shape(op.outputs[0])[2] % 2 == 0 and 2 * plane_bytes + 2 <= FARTHEST


def _pointwise(row: Kernel, reads: Format, writes: Format) -> Kernel:
    """A row of pointwise convolutions that works in these formats; the output overlaps nothing."""

    def serves(network: Network, op: Conv2D) -> bool:
        return pointwise_in_lanes(network, op) and (writes is Format.NHWC or _near_planes(network, op))

    return replace(
        row,
        condition=serves,
        lag_bytes=None,
        scratch_bytes=partial(_scratch, weights=row.weights, reads=reads),
        effort=partial(_effort, row=row, reads=reads, writes=writes),
        reads=reads,
        writes=writes,
    )


def _depthwise(row: Kernel, reads: Format, writes: Format) -> Kernel:
    """A row of depthwise convolutions that works in these formats; the output overlaps nothing."""

    def serves(network: Network, op: DepthwiseConv2D) -> bool:
        even = writes is Format.NHWC or network.shape(op.outputs[0])[2] % 2 == 0
        return even and row.condition(network, op)

    found = replace(row, condition=serves, any_pixel=False, reads=reads, writes=writes)
    if reads is Format.NHWC:
        return found
    unwritten = partial(planes_effort, planes=1, per_value=0, per_channel=0)
    return replace(found, scratch_bytes=no_bytes, effort=unwritten)


_POINTWISE = [
    row
    for row in (*ARMV7E_M_KERNELS, *ARMV7E_M_BYTE_KERNELS)
    if row.name in ("pointwise_lanes", "pointwise_blocks")
]
_DEPTHWISE = [row for row in ARMV7E_M_KERNELS if row.serves is DepthwiseConv2D]

ARMV7E_M_FORMAT_KERNELS = (
    *(
        _pointwise(row, *formats)
        for row in _POINTWISE
        for formats in (
            (Format.PAIRS, Format.NHWC),
            (Format.NHWC, Format.PLANES),
            (Format.PAIRS, Format.PLANES),
        )
    ),
    *(_depthwise(row, Format.NHWC, Format.PAIRS) for row in _DEPTHWISE),
    *(
        _depthwise(row, Format.PLANES, writes)
        for row in _DEPTHWISE
        if row.name == "depthwise_planes"
        for writes in (Format.NHWC, Format.PAIRS)
    ),
)
