"""What a kernel's instruction count is linear in; the coefficients stand in boards/cores/<core>.toml."""

from __future__ import annotations

from functools import lru_cache

from mcu_nas.network import Network, output_size, pad_amounts
from mcu_nas.operators import (
    AveragePool2D,
    Conv2D,
    DepthwiseConv2D,
    FullyConnected,
    MaxPool2D,
    Op,
    Padding,
    Pool2D,
)

LATENCY_FEATURES = ("call", "pixel", "output", "window_row", "mac")


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
