"""The kernel catalogue: which C kernel serves which operator, and what the planner and the cost models
must know of it.

One table of (condition, kernel); the first row whose condition holds is chosen. The stem of a kernel's
files in firmware/kernels is its name without the suffix ``_s8``. In-place ability, overlap, constants and
scratch belong to the kernel, so that they stand here, below the planner and the cost models.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, get_args

from mcu_nas.compiler.overlaps import window_lag
from mcu_nas.compiler.tables import TABLE_BYTES
from mcu_nas.errors import UnsupportedError
from mcu_nas.network import Network
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


@dataclass(frozen=True, slots=True)
class Kernel:
    """A C function ``mcu_<name>``, and what the planner and the cost models must know of it.

    ``in_place``: positions of the inputs whose buffer the output may take over, element by element.
    ``channel_bytes``: its constants per output channel besides the weights; ``layer_bytes``: per layer.
    ``copies``: the output is the input's bytes; in place, it is a view and nothing runs.
    ``input_array``: the C function takes its inputs, of any number, as one array of pointers.
    ``lag_bytes``: how far the output stays away from the input that it may overlap (overlaps.py); such a
    kernel runs in ascending and in descending order. ``any_pixel``: the output may lie at any whole number
    of pixels from its input. ``scratch_bytes``: memory that it needs while it runs.
    ``thrifty``: takes less memory and more time than the first kernel that serves the operator; used where
    a memory plan gains by it.
    """

    name: str
    serves: type | tuple[type, ...]
    condition: Callable[[Network, Op], bool] = lambda network, op: True
    in_place: tuple[int, ...] = ()
    channel_bytes: int = 0
    layer_bytes: Callable[[Network, Any], int] = lambda network, op: 0
    copies: bool = False
    input_array: bool = False
    lag_bytes: Callable[[Network, Any], int] | None = None
    any_pixel: bool = False
    scratch_bytes: Callable[[Network, Any], int] = lambda network, op: 0
    thrifty: bool = False

    @property
    def stem(self) -> str:
        """Stem of the kernel's files in firmware/kernels."""
        return self.name.removesuffix("_s8")


def _is_pointwise(network: Network, op: Op) -> bool:
    """A 1×1 convolution of stride 1: every output pixel reads one input pixel."""
    return isinstance(op, Conv2D) and network.shape(op.inputs[1])[1:3] == (1, 1) and op.stride == (1, 1)


def _is_dense(network: Network, op: Op) -> bool:
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


def _runs_bytes(network: Network, op: Op) -> int:
    """An int32 for each input."""
    return 4 * len(op.inputs)


_FACTOR = 8  # struct mcu_factor: int32 multiplier and shift
_BIAS = 4  # int32; kernels that meet padding hold a second one, for windows inside the image

KERNELS = (
    Kernel("pointwise_s8", Conv2D, _is_pointwise, channel_bytes=_FACTOR + _BIAS, lag_bytes=window_lag),
    Kernel("conv_s8", Conv2D, channel_bytes=_FACTOR + 2 * _BIAS, lag_bytes=window_lag),
    Kernel("depthwise_s8", DepthwiseConv2D, channel_bytes=_FACTOR + 2 * _BIAS, lag_bytes=window_lag),
    Kernel(
        "depthwise_planar_s8",
        DepthwiseConv2D,
        _gains_by_planes,
        channel_bytes=_FACTOR + 2 * _BIAS,
        any_pixel=True,
        scratch_bytes=_plane_bytes,
        thrifty=True,
    ),
    Kernel("fully_connected_s8", FullyConnected, channel_bytes=_FACTOR + _BIAS),
    Kernel("transpose_conv_s8", TransposeConv, channel_bytes=_FACTOR + _BIAS),
    Kernel("add_s8", Add, _is_dense, in_place=(0, 1)),
    Kernel("add_broadcast_s8", Add, in_place=(0, 1)),
    Kernel("sub_s8", Sub, in_place=(0, 1)),
    Kernel("mul_s8", Mul, in_place=(0, 1)),
    Kernel("table_s8", get_args(Elementwise), in_place=(0,), layer_bytes=lambda network, op: TABLE_BYTES),
    Kernel("mean_s8", Mean),
    Kernel("average_pool_s8", AveragePool2D, lag_bytes=window_lag),
    Kernel("max_pool_s8", MaxPool2D, lag_bytes=window_lag),
    Kernel("reshape_s8", Reshape, in_place=(0,), copies=True),
    Kernel("strided_copy_s8", (StridedSlice, Transpose)),
    Kernel("pad_s8", Pad),
    Kernel("resize_nearest_s8", ResizeNearestNeighbor, layer_bytes=_nearest_bytes),
    Kernel("concatenation_s8", Concatenation, input_array=True, layer_bytes=_runs_bytes),
    Kernel("softmax_s8", Softmax, in_place=(0,)),
)


def choose(network: Network, op: Op, *, thrifty: bool = False) -> Kernel:
    """The kernel that runs ``op``: the fastest, or where ``thrifty`` one that takes less memory if there is.

    Raises:
        UnsupportedError: no kernel of the catalogue serves it.
    """
    kind: type = type(op)
    rows = _rows_of(kind)
    if thrifty:
        for kernel in rows:
            if kernel.thrifty and kernel.condition(network, op):
                return kernel
    for kernel in rows:
        if not kernel.thrifty and kernel.condition(network, op):
            return kernel
    raise UnsupportedError(f"no kernel for {op.tflite_name}")


@cache
def _rows_of(op: type) -> tuple[Kernel, ...]:
    """The rows that may serve an operator."""
    return tuple(kernel for kernel in KERNELS if issubclass(op, kernel.serves))
