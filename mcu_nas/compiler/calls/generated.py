"""From an operator of a Graph to the generated kernel that runs it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from mcu_nas.compiler.armv7em_byte_kernels import block_outputs, block_pixels, block_rows, group_tiles
from mcu_nas.compiler.calls import words
from mcu_nas.compiler.calls.fields import output_fields
from mcu_nas.compiler.calls.weighted import bias_of, factors
from mcu_nas.compiler.generators.conv_blocks import conv_blocks
from mcu_nas.compiler.generators.conv_lanes import conv_lanes
from mcu_nas.compiler.generators.conv_layer import ConvLayer
from mcu_nas.compiler.generators.conv_rows import conv_rows
from mcu_nas.compiler.generators.depthwise_nhwc import depthwise_nhwc
from mcu_nas.compiler.generators.depthwise_plane import depthwise_plane
from mcu_nas.compiler.generators.depthwise_planes import DepthwiseLayer, depthwise_planes
from mcu_nas.compiler.generators.formats import Format
from mcu_nas.compiler.generators.fully_connected import fully_connected
from mcu_nas.compiler.generators.fully_connected_weights import FullyConnectedLayer
from mcu_nas.compiler.generators.generated import GeneratedKernel
from mcu_nas.compiler.generators.pointwise_blocks import pointwise_blocks
from mcu_nas.compiler.generators.pointwise_lanes import pointwise_lanes
from mcu_nas.compiler.generators.pointwise_layer import PointwiseLayer
from mcu_nas.compiler.generators.pointwise_pairs import pointwise_pairs
from mcu_nas.compiler.generators.requantization import Requantization
from mcu_nas.compiler.generators.winograd import winograd
from mcu_nas.compiler.generators.winograd_bytes import winograd_bytes
from mcu_nas.compiler.generators.winograd_layer import WinogradLayer
from mcu_nas.compiler.generators.winograd_transforms import F2, F4
from mcu_nas.compiler.input_planes import input_planes, reader_of
from mcu_nas.compiler.kernel import Kernel
from mcu_nas.compiler.target import WeightStorage
from mcu_nas.graph import Graph
from mcu_nas.network import window_axes
from mcu_nas.operators import Conv2D, DepthwiseConv2D, FullyConnected, Op


def generate(graph: Graph, op: Op, kernel: Kernel, symbol: str, *, descending: bool) -> GeneratedKernel:
    """The function ``symbol`` that runs ``op``, from the last pixel to the first where ``descending`` and
    where the kernel has an order of pixels.

    Raises:
        Refusal: the layer's weights, bias or factors break a bound of the generator.
        UnsupportedError: a value that no kernel's arithmetic can hold.
    """
    if isinstance(op, Conv2D) and not kernel.is_nhwc:
        return _pointwise_in_formats(graph, op, kernel, symbol)
    if kernel.name in _IN_ORDER:
        return _IN_ORDER[kernel.name](graph, op, symbol, descending)
    if kernel.name in _DEPTHWISE and isinstance(op, DepthwiseConv2D):
        layer = replace(_depthwise_layer(graph, op), output=kernel.writes)
        if kernel.reads is Format.PLANES:
            return depthwise_planes(layer, symbol)
        return _DEPTHWISE[kernel.name](layer, symbol)
    return _WITHOUT_ORDER[kernel.name](graph, op, symbol)


def _conv_layer(graph: Graph, op: Conv2D) -> ConvLayer:
    rows, columns = window_axes(graph.network, op)
    weights = graph.constants[op.inputs[1]]
    return ConvLayer(
        image=(rows.size, columns.size),
        out=(rows.outputs, columns.outputs),
        stride=op.stride,
        pad=(rows.before, columns.before),
        weights=weights,
        bias=bias_of(graph, op, len(weights)),
        input_zero_point=_input_zero_point(graph, op),
        requantization=_requantization(graph, op, len(weights)),
    )


def _conv_lanes(graph: Graph, op: Conv2D, symbol: str, descending: bool) -> GeneratedKernel:
    return conv_lanes(_conv_layer(graph, op), symbol, descending=descending)


def _conv_blocks(graph: Graph, op: Conv2D, symbol: str, descending: bool) -> GeneratedKernel:
    return conv_blocks(
        _conv_layer(graph, op), symbol, block_outputs(graph.network, op), descending=descending
    )


def _conv_rows(graph: Graph, op: Conv2D, symbol: str, descending: bool) -> GeneratedKernel:
    rows = block_rows(graph.network, op)
    return conv_rows(_conv_layer(graph, op), symbol, rows, descending=descending)


def _winograd_4x4(graph: Graph, op: Conv2D, symbol: str, descending: bool) -> GeneratedKernel:
    return winograd(_winograd_layer(graph, op), F4, symbol, descending=descending)


def _winograd_2x2(graph: Graph, op: Conv2D, symbol: str, descending: bool) -> GeneratedKernel:
    return winograd(_winograd_layer(graph, op), F2, symbol, descending=descending)


def _winograd_4x4_bytes(graph: Graph, op: Conv2D, symbol: str, descending: bool) -> GeneratedKernel:
    tiles = group_tiles(graph.network, op, F4.outputs)
    return winograd_bytes(_winograd_layer(graph, op), F4, symbol, tiles, descending=descending)


def _winograd_2x2_bytes(graph: Graph, op: Conv2D, symbol: str, descending: bool) -> GeneratedKernel:
    tiles = group_tiles(graph.network, op, F2.outputs)
    return winograd_bytes(_winograd_layer(graph, op), F2, symbol, tiles, descending=descending)


def _winograd_layer(graph: Graph, op: Conv2D) -> WinogradLayer:
    rows, columns = window_axes(graph.network, op)
    weights = graph.constants[op.inputs[1]]
    return WinogradLayer(
        height=rows.size,
        width=columns.size,
        same=rows.before > 0,
        weights=weights,
        bias=bias_of(graph, op, len(weights)),
        input_zero_point=_input_zero_point(graph, op),
        requantization=_requantization(graph, op, len(weights)),
    )


def _pointwise_lanes(graph: Graph, op: Conv2D, symbol: str, descending: bool) -> GeneratedKernel:
    return pointwise_lanes(_pointwise_layer(graph, op, descending), symbol)


def _pointwise_pairs(graph: Graph, op: Conv2D, symbol: str, descending: bool) -> GeneratedKernel:
    return pointwise_pairs(_pointwise_layer(graph, op, descending), symbol)


def _pointwise_pairs_bytes(graph: Graph, op: Conv2D, symbol: str, descending: bool) -> GeneratedKernel:
    layer = _pointwise_layer(graph, op, descending)
    return pointwise_pairs(replace(layer, weight_storage=WeightStorage.BYTES), symbol)


def _pointwise_blocks(graph: Graph, op: Conv2D, symbol: str, descending: bool) -> GeneratedKernel:
    block = block_pixels(graph.network, op)
    return pointwise_blocks(_pointwise_layer(graph, op, descending), symbol, block)


def _pointwise_in_formats(graph: Graph, op: Conv2D, kernel: Kernel, symbol: str) -> GeneratedKernel:
    layer = _pointwise_layer(graph, op, descending=False)
    layer = replace(layer, source=kernel.reads, target=kernel.writes, weight_storage=kernel.weights)
    if kernel.writes is Format.PLANES:
        reader = reader_of(graph.network, op.outputs[0])
        layer = replace(layer, planes=input_planes(graph.network, reader, layer.output_zero_point))
    return pointwise_lanes(layer, symbol)


def _pointwise_layer(graph: Graph, op: Conv2D, descending: bool) -> PointwiseLayer:
    _, height, width, in_channels = graph.network.shape(op.inputs[0])
    weights = graph.constants[op.inputs[1]].reshape(-1, in_channels)
    scaled = _requantization(graph, op, len(weights))
    return PointwiseLayer(
        pixels=height * width,
        weights=weights,
        bias=bias_of(graph, op, len(weights)),
        input_zero_point=_input_zero_point(graph, op),
        multipliers=scaled.multipliers,
        shifts=scaled.shifts,
        output_zero_point=scaled.zero_point,
        output_min=scaled.minimum,
        output_max=scaled.maximum,
        descending=descending,
    )


def _depthwise_layer(graph: Graph, op: DepthwiseConv2D) -> DepthwiseLayer:
    channels = graph.network.shape(op.inputs[0])[3]
    return DepthwiseLayer(
        planes=input_planes(graph.network, op, _input_zero_point(graph, op)),
        weights=graph.constants[op.inputs[1]][0],
        bias=bias_of(graph, op, channels),
        stride=op.stride[0],
        requantization=_requantization(graph, op, channels),
    )


def _fully_connected_wide(graph: Graph, op: FullyConnected, symbol: str) -> GeneratedKernel:
    return fully_connected(_fully_connected_layer(graph, op, WeightStorage.WIDE), symbol)


def _fully_connected_bytes(graph: Graph, op: FullyConnected, symbol: str) -> GeneratedKernel:
    return fully_connected(_fully_connected_layer(graph, op, WeightStorage.BYTES), symbol)


def _fully_connected_layer(
    graph: Graph, op: FullyConnected, weight_storage: WeightStorage
) -> FullyConnectedLayer:
    weights = graph.constants[op.inputs[1]]
    return FullyConnectedLayer(
        weights=weights,
        bias=bias_of(graph, op, len(weights)),
        input_zero_point=_input_zero_point(graph, op),
        requantization=_requantization(graph, op, len(weights)),
        weight_storage=weight_storage,
    )


def _input_zero_point(graph: Graph, op: Conv2D | DepthwiseConv2D | FullyConnected) -> int:
    return graph.quantization[op.inputs[0]].zero_point


def _requantization(
    graph: Graph, op: Conv2D | DepthwiseConv2D | FullyConnected, channels: int
) -> Requantization:
    multipliers, shifts = factors(graph, op, channels).astype(np.int64).T
    output = output_fields(graph, op, op.activation)
    return Requantization(multipliers, shifts, output["zero_point"], output["min"], output["max"])


_DEPTHWISE: Mapping[str, Callable[[DepthwiseLayer, str], GeneratedKernel]] = {
    "depthwise_planes": depthwise_nhwc,
    "depthwise_plane": depthwise_plane,
}
# Kernels that run their pixels in ascending or descending order, and the others.
_IN_ORDER: Mapping[str, Callable[[Graph, Any, str, bool], GeneratedKernel]] = {
    "winograd_4x4": _winograd_4x4,
    "winograd_2x2": _winograd_2x2,
    "winograd_4x4_bytes": _winograd_4x4_bytes,
    "winograd_2x2_bytes": _winograd_2x2_bytes,
    "pointwise_lanes": _pointwise_lanes,
    "pointwise_pairs": _pointwise_pairs,
    "pointwise_pairs_bytes": _pointwise_pairs_bytes,
    "pointwise_blocks": _pointwise_blocks,
    "conv_lanes": _conv_lanes,
    "conv_blocks": _conv_blocks,
    "conv_rows": _conv_rows,
}
_WITHOUT_ORDER: Mapping[str, Callable[[Graph, Any, str], GeneratedKernel]] = {
    "fully_connected_wide": _fully_connected_wide,
    "fully_connected_bytes": _fully_connected_bytes,
    "add_words": words.add,
    "global_average": words.average,
    "global_mean": words.mean,
}
