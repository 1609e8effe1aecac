"""From an operator of a Graph to the call of its kernel: the fields of the kernel's argument struct.

Field names are those of ``struct mcu_<kernel>`` in firmware/kernels/<stem>.h. Input zero points are folded
into biases here, and the bounds that the kernels' headers state are checked here, per channel.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from mcu_nas.compiler.catalogue import Kernel
from mcu_nas.compiler.requantize import (
    Multiplier,
    activation_range,
    add_multipliers,
    mean_multiplier,
    softmax_multiplier,
    weighted_multipliers,
)
from mcu_nas.errors import UnsupportedError
from mcu_nas.graph import Graph
from mcu_nas.network import pad_amounts
from mcu_nas.operators import (
    Activation,
    Add,
    AveragePool2D,
    Conv2D,
    DepthwiseConv2D,
    FullyConnected,
    MaxPool2D,
    Mean,
    Op,
    Pool2D,
    Reshape,
    Softmax,
)

MAX_AVERAGED = 2**22  # values in one mean or pooling window: sums stay within 2^29
MAX_PROBABILITIES = 4095  # of one softmax: their sum stays below 2^12
INT32_LIMIT = 2**31

Fields = Mapping[str, "int | Mapping[str, int]"]


@dataclass(frozen=True)
class KernelCall:
    """One operator as a call of ``mcu_<kernel.name>``.

    ``fields`` are the scalar members of its argument struct, ``arrays`` the constants it points to
    (``factors``: rows of ``struct mcu_factor``);
    ``inputs`` and ``output`` are tensor ids, in the order of the C function's arguments.
    """

    op: Op
    kernel: Kernel
    inputs: tuple[int, ...]
    output: int
    fields: Fields
    arrays: Mapping[str, np.ndarray] = field(default_factory=dict, repr=False)


def kernel_call(graph: Graph, op: Op, kernel: Kernel) -> KernelCall:
    """The call that runs ``op``.

    Raises:
        UnsupportedError: a value that the kernel's arithmetic cannot hold.
    """
    (output,) = op.outputs
    match op:
        case Conv2D() if kernel.name == "pointwise_s8":
            fields, arrays = _pointwise(graph, op)
        case Conv2D():
            fields, arrays = _conv(graph, op)
        case DepthwiseConv2D():
            fields, arrays = _depthwise(graph, op)
        case FullyConnected():
            fields, arrays = _fully_connected(graph, op)
        case Add():
            fields, arrays = _add(graph, op), {}
        case Mean():
            fields, arrays = _mean(graph, op), {}
        case AveragePool2D():
            _check_averaged(math.prod(op.window))
            fields, arrays = _pool(graph, op), {}
        case MaxPool2D():
            fields, arrays = _pool(graph, op), {}
        case Reshape():
            fields, arrays = {"count": math.prod(graph.network.shape(output))}, {}
        case Softmax():
            fields, arrays = _softmax(graph, op), {}
    return KernelCall(op, kernel, graph.network.activations_in(op), output, fields, arrays)


def _pointwise(graph: Graph, op: Conv2D) -> tuple[Fields, dict[str, np.ndarray]]:
    _, height, width, in_channels = graph.network.shape(op.inputs[0])
    weights = graph.constants[op.inputs[1]].reshape(-1, in_channels)
    fields = {"pixels": height * width, "in_channels": in_channels, "out_channels": len(weights)}
    return {**fields, "output": _output(graph, op, op.activation)}, _folded_arrays(graph, op, weights)


def _fully_connected(graph: Graph, op: FullyConnected) -> tuple[Fields, dict[str, np.ndarray]]:
    weights = graph.constants[op.inputs[1]]
    fields = {"in_channels": weights.shape[1], "out_channels": weights.shape[0]}
    return {**fields, "output": _output(graph, op, op.activation)}, _folded_arrays(graph, op, weights)


def _conv(graph: Graph, op: Conv2D) -> tuple[Fields, dict[str, np.ndarray]]:
    weights = graph.constants[op.inputs[1]]
    channels, *window, in_channels = weights.shape
    fields = {
        **_axes(graph, op, (window[0], window[1]), op.dilation),
        "in_channels": in_channels,
        "out_channels": channels,
        "in_zero_point": graph.quantization[op.inputs[0]].zero_point,
    }
    arrays = {
        "weights": weights.reshape(-1),
        **_padded_biases(graph, op, weights.reshape(channels, -1)),
        "factors": _factors(graph, op, channels),
    }
    return {**fields, "output": _output(graph, op, op.activation)}, arrays


def _depthwise(graph: Graph, op: DepthwiseConv2D) -> tuple[Fields, dict[str, np.ndarray]]:
    weights = graph.constants[op.inputs[1]]
    _, *window, channels = weights.shape
    in_channels = graph.network.shape(op.inputs[0])[3]
    fields = {
        **_axes(graph, op, (window[0], window[1]), op.dilation),
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
    return {**fields, "output": _output(graph, op, op.activation)}, arrays


def _add(graph: Graph, op: Add) -> Fields:
    a, b = (graph.quantization[tensor] for tensor in op.inputs)
    factors = add_multipliers(a, b, graph.quantization[op.outputs[0]])
    names = ("a_factor", "b_factor", "sum_factor")
    return {
        "count": math.prod(graph.network.shape(op.outputs[0])),
        "a_zero_point": a.zero_point,
        "b_zero_point": b.zero_point,
        **{name: _factor(factor) for name, factor in zip(names, factors, strict=True)},
        "output": _output(graph, op, op.activation),
    }


def _mean(graph: Graph, op: Mean) -> Fields:
    _, height, width, channels = graph.network.shape(op.inputs[0])
    source, output = graph.quantization[op.inputs[0]], graph.quantization[op.outputs[0]]
    _check_averaged(height * width)
    return {
        "pixels": height * width,
        "channels": channels,
        "sum_offset": -height * width * source.zero_point,
        "factor": _factor(mean_multiplier(source, output, height * width)),
        "output": _output(graph, op, Activation.NONE),
    }


def _pool(graph: Graph, op: Pool2D) -> Fields:
    low, high = activation_range(op.activation, graph.quantization[op.outputs[0]])
    return {
        **_axes(graph, op, op.window, (1, 1)),
        "channels": graph.network.shape(op.inputs[0])[3],
        "out_min": low,
        "out_max": high,
    }


def _softmax(graph: Graph, op: Softmax) -> Fields:
    count = graph.network.shape(op.inputs[0])[-1]
    if count > MAX_PROBABILITIES:
        raise UnsupportedError(f"a softmax of {count} values; at most {MAX_PROBABILITIES} are supported")
    factor, diff_min = softmax_multiplier(graph.quantization[op.inputs[0]])
    return {"count": count, "diff_min": diff_min, "factor": _factor(factor)}


def _axes(
    graph: Graph,
    op: Conv2D | DepthwiseConv2D | Pool2D,
    window: tuple[int, int],
    dilation: tuple[int, int],
) -> dict[str, Mapping[str, int]]:
    """The two ``struct mcu_axis`` of a window operator."""
    in_shape, out_shape = graph.network.shape(op.inputs[0]), graph.network.shape(op.outputs[0])
    return {
        name: {
            "in_size": in_shape[axis + 1],
            "out_size": out_shape[axis + 1],
            "taps": window[axis],
            "stride": op.stride[axis],
            "pad": pad_amounts(op.padding, in_shape[axis + 1], window[axis], op.stride[axis], dilation[axis])[
                0
            ],
            "dilation": dilation[axis],
        }
        for axis, name in enumerate("yx")
    }


def _output(graph: Graph, op: Op, activation: Activation) -> dict[str, int]:
    """``struct mcu_output``."""
    output = graph.quantization[op.outputs[0]]
    low, high = activation_range(activation, output)
    return {"zero_point": output.zero_point, "min": low, "max": high}


def _factor(multiplier: Multiplier) -> dict[str, int]:
    """``struct mcu_factor``."""
    return {"multiplier": multiplier.value, "shift": multiplier.shift}


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


def _check_averaged(count: int) -> None:
    if count > MAX_AVERAGED:
        raise UnsupportedError(f"an average over {count} values; at most {MAX_AVERAGED} are supported")
