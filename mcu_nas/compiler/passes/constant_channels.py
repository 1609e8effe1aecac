"""Which channels of a graph's activations have one value, whatever the network's input, and which one.

A channel whose weights are all zero is the requantized bias; what only depends on such channels is constant
in turn, through every operator whose arithmetic is known here to the bit.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mcu_nas.compiler.int8_arithmetic import added, requantized
from mcu_nas.compiler.passes.channel_links import (
    channel_links,
    meets_padding,
    mixed_channels,
    pixels,
    sums_fit_int32,
)
from mcu_nas.compiler.requantize import INT8_MIN, activation_range, mean_multiplier, weighted_multipliers
from mcu_nas.compiler.tables import table
from mcu_nas.errors import UnsupportedError
from mcu_nas.graph import Graph
from mcu_nas.operators import (
    Activation,
    Add,
    AveragePool2D,
    Concatenation,
    Conv2D,
    DepthwiseConv2D,
    FullyConnected,
    HardSwish,
    LeakyRelu,
    Logistic,
    MaxPool2D,
    Mean,
    Op,
    Pad,
    Quantize,
    Relu,
    Relu6,
    Reshape,
    ResizeNearestNeighbor,
    Tanh,
)

VARIES = 1 << 15  # beyond int8: the channel is no constant

Constants = Mapping[int, np.ndarray]  # per activation: its channels' values int64 (C,), or VARIES


def constant_channels(graph: Graph) -> dict[int, np.ndarray]:
    """Per activation, the value of each channel that is constant, VARIES for the others: int64 (C,)."""
    network = graph.network
    known = {tensor: np.full(network.shape(tensor)[-1], VARIES, np.int64) for tensor in network.inputs}
    for op in network.ops:
        (output,) = op.outputs
        try:
            known[output] = _values(graph, op, known)
        except UnsupportedError:  # a scale beyond TFLM's arithmetic: the compiler names the operator
            known[output] = np.full(network.shape(output)[-1], VARIES, np.int64)
    return known


def foldable(graph: Graph, op: Op, values: np.ndarray) -> np.ndarray:
    """Which constant input channels add the same to every window: all, or where windows reach into the
    padding, those at the zero point. bool (I,).
    """
    constant = values != VARIES
    if meets_padding(graph.network, op):
        return constant & (values == graph.quantization[op.inputs[0]].zero_point)
    return constant


def _values(graph: Graph, op: Op, known: Constants) -> np.ndarray:
    match op:
        case Conv2D() | FullyConnected():
            return _mixed(graph, op, known[op.inputs[0]])
        case DepthwiseConv2D():
            return _depthwise(graph, op, known[op.inputs[0]])
    network = graph.network
    values = np.full(network.shape(op.outputs[0])[-1], VARIES, np.int64)
    links = channel_links(graph, op)
    if links is None:
        return values
    match op:
        case Add():
            rows = (known[op.inputs[0]], known[op.inputs[1]])
            constant = (rows[0] != VARIES) & (rows[1] != VARIES)
            sources = (graph.quantization[op.inputs[0]], graph.quantization[op.inputs[1]])
            output = graph.quantization[op.outputs[0]]
            values[constant] = added((rows[0][constant], rows[1][constant]), sources, output, op.activation)
        case Mean():
            values = _mean(graph, op, known[op.inputs[0]])
        case AveragePool2D() | MaxPool2D():
            values = _clamped(graph, op, known[op.inputs[0]], op.activation)
        case Relu() | Relu6() | LeakyRelu() | HardSwish() | Logistic() | Tanh() | Quantize():
            source = known[op.inputs[0]]
            row = table(op, graph.quantization[op.inputs[0]], graph.quantization[op.outputs[0]])
            values[source != VARIES] = row[source[source != VARIES] - INT8_MIN]
        case Reshape():
            (link,) = links
            values[link.output_channels] = known[link.source][link.source_channels]
            different = values[link.output_channels] != known[link.source][link.source_channels]
            values[link.output_channels[different]] = VARIES
        case ResizeNearestNeighbor():
            values = known[op.inputs[0]].copy()
        case Pad():
            around = graph.quantization[op.outputs[0]].zero_point if op.value is None else op.value
            source = known[op.inputs[0]]
            values = np.where(source == around, source, VARIES)
        case Concatenation() if len({graph.quantization[t] for t in op.inputs + op.outputs}) == 1:
            for link in links:
                part = known[link.source][link.source_channels]
                values[link.output_channels] = part
    return values


def _mixed(graph: Graph, op: Conv2D | FullyConnected, source: np.ndarray) -> np.ndarray:
    mixed = mixed_channels(graph, op)
    if mixed is None:
        return np.full(graph.network.shape(op.outputs[0])[-1], VARIES, np.int64)
    usable = foldable(graph, op, source)
    constant = np.count_nonzero(mixed.reads[:, ~usable], axis=1) == 0
    centred = source[usable] - graph.quantization[op.inputs[0]].zero_point
    return _weighted(graph, op, constant, mixed.products(usable, centred))


def _depthwise(graph: Graph, op: DepthwiseConv2D, source: np.ndarray) -> np.ndarray:
    weights = graph.constants[op.inputs[1]].reshape(-1, graph.network.shape(op.outputs[0])[-1])
    links = channel_links(graph, op)
    assert links is not None
    channels = links[0].source_channels
    if not sums_fit_int32(graph.constants[op.inputs[2]], weights.T):
        return np.full(len(channels), VARIES, np.int64)
    usable = foldable(graph, op, source)[channels]
    constant = usable.copy()
    constant[(weights == 0).all(axis=0)] = True
    centred = np.where(usable, source[channels] - graph.quantization[op.inputs[0]].zero_point, 0)
    return _weighted(graph, op, constant, weights.sum(axis=0, dtype=np.int64) * centred)


def _weighted(
    graph: Graph, op: Conv2D | DepthwiseConv2D | FullyConnected, constant: np.ndarray, products: np.ndarray
) -> np.ndarray:
    """Outputs of the constant channels, whose sums of products are given: int64 (O,)."""
    values = np.full(len(constant), VARIES, np.int64)
    if not constant.any():
        return values
    source, weights = (graph.quantization[tensor] for tensor in op.inputs[:2])
    output = graph.quantization[op.outputs[0]]
    connected = isinstance(op, FullyConnected)
    factors = weighted_multipliers(source, weights, output, len(constant), fully_connected=connected)
    chosen = np.flatnonzero(constant)
    sums = graph.constants[op.inputs[2]].astype(np.int64)[chosen] + products[chosen]
    values[chosen] = requantized(sums, [factors[channel] for channel in chosen], output, op.activation)
    return values


def _mean(graph: Graph, op: Mean, source: np.ndarray) -> np.ndarray:
    network = graph.network
    count = pixels(network, op.inputs[0]) // pixels(network, op.outputs[0])
    before, after = graph.quantization[op.inputs[0]], graph.quantization[op.outputs[0]]
    factor = mean_multiplier(before, after, count)
    sums = np.where(source == VARIES, 0, count * (source - before.zero_point))
    values = requantized(sums, [factor] * len(sums), after, Activation.NONE)
    return np.where(source == VARIES, VARIES, values)


def _clamped(graph: Graph, op: Op, source: np.ndarray, activation: Activation) -> np.ndarray:
    """What pools and activations do to a constant."""
    low, high = activation_range(activation, graph.quantization[op.outputs[0]])
    return np.where(source == VARIES, VARIES, np.clip(source, low, high))
