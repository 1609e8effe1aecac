"""The kernels generated in ARMv7E-M assembly (generators/): what each serves and needs, by shape alone.

A plan is made before weights are known, so that what a row states holds for any weights. Where a layer's
weights break a bound of its generator, the plan is made again without that kernel (program.py).
"""

from __future__ import annotations

import math
from functools import partial

from mcu_nas.compiler.armv7em_efforts import (
    lane_effort,
    lane_triples,
    planes_effort,
    product_shape,
    tile_effort,
    vector_effort,
    window_effort,
)
from mcu_nas.compiler.generators.lane_segments import LANES
from mcu_nas.compiler.generators.winograd_gemm import positions_per_round
from mcu_nas.compiler.input_planes import input_planes
from mcu_nas.compiler.kernel import Kernel
from mcu_nas.compiler.overlaps import group_lag, tile_lag
from mcu_nas.compiler.portable_kernels import is_pointwise
from mcu_nas.compiler.target import WeightStorage
from mcu_nas.cores import InstructionSet
from mcu_nas.network import Network, window_axes
from mcu_nas.operators import Conv2D, DepthwiseConv2D, FullyConnected

_LARGEST_CHANNELS = 1020  # of Winograd's input
FARTHEST = 4095  # bytes that a load or store reaches from its base register
_LONGEST_SIDE = (1 << 15) - 1
TO_A_WORD = 3  # bytes that aligning scratch may take


def _in_lanes(network: Network, op: Conv2D) -> bool:
    """Two pixels and three channels fill the lanes."""
    pixels, _, outputs = product_shape(network, op)
    near = max(network.shape(op.inputs[0])[1:3]) <= _LONGEST_SIDE
    return op.dilation == (1, 1) and pixels >= 2 and LANES <= outputs <= FARTHEST and near


def pointwise_in_lanes(network: Network, op: Conv2D) -> bool:
    """A pointwise convolution that fills the lanes."""
    return is_pointwise(network, op) and _in_lanes(network, op)


def window_in_lanes(network: Network, op: Conv2D) -> bool:
    """Any other convolution that fills the lanes."""
    return not is_pointwise(network, op) and _in_lanes(network, op)


def in_tiles(network: Network, op: Conv2D, size: int) -> bool:
    """3×3 taps, stride 1, one pixel of padding on every side or none, whole groups of four channels."""
    axes, channels = window_axes(network, op), network.shape(op.inputs[0])[3]
    plain = all((axis.taps, axis.stride, axis.dilation) == (3, 1, 1) for axis in axes)
    padding = {amount for axis in axes for amount in (axis.before, axis.after)}
    large = min(network.shape(op.outputs[0])[1:3]) >= size
    return plain and len(padding) == 1 and padding <= {0, 1} and large and _whole_fours(channels)


def _whole_fours(channels: int) -> bool:
    return channels % 4 == 0 and channels <= _LARGEST_CHANNELS


def on_plane(network: Network, op: DepthwiseConv2D) -> bool:
    """Windows of 3, 5 or 7 taps, one stride of 1 or 2, as many outputs as inputs."""
    axes, channels = window_axes(network, op), network.shape(op.inputs[0])[3]
    fits = all(axis.taps in (3, 5, 7) and axis.dilation == 1 for axis in axes)
    as_many = network.shape(op.outputs[0])[3] == channels <= FARTHEST
    return fits and as_many and op.stride in ((1, 1), (2, 2))


def _on_planes(network: Network, op: DepthwiseConv2D) -> bool:
    """Besides, at least four channels, and pixels that loads reach."""
    return on_plane(network, op) and 4 <= network.shape(op.inputs[0])[3] <= FARTHEST // 3


def _one_vector(network: Network, op: FullyConnected) -> bool:
    return math.prod(network.shape(op.outputs[0])) == network.shape(op.inputs[1])[0]


def zero_point_bytes(network: Network, op: Conv2D) -> int:
    """A pixel of zero points, where windows reach beyond the image."""
    reach = any(
        axis.before > 0 or (axis.outputs - 1) * axis.stride - axis.before + axis.taps > axis.size
        for axis in window_axes(network, op)
    )
    return -(-network.shape(op.inputs[0])[3] // 4) * 4 if reach else 0


def _pair_scratch(network: Network, op: Conv2D) -> int:
    """Two windows as words, and zero points."""
    _, inputs, _ = product_shape(network, op)
    return 4 * inputs + zero_point_bytes(network, op) + TO_A_WORD


def _tile_scratch(network: Network, op: Conv2D, size: int) -> int:
    """Two transformed tiles, int16."""
    return 4 * (size + 2) ** 2 * network.shape(op.inputs[0])[3] + TO_A_WORD


def _planes_scratch(network: Network, op: DepthwiseConv2D, planes: int) -> int:
    """Planes of one channel, or of four."""
    return planes * 2 * input_planes(network, op).plane_stride + TO_A_WORD


def _padded_inputs(network: Network, op: FullyConnected) -> int:
    return -(-network.shape(op.inputs[1])[1] // 4) * 4


def _vector_scratch(network: Network, op: FullyConnected) -> int:
    """The input widened to int16."""
    return 2 * _padded_inputs(network, op) + TO_A_WORD


_TRIPLE_WORDS = 19  # of a triple beside its weights, at most: 4 beginnings, 6 biases, 9 for its factors
_ALONE_WORDS = 4  # of a channel alone beside its weights, at most: bias, multiplier, C, E
WINOGRAD_WORDS = 26  # of a channel beside its weights, at most
_DEPTHWISE_WORDS = 6  # of a channel beside its weights, at most: start value, multiplier, C, E, clamps
_VECTOR_WORDS = 4  # of an output beside its weights, at most: start value, multiplier, C, E


def triple_bytes(inputs: int) -> int:
    """A triple's constants with unpacked weights, at most, in whole double words."""
    return -(-4 * (2 * inputs + _TRIPLE_WORDS) // 8) * 8


def lane_constants(network: Network, op: Conv2D, weights: WeightStorage) -> int:
    """8 bytes for three weights, or 1 byte for each of four inputs; a channel alone 4 bytes or 1 a weight."""
    _, inputs, outputs = product_shape(network, op)
    triples, alone = lane_triples(outputs)
    words = inputs if weights is WeightStorage.WIDE else -(-inputs // 4)
    of_triple = 2 * inputs if weights is WeightStorage.WIDE else LANES * words
    return 4 * (triples * (of_triple + _TRIPLE_WORDS) + alone * (words + _ALONE_WORDS))


def _tile_constants(network: Network, op: Conv2D, size: int) -> int:
    """int16 transformed weights, and where a loop over them ends; of an odd number of channels the last is
    paired with nothing."""
    _, _, outputs = product_shape(network, op)
    channels = network.shape(op.inputs[0])[3]
    positions = (size + 2) ** 2
    rounds = positions // positions_per_round(channels, positions)
    pair_bytes = 4 * positions * channels + 4 * rounds + 2 * 4 * WINOGRAD_WORDS
    return -(-outputs // 2) * pair_bytes


def _planes_constants(network: Network, op: DepthwiseConv2D) -> int:
    """Pairs of taps in words."""
    _, rows, columns, channels = network.shape(op.inputs[1])
    words = columns - 1 if op.stride == (1, 1) else (columns + 1) // 2
    return 4 * channels * (rows * words + _DEPTHWISE_WORDS)


def _vector_constants(network: Network, op: FullyConnected, weight_bytes: int) -> int:
    outputs = network.shape(op.inputs[1])[0]
    return outputs * (weight_bytes * _padded_inputs(network, op) + 4 * _VECTOR_WORDS) + 8


def lane_lag(network: Network, op: Conv2D) -> int:
    """Of kernels that read a pair of pixels before they write it."""
    return group_lag(*window_axes(network, op), *in_and_out(network, op))


def _tile_lag(network: Network, op: Conv2D, size: int) -> int:
    return tile_lag(*window_axes(network, op), *in_and_out(network, op), size)


def in_and_out(network: Network, op: Conv2D) -> tuple[int, int]:
    """Of the input and of the output."""
    return network.shape(op.inputs[0])[3], network.shape(op.outputs[0])[3]


generated = partial(Kernel, instruction_set=InstructionSet.ARMV7E_M, is_generated=True)

ARMV7E_M_KERNELS = (
    *(
        generated(
            f"winograd_{size}x{size}",
            Conv2D,
            condition=partial(in_tiles, size=size),
            constants_bytes=partial(_tile_constants, size=size),
            lag_bytes=partial(_tile_lag, size=size),
            scratch_bytes=partial(_tile_scratch, size=size),
            weights=WeightStorage.WIDE,
            effort=partial(tile_effort, size=size),
        )
        for size in (4, 2)
    ),
    *(
        generated(
            name,
            Conv2D,
            condition=condition,
            constants_bytes=partial(lane_constants, weights=WeightStorage.WIDE),
            lag_bytes=lane_lag,
            scratch_bytes=_pair_scratch,
            weights=WeightStorage.WIDE,
            effort=effort,
        )
        for name, condition, effort in (
            ("pointwise_lanes", pointwise_in_lanes, lane_effort),
            ("conv_lanes", window_in_lanes, window_effort),
        )
    ),
    *(
        generated(
            name,
            DepthwiseConv2D,
            condition=condition,
            constants_bytes=_planes_constants,
            scratch_bytes=partial(_planes_scratch, planes=planes),
            any_pixel=True,
            effort=partial(planes_effort, planes=planes, per_value=per_value, per_channel=per_channel),
        )
        for name, condition, planes, per_value, per_channel in (
            ("depthwise_planes", _on_planes, 4, 1.6, 30),
            ("depthwise_plane", on_plane, 1, 2.0, 49),
        )
    ),
    *(
        generated(
            f"fully_connected_{weights}",
            FullyConnected,
            condition=_one_vector,
            constants_bytes=partial(_vector_constants, weight_bytes=weight_bytes),
            scratch_bytes=_vector_scratch,
            weights=weights,
            effort=partial(vector_effort, per_mac=per_mac, per_output=per_output),
        )
        for weights, weight_bytes, per_mac, per_output in (
            (WeightStorage.WIDE, 2, 0.668, 4.8),
            (WeightStorage.BYTES, 1, 0.857, 5.7),
        )
    ),
)
