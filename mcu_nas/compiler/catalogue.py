"""The kernel catalogue: which C kernel serves which operator, and what the planner and the cost models
must know of it.

One table of (condition, kernel); the first row whose condition holds is chosen. The stem of a kernel's
files in firmware/kernels is its name without the suffix ``_s8``. In-place ability, constants and latency
features belong to the kernel, so that they stand here, below the planner and the cost models. No kernel
needs scratch memory.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from mcu_nas.errors import UnsupportedError
from mcu_nas.network import Network, output_size, pad_amounts
from mcu_nas.operators import (
    Add,
    AveragePool2D,
    Conv2D,
    DepthwiseConv2D,
    FullyConnected,
    MaxPool2D,
    Mean,
    Op,
    Padding,
    Pool2D,
    Reshape,
    Softmax,
)

# What a kernel's instruction count is linear in; the coefficients stand in boards/cores/<core>.toml.
LATENCY_FEATURES = ("call", "pixel", "output", "window_row", "mac")


@dataclass(frozen=True, slots=True)
class Kernel:
    """A C function ``mcu_<name>``, and what the planner and the cost models must know of it.

    ``in_place``: positions of the inputs whose buffer the output may take over, element by element.
    ``channel_bytes``: its constants per output channel besides the weights.
    ``copies``: the output is the input's bytes; in place, it is a view and nothing runs.
    """

    name: str
    serves: type
    condition: Callable[[Network, Op], bool] = lambda network, op: True
    in_place: tuple[int, ...] = ()
    channel_bytes: int = 0
    copies: bool = False

    @property
    def stem(self) -> str:
        """Stem of the kernel's files in firmware/kernels."""
        return self.name.removesuffix("_s8")


def _is_pointwise(network: Network, op: Op) -> bool:
    """A 1×1 convolution of stride 1: every output pixel reads one input pixel."""
    return isinstance(op, Conv2D) and network.shape(op.inputs[1])[1:3] == (1, 1) and op.stride == (1, 1)


_FACTOR = 8  # struct mcu_factor: int32 multiplier and shift
_BIAS = 4  # int32; kernels that meet padding hold a second one, for windows inside the image

KERNELS = (
    Kernel("pointwise_s8", Conv2D, _is_pointwise, channel_bytes=_FACTOR + _BIAS),
    Kernel("conv_s8", Conv2D, channel_bytes=_FACTOR + 2 * _BIAS),
    Kernel("depthwise_s8", DepthwiseConv2D, channel_bytes=_FACTOR + 2 * _BIAS),
    Kernel("fully_connected_s8", FullyConnected, channel_bytes=_FACTOR + _BIAS),
    Kernel("add_s8", Add, in_place=(0, 1)),
    Kernel("mean_s8", Mean),
    Kernel("average_pool_s8", AveragePool2D),
    Kernel("max_pool_s8", MaxPool2D),
    Kernel("reshape_s8", Reshape, in_place=(0,), copies=True),
    Kernel("softmax_s8", Softmax, in_place=(0,)),
)


def choose(network: Network, op: Op) -> Kernel:
    """The kernel that runs ``op``.

    Raises:
        UnsupportedError: no kernel of the catalogue serves it.
    """
    for kernel in KERNELS:
        if type(op) is kernel.serves and kernel.condition(network, op):
            return kernel
    raise UnsupportedError(f"no kernel for {op.tflite_name}")


def latency_features(network: Network, op: Op) -> tuple[float, ...]:
    """The quantities of LATENCY_FEATURES for one operator.

    ``mac`` and ``window_row`` count what the kernel executes: taps that fall into the padding are skipped.
    """
    out = network.shape(op.outputs[0])
    outputs = float(network.tensors[op.outputs[0]].bytes)
    pixels = float(out[1] * out[2]) if len(out) == 4 else 1.0
    match op:
        case Conv2D() | DepthwiseConv2D():
            weights = network.shape(op.inputs[1])
            rows, columns = _taps_inside(network, op, (weights[1], weights[2]), op.dilation)
            macs = rows * columns * out[3] * (weights[3] if isinstance(op, Conv2D) else 1)
            return (1.0, pixels, outputs, float(rows * out[2] * out[3]), float(macs))
        case AveragePool2D() | MaxPool2D():
            rows, columns = _taps_inside(network, op, op.window, (1, 1))
            return (1.0, pixels, outputs, float(rows * out[2] * out[3]), float(rows * columns * out[3]))
        case FullyConnected():
            return (1.0, pixels, outputs, 0.0, outputs * network.shape(op.inputs[1])[1])
        case _:
            return (1.0, pixels, outputs, 0.0, float(network.tensors[op.inputs[0]].bytes))


def _taps_inside(
    network: Network,
    op: Conv2D | DepthwiseConv2D | Pool2D,
    window: tuple[int, int],
    dilation: tuple[int, int],
) -> tuple[int, int]:
    """Window taps inside the input, summed over the output positions of each axis."""
    _, height, width, _ = network.shape(op.inputs[0])
    return (
        _axis_taps(op.padding, height, window[0], op.stride[0], dilation[0]),
        _axis_taps(op.padding, width, window[1], op.stride[1], dilation[1]),
    )


@lru_cache(maxsize=4096)
def _axis_taps(padding: Padding, size: int, kernel: int, stride: int, dilation: int) -> int:
    before, _ = pad_amounts(padding, size, kernel, stride, dilation)
    return sum(
        0 <= out * stride - before + tap * dilation < size
        for out in range(output_size(padding, size, kernel, stride, dilation))
        for tap in range(kernel)
    )
