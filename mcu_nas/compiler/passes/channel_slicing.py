"""A graph without some of its channels: weights cut, constants folded into biases."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from mcu_nas.compiler.passes.channel_links import mixed_channels
from mcu_nas.compiler.passes.constant_channels import Constants, foldable
from mcu_nas.compiler.passes.edit import Edit
from mcu_nas.graph import Graph, Quantization
from mcu_nas.operators import Conv2D, DepthwiseConv2D, FullyConnected, Op, Reshape


def without_channels(graph: Graph, removed: Mapping[int, np.ndarray], values: Constants) -> Graph:
    """The graph without the channels that ``removed``, a bool for each channel of each activation, marks.

    ``values`` (constant_channels) says what the constant ones among them were. Tied channels are removed
    together (channel_groups.py); the others' values stay what they were, as far as somebody reads them.
    """
    edit = Edit(graph)
    for tensor, mask in removed.items():
        if mask.any():
            shape = graph.network.shape(tensor)
            edit.reshape(tensor, (*shape[:-1], int((~mask).sum())))
    return edit.finish([_sliced(graph, op, edit, removed, values) for op in graph.network.ops])


def _sliced(graph: Graph, op: Op, edit: Edit, removed: Mapping[int, np.ndarray], values: Constants) -> Op:
    if not any(removed[t].any() for t in (*graph.network.activations_in(op), *op.outputs)):
        return op
    match op:
        case Conv2D() | FullyConnected():
            return _mixed(graph, op, edit, removed, values)
        case DepthwiseConv2D():
            kept = ~removed[op.outputs[0]]
            weights = graph.constants[op.inputs[1]][..., kept]
            bias = graph.constants[op.inputs[2]][kept]
            return _with_constants(graph, op, edit, weights, bias, kept)
        case Reshape():
            return replace(op, inputs=op.inputs[:1])  # a constant with the new shape would be wrong now
        case _:
            return op


def _mixed(
    graph: Graph,
    op: Conv2D | FullyConnected,
    edit: Edit,
    removed: Mapping[int, np.ndarray],
    values: Constants,
) -> Op:
    source = op.inputs[0]
    gone, kept = removed[source], ~removed[op.outputs[0]]
    weights = graph.constants[op.inputs[1]]
    by_tap = weights.reshape(len(weights), -1, len(gone))[kept][:, :, ~gone]
    taps = weights.shape[1:-1]
    shape = (len(by_tap), *taps, by_tap.shape[2]) if taps else (len(by_tap), math.prod(by_tap.shape[1:]))
    bias = graph.constants[op.inputs[2]]
    if gone.any():
        mixed = mixed_channels(graph, op)
        assert mixed is not None  # else its input would have been left alone
        folded = gone & foldable(graph, op, values[source])
        centred = values[source][folded] - graph.quantization[source].zero_point
        bias = (bias + mixed.products(folded, centred)).astype(np.int32)
    return _with_constants(graph, op, edit, by_tap.reshape(shape), bias[kept], kept)


def _with_constants(
    graph: Graph,
    op: Conv2D | DepthwiseConv2D | FullyConnected,
    edit: Edit,
    weights: np.ndarray,
    bias: np.ndarray,
    kept: np.ndarray,
) -> Op:
    """The operator with other weights and bias, and the scales of the output channels that are kept."""
    numbers = [
        edit.constant(tensor, np.ascontiguousarray(array), _scales_of(graph.quantization[tensor], kept))
        for tensor, array in zip(op.inputs[1:], (weights, bias), strict=True)
    ]
    return replace(op, inputs=(op.inputs[0], *numbers))


def _scales_of(quantization: Quantization, kept: np.ndarray) -> Quantization:
    if len(quantization.scales) == 1:
        return quantization
    pick = np.flatnonzero(kept)
    return replace(
        quantization,
        scales=tuple(quantization.scales[channel] for channel in pick),
        zero_points=tuple(quantization.zero_points[channel] for channel in pick),
    )
