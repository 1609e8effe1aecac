"""Arguments of the kernels with weights: convolutions and fully connected layers.

Input zero points are folded into biases here, and the bounds that the kernels' headers state are checked
here, per channel.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from mcu_nas.compiler.calls.fields import Arguments, axes, output_fields
from mcu_nas.compiler.requantize import weighted_multipliers
from mcu_nas.errors import UnsupportedError
from mcu_nas.graph import Graph
from mcu_nas.network import pad_amounts
from mcu_nas.operators import (
    Conv2D,
    DepthwiseConv2D,
    FullyConnected,
    TransposeConv,
    Weighted,
    layer_inputs,
)

INT32_LIMIT = 2**31


def pointwise(graph: Graph, op: Conv2D) -> Arguments:
    """``struct mcu_pointwise_s8``."""
    _, height, width, in_channels = graph.network.shape(op.inputs[0])
    weights = graph.constants[op.inputs[1]].reshape(-1, in_channels)
    fields = {"pixels": height * width, "in_channels": in_channels, "out_channels": len(weights)}
    return {**fields, "output": output_fields(graph, op, op.activation)}, _folded_arrays(graph, op, weights)


def fully_connected(graph: Graph, op: FullyConnected) -> Arguments:
    """``struct mcu_fully_connected_s8``."""
    weights = graph.constants[op.inputs[1]]
    rows = math.prod(graph.network.shape(op.outputs[0])) // len(weights)
    fields = {"rows": rows, "in_channels": weights.shape[1], "out_channels": len(weights)}
    return {**fields, "output": output_fields(graph, op, op.activation)}, _folded_arrays(graph, op, weights)


def conv(graph: Graph, op: Conv2D) -> Arguments:
    """``struct mcu_conv_s8``."""
    weights = graph.constants[op.inputs[1]]
    channels, *_, in_channels = weights.shape
    fields = {
        **axes(graph, op),
        "in_channels": in_channels,
        "out_channels": channels,
        "in_zero_point": graph.quantization[op.inputs[0]].zero_point,
    }
    arrays = {
        "weights": weights.reshape(-1),
        **_padded_biases(graph, op, weights.reshape(channels, -1)),
        "factors": factors(graph, op, channels),
    }
    return {**fields, "output": output_fields(graph, op, op.activation)}, arrays


def depthwise_planar(graph: Graph, op: DepthwiseConv2D) -> Arguments:
    """``struct mcu_depthwise_planar_s8``."""
    fields, arrays = depthwise(graph, op)
    return {name: value for name, value in fields.items() if name != "channel_multiplier"}, arrays


def depthwise(graph: Graph, op: DepthwiseConv2D) -> Arguments:
    """``struct mcu_depthwise_s8``."""
    weights = graph.constants[op.inputs[1]]
    channels = weights.shape[3]
    in_channels = graph.network.shape(op.inputs[0])[3]
    fields = {
        **axes(graph, op),
        "in_channels": in_channels,
        "channel_multiplier": channels // in_channels,
        "in_zero_point": graph.quantization[op.inputs[0]].zero_point,
    }
    by_channel = weights.reshape(-1, channels).T  # (C, taps)
    arrays = {
        "weights": weights.reshape(-1),
        **_padded_biases(graph, op, by_channel),
        "factors": factors(graph, op, channels),
    }
    return {**fields, "output": output_fields(graph, op, op.activation)}, arrays


def transpose_conv(graph: Graph, op: TransposeConv) -> Arguments:
    """``struct mcu_transpose_conv_s8``."""
    source, *_ = layer_inputs(op)
    weights = graph.constants[op.inputs[1]]
    channels, *window, in_channels = weights.shape
    bias = bias_of(graph, op, channels)
    _check_accumulator(np.abs(bias), 255, weights.reshape(channels, -1))
    fields = {
        **_transposed_axes(graph, op, window),
        "in_channels": in_channels,
        "out_channels": channels,
        "in_zero_point": graph.quantization[source].zero_point,
    }
    arrays = {
        "weights": weights.reshape(-1),
        "bias": bias.astype(np.int32),
        "factors": factors(graph, op, channels),
    }
    return {**fields, "output": output_fields(graph, op, op.activation)}, arrays


def _transposed_axes(graph: Graph, op: TransposeConv, window: list[int]) -> dict[str, Mapping[str, int]]:
    """The two ``struct mcu_axis``; the padding is that of the convolution from output to input."""
    source, *_ = layer_inputs(op)
    in_shape, out_shape = graph.network.shape(source), graph.network.shape(op.outputs[0])
    return {
        name: {
            "in_size": in_shape[axis + 1],
            "out_size": out_shape[axis + 1],
            "taps": window[axis],
            "stride": op.stride[axis],
            "pad": pad_amounts(op.padding, out_shape[axis + 1], window[axis], op.stride[axis])[0],
            "dilation": 1,
        }
        for axis, name in enumerate("yx")
    }


def factors(graph: Graph, op: Weighted, channels: int) -> np.ndarray:
    """``struct mcu_factor`` of each output channel: int32 (channels, 2)."""
    source, weights, _ = (graph.quantization[tensor] for tensor in layer_inputs(op))
    if any(weights.zero_points):
        raise UnsupportedError("weights with a zero point other than 0")
    multipliers = weighted_multipliers(
        source,
        weights,
        graph.quantization[op.outputs[0]],
        channels,
        fully_connected=isinstance(op, FullyConnected),
    )
    return np.array([(m.value, m.shift) for m in multipliers], np.int32)


def bias_of(graph: Graph, op: Weighted, channels: int) -> np.ndarray:
    """Bias as int64 (channels,)."""
    *_, bias = layer_inputs(op)
    return graph.constants[bias].astype(np.int64).reshape(channels)


def _folded_arrays(graph: Graph, op: Conv2D | FullyConnected, weights: np.ndarray) -> dict[str, np.ndarray]:
    """Arrays of a kernel that never meets padding. weights (channels, taps)."""
    zero_point = graph.quantization[op.inputs[0]].zero_point
    bias = bias_of(graph, op, len(weights)) - zero_point * weights.sum(axis=1, dtype=np.int64)
    _check_accumulator(np.abs(bias), 128, weights)
    return {
        "weights": weights.reshape(-1),
        "bias": bias.astype(np.int32),
        "factors": factors(graph, op, len(weights)),
    }


def _padded_biases(graph: Graph, op: Conv2D | DepthwiseConv2D, weights: np.ndarray) -> dict[str, np.ndarray]:
    """Biases for windows at the border (plain) and inside (folded). weights (channels, taps)."""
    zero_point = graph.quantization[op.inputs[0]].zero_point
    bias = bias_of(graph, op, len(weights))
    interior = bias - zero_point * weights.sum(axis=1, dtype=np.int64)
    _check_accumulator(np.maximum(np.abs(bias), np.abs(interior)), 255, weights)
    return {"bias": bias.astype(np.int32), "interior_bias": interior.astype(np.int32)}


def _check_accumulator(bias: np.ndarray, largest_input: int, weights: np.ndarray) -> None:
    """Refuse a channel whose sum could leave int32, whatever the inputs."""
    magnitudes = np.abs(weights).view(np.uint8)  # abs(-128) has the bits of 128
    bound = bias + largest_input * magnitudes.sum(axis=1, dtype=np.int64)
    if bound.max() >= INT32_LIMIT:
        channel = int(bound.argmax())
        raise UnsupportedError(f"channel {channel}: bias and weights can overflow the int32 accumulator")
