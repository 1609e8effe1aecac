"""A network with other shapes: what it would be with a smaller input, fewer channels or another stride.

Shapes are derived operator by operator from the network alone, weights included; values play no part. An
operator whose inputs keep their shapes keeps its outputs, whatever it is.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import get_args

from mcu_nas.network import Network, Tensor, WindowAxis, pad_amounts
from mcu_nas.operators import (
    Add,
    AveragePool2D,
    Concatenation,
    Conv2D,
    DepthwiseConv2D,
    Elementwise,
    FullyConnected,
    MaxPool2D,
    Mean,
    Mul,
    Op,
    Pad,
    Reshape,
    ResizeNearestNeighbor,
    Softmax,
    Sub,
    Transpose,
)

_Shape = tuple[int, ...]
_Windowed = Conv2D | DepthwiseConv2D | AveragePool2D | MaxPool2D
_SAME_SHAPE = (*get_args(Elementwise), Softmax)


class NotDerivableError(ValueError):
    """Shapes that do not go together, or an operator whose output shape the network does not tell."""


@dataclass(frozen=True)
class NewShapes:
    """What to change. ``channels`` and ``stride`` are by operator index, ``inputs`` by tensor id."""

    inputs: Mapping[int, _Shape] = field(default_factory=dict)
    channels: Mapping[int, int] = field(default_factory=dict)  # of a CONV_2D or FULLY_CONNECTED
    stride: Mapping[int, tuple[int, int]] = field(default_factory=dict)  # of a convolution or a pool


def reshaped(network: Network, change: NewShapes) -> Network:
    """The network after a change, all shapes derived anew.

    Raises:
        NotDerivableError: the changed network does not exist, or its shapes cannot be told; names the
            operator.
    """
    tensors = list(network.tensors)
    for tensor, shape in change.inputs.items():
        tensors[tensor] = replace(tensors[tensor], shape=shape)
    ops: list[Op] = []
    for index, op in enumerate(network.ops):
        stride = change.stride.get(index)
        changed = replace(op, stride=stride) if stride and isinstance(op, _Windowed) else op
        same = all(tensors[t].shape == network.shape(t) for t in network.activations_in(op))
        if not same or stride or index in change.channels:
            try:
                changed = _derive(network, tensors, changed, change.channels.get(index))
            except NotDerivableError as error:
                raise NotDerivableError(f"op {index} {op.tflite_name}: {error}") from None
        ops.append(changed)
    return replace(network, tensors=tuple(tensors), ops=tuple(ops))


def without_add(network: Network, index: int, kept: int) -> Network:
    """The network without the ADD number ``index``: what read its sum reads activation ``kept`` instead.

    The ADD must not make a network output.
    """
    (total,) = network.ops[index].outputs

    def rewired(op: Op) -> Op:
        return replace(op, inputs=tuple(kept if tensor == total else tensor for tensor in op.inputs))

    ops = tuple(rewired(op) for number, op in enumerate(network.ops) if number != index)
    return replace(network, ops=ops)


def _derive(network: Network, tensors: list[Tensor], op: Op, channels: int | None) -> Op:
    """Sets the shapes of an operator's weights and output; returns the operator, its window adapted."""
    sources = [tensors[t].shape for t in network.activations_in(op)]
    before = [network.shape(t) for t in network.activations_in(op)]
    old = network.shape(op.outputs[0])

    def set_shape(tensor: int, shape: _Shape) -> None:
        if min(shape, default=1) < 1:
            raise NotDerivableError("nothing is left of its output")
        tensors[tensor] = replace(tensors[tensor], shape=shape)

    def set_weights(shape: _Shape, outputs: int) -> None:
        set_shape(op.inputs[1], shape)
        if len(op.inputs) > 2:
            set_shape(op.inputs[2], (outputs,))

    match op:
        case Conv2D():
            count, tall, wide, depth = network.shape(op.inputs[1])
            if depth != before[0][3]:
                raise NotDerivableError("grouped weights")
            count = channels or count
            set_weights((count, tall, wide, sources[0][3]), count)
            shape = (1, *_window_output(op, sources[0], (tall, wide), op.dilation), count)
        case DepthwiseConv2D():
            _, tall, wide, count = network.shape(op.inputs[1])
            count = count // before[0][3] * sources[0][3]
            set_weights((1, tall, wide, count), count)
            shape = (1, *_window_output(op, sources[0], (tall, wide), op.dilation), count)
        case AveragePool2D() | MaxPool2D():
            if op.window == before[0][1:3]:  # a global pool stays one
                op = replace(op, window=(sources[0][1], sources[0][2]))
            shape = (1, *_window_output(op, sources[0], op.window, (1, 1)), sources[0][3])
        case FullyConnected():
            count = channels or old[-1]
            if op.keep_num_dims:
                taken, shape = sources[0][-1], (*sources[0][:-1], count)
            else:
                taken, shape = math.prod(sources[0]), (1, count)
            set_weights((count, taken), count)
        case Add() | Sub() | Mul() if len(sources) == 2:
            shape = _broadcast(*sources)
        case Mean() if len(before[0]) == 4 and math.prod(old) == before[0][3] == old[-1]:
            shape = (*old[:-1], sources[0][3])
        case ResizeNearestNeighbor():
            shape = (1, *_scaled(before[0], old, sources[0]), sources[0][3])
        case Concatenation() if len(sources) == len(op.inputs):
            shape = _concatenated(sources, op.axis)
        case Pad():
            amounts = zip(sources[0], op.amounts, strict=True)
            shape = tuple(size + first + last for size, (first, last) in amounts)
        case Transpose():
            shape = tuple(sources[0][axis] for axis in op.permutation)
        case Reshape():
            shape = _viewed(before[0], old, sources[0])
        case _ if isinstance(op, _SAME_SHAPE):
            shape = sources[0]
        case _:
            raise NotDerivableError("its output shape does not follow from its input's")
    set_shape(op.outputs[0], shape)
    return op


def _window_output(op: _Windowed, source: _Shape, taps: tuple[int, int], dilation: tuple[int, int]) -> _Shape:
    pads = op.pads if isinstance(op, Conv2D | DepthwiseConv2D) else None
    sides = zip(source[1:3], taps, op.stride, dilation, strict=True)
    shape = tuple(
        WindowAxis(*side, *(pads[axis] if pads else pad_amounts(op.padding, *side))).outputs
        for axis, side in enumerate(sides)
    )
    if min(shape) < 1:
        raise NotDerivableError("its window is larger than its input")
    return shape


def _broadcast(a: _Shape, b: _Shape) -> _Shape:
    rank = max(len(a), len(b))
    padded = [(1,) * (rank - len(shape)) + shape for shape in (a, b)]
    if any(x != y and 1 not in (x, y) for x, y in zip(*padded, strict=True)):
        raise NotDerivableError(f"its inputs {a} and {b} do not go together")
    return tuple(map(max, zip(*padded, strict=True)))


def _scaled(before: _Shape, after: _Shape, source: _Shape) -> _Shape:
    """Height and width after a RESIZE by whole factors."""
    if any(large % small for small, large in zip(before[1:3], after[1:3], strict=True)):
        raise NotDerivableError("its new size is no multiple of its input's")
    return tuple(
        large // small * size for small, large, size in zip(before[1:3], after[1:3], source[1:3], strict=True)
    )


def _concatenated(sources: list[_Shape], axis: int) -> _Shape:
    first = sources[0]
    if any(s[:axis] + s[axis + 1 :] != first[:axis] + first[axis + 1 :] for s in sources):
        raise NotDerivableError("its inputs do not go together")
    return (*first[:axis], sum(s[axis] for s in sources), *first[axis + 1 :])


def _viewed(before: _Shape, after: _Shape, source: _Shape) -> _Shape:
    """What RESHAPE makes of a changed input: axes of length 1 come and go, or all are flattened into one."""
    if math.prod(source) == math.prod(before):
        return after
    long_before = [axis for axis, size in enumerate(before) if size > 1]
    long_after = [axis for axis, size in enumerate(after) if size > 1]
    shape = [1] * len(after)
    if [before[axis] for axis in long_before] == [after[axis] for axis in long_after] and all(
        size == 1 for axis, size in enumerate(source) if axis not in long_before
    ):
        for old_axis, new_axis in zip(long_before, long_after, strict=True):
            shape[new_axis] = source[old_axis]
    elif len(long_after) == 1:
        shape[long_after[0]] = math.prod(source)
    else:
        raise NotDerivableError("its new shape does not follow from its input's")
    return tuple(shape)
