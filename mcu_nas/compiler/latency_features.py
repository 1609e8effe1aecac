"""What a kernel's instruction count is linear in; the coefficients stand in boards/cores/<core>.toml."""

from __future__ import annotations

import math

from mcu_nas.compiler.generated_features import generated_features
from mcu_nas.compiler.kernel import Kernel
from mcu_nas.compiler.mve_features import MVE_FEATURES
from mcu_nas.compiler.window_taps import axis_taps, taps_inside
from mcu_nas.network import Network, WindowAxis, pad_amounts, window_axes
from mcu_nas.operators import (
    Add,
    AveragePool2D,
    Conv2D,
    DepthwiseConv2D,
    FullyConnected,
    MaxPool2D,
    Mul,
    Op,
    Sub,
    TransposeConv,
    layer_inputs,
)

PLANAR_GROUP = 4  # outputs that depthwise_planar.c computes together, where a row has as many
LATENCY_FEATURES = ("call", "pixel", "output", "window_row", "mac")


def latency_features(network: Network, op: Op, kernel: Kernel) -> tuple[float, ...]:
    """The quantities of LATENCY_FEATURES for one operator and the kernel that runs it.

    ``mac`` and ``window_row`` count what the kernel executes: taps that fall into the padding are skipped.
    A kernel by planes works off rows of one channel, outputs at their ends one by one: ``pixel`` are those
    rows, ``window_row`` those outputs.
    """
    if kernel.is_generated:
        return generated_features(network, op, kernel)
    if kernel.name in MVE_FEATURES:
        return MVE_FEATURES[kernel.name](network, op)
    if kernel.any_pixel:
        return _planar_features(network, op)
    out = network.shape(op.outputs[0])
    outputs = float(network.tensors[op.outputs[0]].bytes)
    pixels = float(out[1] * out[2]) if len(out) == 4 else 1.0
    match op:
        case Conv2D() | DepthwiseConv2D():
            weights = network.shape(op.inputs[1])
            rows, columns = taps_inside(network, op)
            macs = rows * columns * out[3] * (weights[3] if isinstance(op, Conv2D) else 1)
            return (1.0, pixels, outputs, float(rows * out[2] * out[3]), float(macs))
        case AveragePool2D() | MaxPool2D():
            rows, columns = taps_inside(network, op)
            return (1.0, pixels, outputs, float(rows * out[2] * out[3]), float(rows * columns * out[3]))
        case TransposeConv():
            reached = float(_reaching_taps(network, op) * out[3])
            return (1.0, pixels, outputs, reached, reached * network.shape(op.inputs[1])[3])
        case FullyConnected():
            return (1.0, pixels, outputs, 0.0, outputs * network.shape(op.inputs[1])[1])
        case Add() | Sub() | Mul():
            return (1.0, pixels, outputs, 0.0, outputs)
        case _:
            return (1.0, pixels, outputs, 0.0, float(network.tensors[op.inputs[0]].bytes))


def _planar_features(network: Network, op: Op) -> tuple[float, ...]:
    assert isinstance(op, DepthwiseConv2D)
    _, height, width, channels = network.shape(op.outputs[0])
    rows, columns = taps_inside(network, op)
    _, across = window_axes(network, op)
    whole = sum(_has_all_taps(across, out) for out in range(width))
    alone = width - whole if whole >= PLANAR_GROUP else width
    plane_rows = float(channels * height)
    outputs = float(network.tensors[op.outputs[0]].bytes)
    return (1.0, plane_rows, outputs, plane_rows * alone, float(rows * columns * channels))


def _has_all_taps(axis: WindowAxis, out: int) -> bool:
    first = out * axis.stride - axis.before
    return first >= 0 and first + (axis.taps - 1) * axis.dilation < axis.size


def _reaching_taps(network: Network, op: TransposeConv) -> int:
    """Pairs of an output pixel and a tap that reaches it: those of the convolution from output to input."""
    _, weights, _ = layer_inputs(op)
    sizes = zip(network.shape(op.outputs[0])[1:3], network.shape(weights)[1:3], op.stride, strict=True)
    return math.prod(
        axis_taps(WindowAxis(size, taps, stride, 1, *pad_amounts(op.padding, size, taps, stride)))
        for size, taps, stride in sizes
    )
