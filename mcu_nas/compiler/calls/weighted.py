"""Arguments of the kernels with weights: convolutions and fully connected layers.

Input zero points are folded into biases here, and the bounds that the kernels' headers state are checked
here, per channel.
"""

from __future__ import annotations

import numpy as np

from mcu_nas.compiler.calls.fields import Arguments, axes, output_fields
from mcu_nas.compiler.requantize import weighted_multipliers
from mcu_nas.errors import UnsupportedError
from mcu_nas.graph import Graph
from mcu_nas.operators import Conv2D, DepthwiseConv2D, FullyConnected

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
    fields = {"in_channels": weights.shape[1], "out_channels": weights.shape[0]}
    return {**fields, "output": output_fields(graph, op, op.activation)}, _folded_arrays(graph, op, weights)


def conv(graph: Graph, op: Conv2D) -> Arguments:
    """``struct mcu_conv_s8``."""
    weights = graph.constants[op.inputs[1]]
    channels, *window, in_channels = weights.shape
    fields = {
        **axes(graph, op, (window[0], window[1]), op.dilation),
        "in_channels": in_channels,
        "out_channels": channels,
        "in_zero_point": graph.quantization[op.inputs[0]].zero_point,
    }
    arrays = {
        "weights": weights.reshape(-1),
        **_padded_biases(graph, op, weights.reshape(channels, -1)),
        "factors": _factors(graph, op, channels),
    }
    return {**fields, "output": output_fields(graph, op, op.activation)}, arrays


def depthwise(graph: Graph, op: DepthwiseConv2D) -> Arguments:
    """``struct mcu_depthwise_s8``."""
    weights = graph.constants[op.inputs[1]]
    _, *window, channels = weights.shape
    in_channels = graph.network.shape(op.inputs[0])[3]
    fields = {
        **axes(graph, op, (window[0], window[1]), op.dilation),
        "in_channels": in_channels,
        "channel_multiplier": channels // in_channels,
        "in_zero_point": graph.quantization[op.inputs[0]].zero_point,
    }
    by_channel = weights.reshape(-1, channels).T  # (C, taps)
    arrays = {
        "weights": weights.reshape(-1),
        **_padded_biases(graph, op, by_channel),
        "factors": _factors(graph, op, channels),
    }
    return {**fields, "output": output_fields(graph, op, op.activation)}, arrays


def _factors(graph: Graph, op: Conv2D | DepthwiseConv2D | FullyConnected, channels: int) -> np.ndarray:
    """``struct mcu_factor`` of each output channel: int32 (channels, 2)."""
    source, weights = (graph.quantization[tensor] for tensor in op.inputs[:2])
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


def _bias(graph: Graph, op: Conv2D | DepthwiseConv2D | FullyConnected, channels: int) -> np.ndarray:
    """Bias as int64 (channels,)."""
    return graph.constants[op.inputs[2]].astype(np.int64).reshape(channels)


def _folded_arrays(graph: Graph, op: Conv2D | FullyConnected, weights: np.ndarray) -> dict[str, np.ndarray]:
    """Arrays of a kernel that never meets padding. weights (channels, taps)."""
    zero_point = graph.quantization[op.inputs[0]].zero_point
    bias = _bias(graph, op, len(weights)) - zero_point * weights.sum(axis=1, dtype=np.int64)
    _check_accumulator(np.abs(bias), 128, weights)
    return {
        "weights": weights.reshape(-1),
        "bias": bias.astype(np.int32),
        "factors": _factors(graph, op, len(weights)),
    }


def _padded_biases(graph: Graph, op: Conv2D | DepthwiseConv2D, weights: np.ndarray) -> dict[str, np.ndarray]:
    """Biases for windows at the border (plain) and inside (folded). weights (channels, taps)."""
    zero_point = graph.quantization[op.inputs[0]].zero_point
    bias = _bias(graph, op, len(weights))
    interior = bias - zero_point * weights.sum(axis=1, dtype=np.int64)
    _check_accumulator(np.maximum(np.abs(bias), np.abs(interior)), 255, weights)
    return {"bias": bias.astype(np.int32), "interior_bias": interior.astype(np.int32)}


def _check_accumulator(bias: np.ndarray, largest_input: int, weights: np.ndarray) -> None:
    """Refuse a channel whose sum could leave int32, whatever the inputs."""
    bound = bias + largest_input * np.abs(weights.astype(np.int64)).sum(axis=1)
    if bound.max() >= INT32_LIMIT:
        channel = int(bound.argmax())
        raise UnsupportedError(f"channel {channel}: bias and weights can overflow the int32 accumulator")
