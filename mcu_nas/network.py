"""Network: a DAG of TFLite operators with shapes and attributes, without constants or scales.

What the cost models and the memory planner see of a model, and what the torch lowering builds modules
from. Tensors are numbered; an operator names its tensors by number, in TFLite's order (activation,
weights, bias). Activations are NHWC with batch 1; weights have TFLite's layouts.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache

from mcu_nas.operators import (
    Add,
    Concatenation,
    Conv2D,
    DepthwiseConv2D,
    FullyConnected,
    Mul,
    Op,
    Padding,
    Pool2D,
    Sub,
    TransposeConv,
)

ITEM_BYTES = {"int8": 1, "uint8": 1, "int32": 4, "float32": 4}


def shown(shape: Sequence[int]) -> str:
    """A shape as messages have it: 1×32×32×8; () for a scalar."""
    return "×".join(map(str, shape)) or "()"


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor's name, shape and dtype (a key of ITEM_BYTES)."""

    name: str
    shape: tuple[int, ...]
    dtype: str = "int8"

    @property
    def bytes(self) -> int:
        """Size in bytes."""
        return math.prod(self.shape) * ITEM_BYTES[self.dtype]


@dataclass(frozen=True)
class Network:
    """Operators in execution order over numbered tensors.

    ``constants`` are the ids of weights, biases and other tensors that live in flash; every other tensor
    is an activation and lives in the arena.
    """

    tensors: tuple[Tensor, ...]
    ops: tuple[Op, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    constants: frozenset[int] = field(default_factory=frozenset)

    def activations_in(self, op: Op) -> tuple[int, ...]:
        """The ids of an operator's non-constant inputs."""
        return tuple(t for t in op.inputs if t not in self.constants)

    def shape(self, tensor: int) -> tuple[int, ...]:
        """Shape of tensor number ``tensor``."""
        return self.tensors[tensor].shape

    @cached_property
    def lifetimes(self) -> dict[int, tuple[int, int]]:
        """Per activation: (first op, last op) at which it is live, inclusive.

        A network input is live from op 0, a network output until the last op.
        """
        last_op = len(self.ops) - 1
        first = dict.fromkeys(self.inputs, 0)
        last = dict.fromkeys(self.inputs, 0)
        for index, op in enumerate(self.ops):
            for tensor in self.activations_in(op):
                last[tensor] = index
            for tensor in op.outputs:
                first[tensor] = last[tensor] = index
        last.update(dict.fromkeys(self.outputs, last_op))
        return {tensor: (first[tensor], last[tensor]) for tensor in first}

    def live_at(self, index: int) -> Iterator[int]:
        """The activations live while op number ``index`` runs, its inputs and outputs included."""
        return (tensor for tensor, (first, last) in self.lifetimes.items() if first <= index <= last)


def same_pad(size: int, kernel: int, stride: int, dilation: int = 1) -> tuple[int, int]:
    """TFLite's SAME padding (before, after) of one axis; asymmetric where the total is odd."""
    window = (kernel - 1) * dilation + 1
    total = max((-(-size // stride) - 1) * stride + window - size, 0)
    return total // 2, total - total // 2


def pad_amounts(padding: Padding, size: int, kernel: int, stride: int, dilation: int = 1) -> tuple[int, int]:
    """Padding (before, after) of one axis under a padding mode."""
    return same_pad(size, kernel, stride, dilation) if padding is Padding.SAME else (0, 0)


def output_size(padding: Padding, size: int, kernel: int, stride: int, dilation: int = 1) -> int:
    """Output length of a window operator along one axis (TFLite's ComputeOutSize)."""
    window = (kernel - 1) * dilation + 1
    return -(-size // stride) if padding is Padding.SAME else -(-(size - window + 1) // stride)


@dataclass(frozen=True, slots=True)
class WindowAxis:
    """One axis of a window that slides over an image: sizes and steps in pixels, padding on either side."""

    size: int
    taps: int
    stride: int
    dilation: int
    before: int
    after: int

    @property
    def outputs(self) -> int:
        """Positions of the window."""
        window = (self.taps - 1) * self.dilation + 1
        return (self.before + self.size + self.after - window) // self.stride + 1


def window_axes(network: Network, op: Conv2D | DepthwiseConv2D | Pool2D) -> tuple[WindowAxis, WindowAxis]:
    """The vertical and the horizontal axis of a window operator."""
    taps, dilation, pads = (
        (network.shape(op.inputs[1])[1:3], op.dilation, op.pads)
        if isinstance(op, Conv2D | DepthwiseConv2D)
        else (op.window, (1, 1), None)
    )
    _, height, width, _ = network.shape(op.inputs[0])
    padding = (op.padding, op.padding) if pads is None else pads
    return (
        _window_axis(padding[0], height, taps[0], op.stride[0], dilation[0]),
        _window_axis(padding[1], width, taps[1], op.stride[1], dilation[1]),
    )


@lru_cache(maxsize=4096)
def _window_axis(
    padding: Padding | tuple[int, int], size: int, taps: int, stride: int, dilation: int
) -> WindowAxis:
    """The axis under a padding mode or explicit amounts; planning a search space asks for few, often."""
    before, after = (
        pad_amounts(padding, size, taps, stride, dilation) if isinstance(padding, Padding) else padding
    )
    return WindowAxis(size, taps, stride, dilation, before, after)


def op_macs(network: Network, op: Op) -> int:
    """Multiply-accumulates of one operator as published figures count them: multiplications by a weight,
    taps in the padding included, additions and averages not.
    """
    match op:
        case Conv2D() | DepthwiseConv2D() | FullyConnected():
            weights = network.shape(op.inputs[1])
            per_output = math.prod(weights[1:3] if isinstance(op, DepthwiseConv2D) else weights[1:])
            return math.prod(network.shape(op.outputs[0])) * per_output
        case TransposeConv():
            _, weights_shape, source, *_ = (network.shape(tensor) for tensor in op.inputs)
            return math.prod(source[:3]) * math.prod(weights_shape)
        case _:
            return 0


def op_weight_bytes(network: Network, op: Op) -> int:
    """Bytes of an operator's weights or constant operands, without biases and requantization factors."""
    match op:
        case Conv2D() | DepthwiseConv2D() | FullyConnected() | TransposeConv():
            return network.tensors[op.inputs[1]].bytes
        case Add() | Sub() | Mul() | Concatenation():
            return sum(network.tensors[tensor].bytes for tensor in op.inputs if tensor in network.constants)
        case _:
            return 0
