"""Torch lowering of a Network: its operators as steps that run on any set of weights.

A step carries the operator's geometry in torch's terms; the weights come from outside, so that one
executor serves a network of its own weights, a slice of a supernet's, and folded weights for inference.
Activations are float (N, C, H, W) in channels_last memory, weights (O, I / groups, KH, KW) or (O, I).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from mcu_nas.errors import UnsupportedError
from mcu_nas.network import Network, pad_amounts
from mcu_nas.operators import (
    Activation,
    Add,
    AveragePool2D,
    Conv2D,
    DepthwiseConv2D,
    FullyConnected,
    Mean,
    Op,
)
from mcu_nas.supernet.depthwise import depthwise_conv2d
from mcu_nas.supernet.normalise import Unnormalised


@dataclass(frozen=True, slots=True)
class Step:
    """One operator: ``inputs`` and ``output`` are tensor ids, ``finished`` those not needed after it.

    ``layer`` and ``weight_shape`` are set where the operator has weights. ``edges`` is the padding that
    torch cannot express as a symmetric one, in F.pad's order (left, right, top, bottom).
    ``feeds_depthwise``: the next step, a depthwise convolution, is the only one that reads the output.
    """

    op: Op
    inputs: tuple[int, ...]
    output: int
    finished: tuple[int, ...]
    layer: str | None = None
    weight_shape: tuple[int, ...] = ()
    groups: int = 1
    padding: tuple[int, int] = (0, 0)
    edges: tuple[int, int, int, int] | None = None
    feeds_depthwise: bool = False


_LOWERED = Conv2D | DepthwiseConv2D | FullyConnected | Add | Mean | AveragePool2D  # what spaces are made of

Weighted = Callable[[Step, Any], Any]  # of a Tensor; layers.py also passes an Unnormalised to a depthwise


def lower_to_torch(network: Network) -> tuple[Step, ...]:
    """The steps of a network, in its order.

    Raises:
        UnsupportedError: a depthwise convolution whose channels are not a multiple of its input's, or an
            operator that no search space has.
    """
    return tuple(_step(network, index, op) for index, op in enumerate(network.ops))


def run_steps(steps: tuple[Step, ...], pixels: Tensor, input_id: int, weighted: Weighted) -> Tensor:
    """Runs a network with one input on ``pixels`` (N, C, H, W); ``weighted`` computes what has weights.

    Returns the last step's output.
    """
    live = {input_id: pixels}
    for step in steps:
        first = live[step.inputs[0]]
        y = weighted(step, first) if step.layer is not None else _weightless(step, first, live)
        for tensor in step.finished:
            del live[tensor]
        live[step.output] = y
    return y


def convolve(step: Step, x: Tensor | Unnormalised, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """The convolution or matrix product of a step, without its activation."""
    if isinstance(step.op, FullyConnected):
        return F.linear(x.flatten(1), weight, bias)  # type: ignore[union-attr]
    assert isinstance(step.op, Conv2D | DepthwiseConv2D)
    if step.groups > 1 and step.groups == weight.shape[0] and bias is None and step.op.dilation == (1, 1):
        return depthwise_conv2d(x, weight, step.op.stride, _edges(step))
    if isinstance(x, Unnormalised):
        x = x.done()
    if step.edges is not None:
        x = F.pad(x, step.edges)
    return F.conv2d(x, weight, bias, step.op.stride, step.padding, step.op.dilation, step.groups)


def activate(x: Tensor, activation: Activation) -> Tensor:
    """The fused activation, in place."""
    if activation is Activation.RELU6:
        return F.hardtanh_(x, 0.0, 6.0)
    return F.relu_(x) if activation is Activation.RELU else x


def _weightless(step: Step, x: Tensor, live: dict[int, Tensor]) -> Tensor:
    op = step.op
    if isinstance(op, Add):
        return activate(x + live[step.inputs[1]], op.activation)
    if isinstance(op, Mean):
        return x.mean((2, 3), keepdim=op.keep_dims)
    assert isinstance(op, AveragePool2D)
    return activate(average_pool(x, op, step), op.activation)


def average_pool(x: Tensor, op: AveragePool2D, step: Step) -> Tensor:
    """The averages of a step's windows, of the taps inside the input alone, as in TFLite."""
    edges = _edges(step)
    if not any(edges):
        return F.avg_pool2d(x, op.window, op.stride)
    sums = F.avg_pool2d(F.pad(x, edges), op.window, op.stride, divisor_override=1)
    taps = F.avg_pool2d(F.pad(torch.ones_like(x[:1, :1]), edges), op.window, op.stride, divisor_override=1)
    return sums / taps


def _edges(step: Step) -> tuple[int, int, int, int]:
    """A step's padding in F.pad's order: left, right, top, bottom."""
    rows, columns = step.padding
    return step.edges or (columns, columns, rows, rows)


def _step(network: Network, index: int, op: Op) -> Step:
    if not isinstance(op, _LOWERED):
        raise UnsupportedError(f"op {index} {op.tflite_name} cannot be trained")
    inputs = network.activations_in(op)
    finished = tuple(t for t in dict.fromkeys(inputs) if network.lifetimes[t][1] == index)
    padding, edges = (0, 0), None
    if isinstance(op, Conv2D | DepthwiseConv2D | AveragePool2D):
        padding, edges = _padding(network, op)
    if isinstance(op, Add | Mean | AveragePool2D):
        return Step(op, inputs, op.outputs[0], finished, padding=padding, edges=edges)
    weights = network.tensors[op.inputs[1]]
    shape = weights.shape
    layer = weights.name.removesuffix(".weights")
    groups = 1
    if isinstance(op, DepthwiseConv2D):
        groups = network.shape(op.inputs[0])[3]
        if shape[3] % groups:
            raise UnsupportedError(f"{layer}: {shape[3]} depthwise outputs of {groups} inputs")
        shape = (shape[3], 1, shape[1], shape[2])
    elif isinstance(op, Conv2D):
        shape = (shape[0], shape[3], shape[1], shape[2])
    feeds_depthwise = _feeds_depthwise(network, index)
    return Step(op, inputs, op.outputs[0], finished, layer, shape, groups, padding, edges, feeds_depthwise)


def _feeds_depthwise(network: Network, index: int) -> bool:
    output = network.ops[index].outputs[0]
    if network.lifetimes[output][1] != index + 1 or output in network.outputs:
        return False
    reader = network.ops[index + 1]
    return isinstance(reader, DepthwiseConv2D) and reader.inputs[0] == output


def _padding(
    network: Network, op: Conv2D | DepthwiseConv2D | AveragePool2D
) -> tuple[tuple[int, int], tuple[int, int, int, int] | None]:
    """(symmetric padding, None) where torch's own will do, else (none, F.pad's edges)."""
    _, height, width, _ = network.shape(op.inputs[0])
    window, dilation = (
        (op.window, (1, 1))
        if isinstance(op, AveragePool2D)
        else (network.shape(op.inputs[1])[1:3], op.dilation)
    )
    top, bottom = pad_amounts(op.padding, height, window[0], op.stride[0], dilation[0])
    left, right = pad_amounts(op.padding, width, window[1], op.stride[1], dilation[1])
    if top == bottom and left == right:
        return (top, left), None
    return (0, 0), (left, right, top, bottom)
