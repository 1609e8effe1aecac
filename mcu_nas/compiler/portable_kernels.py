"""The kernels in portable C, firmware/kernels: what each serves and needs.

The first row whose condition holds is the fastest. The stem of a kernel's files in firmware/kernels is its
name without the suffix ``_s8``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import get_args

from mcu_nas.compiler.kernel import Kernel
from mcu_nas.compiler.overlaps import window_lag
from mcu_nas.compiler.tables import TABLE_BYTES
from mcu_nas.network import Network, op_weight_bytes
from mcu_nas.operators import (
    Add,
    AveragePool2D,
    Concatenation,
    Conv2D,
    DepthwiseConv2D,
    Elementwise,
    FullyConnected,
    MaxPool2D,
    Mean,
    Mul,
    Op,
    Pad,
    Reshape,
    ResizeNearestNeighbor,
    Softmax,
    StridedSlice,
    Sub,
    Transpose,
    TransposeConv,
)


def is_pointwise(network: Network, op: Op) -> bool:
    """A 1×1 convolution of stride 1: every output pixel reads one input pixel."""
    return isinstance(op, Conv2D) and network.shape(op.inputs[1])[1:3] == (1, 1) and op.stride == (1, 1)


def is_dense(network: Network, op: Op) -> bool:
    """No operand is repeated."""
    return len({network.tensors[tensor].bytes for tensor in op.inputs + op.outputs}) == 1


def _plane_bytes(network: Network, op: Op) -> int:
    """One channel of the output."""
    _, height, width, _ = network.shape(op.outputs[0])
    return height * width


def _gains_by_planes(network: Network, op: Op) -> bool:
    """A depthwise convolution in which a plane beside the image is less than what its rows need."""
    if (
        not isinstance(op, DepthwiseConv2D)
        or network.shape(op.inputs[0])[3] != network.shape(op.outputs[0])[3]
    ):
        return False
    source, output = (network.tensors[tensor].bytes for tensor in (op.inputs[0], op.outputs[0]))
    by_rows = max(source + window_lag(network, op), output)
    return max(source, output) + _plane_bytes(network, op) < by_rows


def _nearest_bytes(network: Network, op: Op) -> int:
    """An int16 for each row and column."""
    return 2 * sum(network.shape(op.outputs[0])[1:3])


_FACTOR = 8  # struct mcu_factor: int32 multiplier and shift
_BIAS = 4  # int32; kernels that meet padding hold a second one, for windows inside the image


def _weights_and(channel_bytes: int) -> Callable[[Network, Op], int]:
    """The weights, and so many bytes for each output channel."""

    def constants_bytes(network: Network, op: Op) -> int:
        return op_weight_bytes(network, op) + channel_bytes * network.shape(op.outputs[0])[-1]

    return constants_bytes


def _weights_and_runs(network: Network, op: Op) -> int:
    """Constant operands, and an int32 for each input."""
    return op_weight_bytes(network, op) + 4 * len(op.inputs)


_FOLDED, _PADDED = _weights_and(_FACTOR + _BIAS), _weights_and(_FACTOR + 2 * _BIAS)

PORTABLE_KERNELS = (
    Kernel("pointwise_s8", Conv2D, is_pointwise, _FOLDED, lag_bytes=window_lag),
    Kernel("conv_s8", Conv2D, constants_bytes=_PADDED, lag_bytes=window_lag),
    Kernel("depthwise_s8", DepthwiseConv2D, constants_bytes=_PADDED, lag_bytes=window_lag),
    Kernel(
        "depthwise_planar_s8",
        DepthwiseConv2D,
        _gains_by_planes,
        _PADDED,
        any_pixel=True,
        scratch_bytes=_plane_bytes,
        thrifty=True,
    ),
    Kernel("fully_connected_s8", FullyConnected, constants_bytes=_FOLDED),
    Kernel("transpose_conv_s8", TransposeConv, constants_bytes=_FOLDED),
    Kernel("add_s8", Add, is_dense, op_weight_bytes, in_place=(0, 1)),
    Kernel("add_broadcast_s8", Add, constants_bytes=op_weight_bytes, in_place=(0, 1)),
    Kernel("sub_s8", Sub, constants_bytes=op_weight_bytes, in_place=(0, 1)),
    Kernel("mul_s8", Mul, constants_bytes=op_weight_bytes, in_place=(0, 1)),
    Kernel("table_s8", get_args(Elementwise), constants_bytes=lambda network, op: TABLE_BYTES, in_place=(0,)),
    Kernel("mean_s8", Mean),
    Kernel("average_pool_s8", AveragePool2D, lag_bytes=window_lag),
    Kernel("max_pool_s8", MaxPool2D, lag_bytes=window_lag),
    Kernel("reshape_s8", Reshape, in_place=(0,), copies=True),
    Kernel("strided_copy_s8", (StridedSlice, Transpose)),
    Kernel("pad_s8", Pad),
    Kernel("resize_nearest_s8", ResizeNearestNeighbor, constants_bytes=_nearest_bytes),
    Kernel("concatenation_s8", Concatenation, constants_bytes=_weights_and_runs, input_array=True),
    Kernel("softmax_s8", Softmax, in_place=(0,)),
)
