"""Runs a FloatNetwork in PyTorch, operator by operator, as TFLite defines each.

Activations are float32 (N, H, W, C) or (N, C): axis 0, of size 1 in the network, holds the batch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from mcu_nas.compiler.calls.movement import nearest_pixels
from mcu_nas.datasets.images import real_pixels
from mcu_nas.network import Network, pad_amounts, same_pad
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
    Mul,
    Op,
    Pad,
    Padding,
    Pool2D,
    Quantize,
    Relu,
    Relu6,
    Reshape,
    ResizeNearestNeighbor,
    Softmax,
    StridedSlice,
    Sub,
    Tanh,
    Transpose,
    TransposeConv,
)
from mcu_nas.quantize.float_network import FloatNetwork

Observer = Callable[[int, Tensor], None]


def pixels_of(images: np.ndarray, white: float) -> Tensor:
    """uint8 (N, H, W, C) to float (N, H, W, C), 255 becoming ``white``."""
    return torch.from_numpy(real_pixels(images, white))


@torch.no_grad()
def execute(network: FloatNetwork, pixels: Tensor, observe: Observer | None = None) -> Tensor:
    """The first output for ``pixels`` (N, H, W, C).

    ``observe`` is told each operator's output when it is computed.
    """
    graph = network.network
    values = {t: torch.tensor(v) for t, v in network.constants.items()}
    values[graph.inputs[0]] = pixels
    for index, op in enumerate(graph.ops):
        (output,) = op.outputs
        result = _COMPUTE[type(op)](graph, op, values)
        values[output] = _activate(result, getattr(op, "activation", Activation.NONE))
        if observe:
            observe(output, values[output])
        for tensor in set(graph.activations_in(op)):
            if graph.lifetimes[tensor][1] == index:
                del values[tensor]
    return values[graph.outputs[0]]


Values = Mapping[int, Tensor]


def _activate(x: Tensor, activation: Activation) -> Tensor:
    match activation:
        case Activation.RELU:
            return F.relu(x)
        case Activation.RELU6:
            return F.relu6(x)
        case _:
            return x


def _planes(x: Tensor) -> Tensor:
    """(N, H, W, C) as torch wants it, (N, C, H, W); a view."""
    return x.permute(0, 3, 1, 2)


def _pixels(x: Tensor) -> Tensor:
    """(N, C, H, W) to (N, H, W, C); a view."""
    return x.permute(0, 2, 3, 1)


def _edges(graph: Network, op: Conv2D | DepthwiseConv2D | Pool2D, window: tuple[int, ...]) -> list[int]:
    """Padding in F.pad's order: left, right, top, bottom."""
    dilation = op.dilation if isinstance(op, Conv2D | DepthwiseConv2D) else (1, 1)
    size = graph.shape(op.inputs[0])[1:3]
    top, bottom = pad_amounts(op.padding, size[0], window[0], op.stride[0], dilation[0])
    left, right = pad_amounts(op.padding, size[1], window[1], op.stride[1], dilation[1])
    return [left, right, top, bottom]


def _conv(graph: Network, op: Conv2D, values: Values) -> Tensor:
    source, weights, bias = (values[t] for t in op.inputs)
    x = F.pad(_planes(source), _edges(graph, op, weights.shape[1:3]))
    return _pixels(F.conv2d(x, _planes(weights), bias, op.stride, 0, op.dilation))


def _depthwise(graph: Network, op: DepthwiseConv2D, values: Values) -> Tensor:
    source, weights, bias = (values[t] for t in op.inputs)
    x = F.pad(_planes(source), _edges(graph, op, weights.shape[1:3]))
    kernels = weights.permute(3, 0, 1, 2)  # (C * multiplier, 1, KH, KW)
    return _pixels(F.conv2d(x, kernels, bias, op.stride, 0, op.dilation, source.shape[3]))


def _transpose_conv(graph: Network, op: TransposeConv, values: Values) -> Tensor:
    _, weights, source, bias = op.inputs
    kernels = values[weights].permute(3, 0, 1, 2)  # (I, O, KH, KW)
    full = F.conv_transpose2d(_planes(values[source]), kernels, None, op.stride)
    edges: list[int] = []  # what SAME cuts off before, and what is missing or too much after
    for axis in (2, 1):
        size, kernel = graph.shape(op.outputs[0])[axis], graph.shape(weights)[axis]
        same = op.padding is Padding.SAME
        before = same_pad(size, kernel, op.stride[axis - 1])[0] if same else 0
        edges += [-before, size + before - full.shape[axis + 1]]
    return _pixels(F.pad(full, edges)) + values[bias]


def _fully_connected(graph: Network, op: FullyConnected, values: Values) -> Tensor:
    source, weights, bias = (values[t] for t in op.inputs)
    return F.linear(source if op.keep_num_dims else source.flatten(1), weights, bias)


def _max_pool(graph: Network, op: MaxPool2D, values: Values) -> Tensor:
    x = F.pad(_planes(values[op.inputs[0]]), _edges(graph, op, op.window), value=float("-inf"))
    return _pixels(F.max_pool2d(x, op.window, op.stride))


def _average_pool(graph: Network, op: AveragePool2D, values: Values) -> Tensor:
    """TFLite averages over the taps inside the input; so window sums are divided by their number."""
    x = _planes(values[op.inputs[0]])
    edges = _edges(graph, op, op.window)
    if not any(edges):
        return _pixels(F.avg_pool2d(x, op.window, op.stride))
    sums = F.avg_pool2d(F.pad(x, edges), op.window, op.stride, divisor_override=1)
    taps = F.avg_pool2d(F.pad(torch.ones_like(x[:1, :1]), edges), op.window, op.stride, divisor_override=1)
    return _pixels(sums / taps)


def _mean(graph: Network, op: Mean, values: Values) -> Tensor:
    return values[op.inputs[0]].mean(values[op.inputs[1]].tolist(), keepdim=op.keep_dims)


def _reshape(graph: Network, op: Reshape, values: Values) -> Tensor:
    source = values[op.inputs[0]]
    return source.reshape(len(source), *graph.shape(op.outputs[0])[1:])


def _concatenation(graph: Network, op: Concatenation, values: Values) -> Tensor:
    return torch.cat([values[t] for t in op.inputs], op.axis)


def _pad(graph: Network, op: Pad, values: Values) -> Tensor:
    return F.pad(values[op.inputs[0]], [edge for pair in reversed(op.amounts) for edge in pair])


def _resize_nearest(graph: Network, op: ResizeNearestNeighbor, values: Values) -> Tensor:
    x, size = values[op.inputs[0]], graph.shape(op.outputs[0])
    rows, columns = (
        torch.from_numpy(nearest_pixels(op, x.shape[axis], size[axis]).astype(np.int64)) for axis in (1, 2)
    )
    return x[:, rows][:, :, columns]


def _strided_slice(graph: Network, op: StridedSlice, values: Values) -> Tensor:
    x = values[op.inputs[0]]
    sizes = graph.shape(op.outputs[0])
    for axis in reversed(range(1, x.ndim)):  # an axis that goes leaves those before it where they are
        begin, step = op.begin[axis], op.step[axis]
        if step == 0:
            x = x.select(axis, begin)
        else:
            kept = axis - op.step[:axis].count(0)
            x = x.index_select(axis, begin + step * torch.arange(sizes[kept]))
    return x


def _transpose(graph: Network, op: Transpose, values: Values) -> Tensor:
    return values[op.inputs[0]].permute(op.permutation)


def _binary(function: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Network, Op, Values], Tensor]:
    return lambda graph, op, values: function(values[op.inputs[0]], values[op.inputs[1]])


def _unary(function: Callable[[Tensor], Tensor]) -> Callable[[Network, Op, Values], Tensor]:
    return lambda graph, op, values: function(values[op.inputs[0]])


def _leaky_relu(graph: Network, op: LeakyRelu, values: Values) -> Tensor:
    return F.leaky_relu(values[op.inputs[0]], op.alpha)


_COMPUTE: Mapping[type[Op], Callable[[Network, Any, Values], Tensor]] = {
    Conv2D: _conv,
    DepthwiseConv2D: _depthwise,
    TransposeConv: _transpose_conv,
    FullyConnected: _fully_connected,
    Add: _binary(torch.add),
    Sub: _binary(torch.sub),
    Mul: _binary(torch.mul),
    Mean: _mean,
    AveragePool2D: _average_pool,
    MaxPool2D: _max_pool,
    Softmax: _unary(lambda x: F.softmax(x, -1)),
    Logistic: _unary(torch.sigmoid),
    Tanh: _unary(torch.tanh),
    Relu: _unary(F.relu),
    Relu6: _unary(F.relu6),
    LeakyRelu: _leaky_relu,
    HardSwish: _unary(F.hardswish),
    Quantize: _unary(lambda x: x),
    Reshape: _reshape,
    Concatenation: _concatenation,
    Pad: _pad,
    ResizeNearestNeighbor: _resize_nearest,
    StridedSlice: _strided_slice,
    Transpose: _transpose,
}
