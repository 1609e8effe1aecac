"""Network: a DAG of TFLite operators with shapes and attributes, without constants or scales.

What the cost models and the memory planner see of a model, and what the torch lowering builds modules
from. Tensors are numbered; an operator names its tensors by number, in TFLite's order (activation,
weights, bias). Activations are NHWC with batch 1; weights have TFLite's layouts.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import ClassVar


class Padding(StrEnum):
    """TFLite's padding modes."""

    SAME = "SAME"
    VALID = "VALID"


class Activation(StrEnum):
    """Activation functions that TFLite fuses into an operator."""

    NONE = "NONE"
    RELU = "RELU"
    RELU6 = "RELU6"


ITEM_BYTES = {"int8": 1, "uint8": 1, "int32": 4, "float32": 4}


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


@dataclass(frozen=True, slots=True)
class Conv2D:
    """CONV_2D. inputs: activation (1,H,W,I), weights (O,KH,KW,I), bias (O)."""

    tflite_name: ClassVar[str] = "CONV_2D"
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    stride: tuple[int, int] = (1, 1)
    padding: Padding = Padding.SAME
    activation: Activation = Activation.NONE
    dilation: tuple[int, int] = (1, 1)


@dataclass(frozen=True, slots=True)
class DepthwiseConv2D:
    """DEPTHWISE_CONV_2D. inputs: activation (1,H,W,C), weights (1,KH,KW,C*multiplier), bias."""

    tflite_name: ClassVar[str] = "DEPTHWISE_CONV_2D"
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    stride: tuple[int, int] = (1, 1)
    padding: Padding = Padding.SAME
    activation: Activation = Activation.NONE
    dilation: tuple[int, int] = (1, 1)


@dataclass(frozen=True, slots=True)
class FullyConnected:
    """FULLY_CONNECTED. inputs: activation (1,I), weights (O,I), bias (O)."""

    tflite_name: ClassVar[str] = "FULLY_CONNECTED"
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    activation: Activation = Activation.NONE


@dataclass(frozen=True, slots=True)
class Add:
    """ADD of two activations of one shape."""

    tflite_name: ClassVar[str] = "ADD"
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    activation: Activation = Activation.NONE


@dataclass(frozen=True, slots=True)
class Mean:
    """MEAN over height and width: (1,H,W,C) -> (1,C), or (1,1,1,C) where keep_dims."""

    tflite_name: ClassVar[str] = "MEAN"
    inputs: tuple[int, ...]  # the activation; the axes constant follows it
    outputs: tuple[int, ...]
    keep_dims: bool = False


@dataclass(frozen=True, slots=True)
class AveragePool2D:
    """AVERAGE_POOL_2D; the average is over the taps inside the input."""

    tflite_name: ClassVar[str] = "AVERAGE_POOL_2D"
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    window: tuple[int, int] = (1, 1)
    stride: tuple[int, int] = (1, 1)
    padding: Padding = Padding.VALID
    activation: Activation = Activation.NONE


@dataclass(frozen=True, slots=True)
class MaxPool2D:
    """MAX_POOL_2D; the largest of the taps inside the input."""

    tflite_name: ClassVar[str] = "MAX_POOL_2D"
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    window: tuple[int, int] = (1, 1)
    stride: tuple[int, int] = (1, 1)
    padding: Padding = Padding.VALID
    activation: Activation = Activation.NONE


Pool2D = AveragePool2D | MaxPool2D


@dataclass(frozen=True, slots=True)
class Reshape:
    """RESHAPE: the same values under another shape. The shape may follow as a constant."""

    tflite_name: ClassVar[str] = "RESHAPE"
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Softmax:
    """SOFTMAX of a row (1,C), beta 1."""

    tflite_name: ClassVar[str] = "SOFTMAX"
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


Op = Conv2D | DepthwiseConv2D | FullyConnected | Add | Mean | Pool2D | Reshape | Softmax


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


def op_macs(network: Network, op: Op) -> int:
    """Multiply-accumulates of one operator as published figures count them: multiplications by a weight,
    taps in the padding included, additions and averages not.
    """
    match op:
        case Conv2D() | DepthwiseConv2D() | FullyConnected():
            weights = network.shape(op.inputs[1])
            per_output = math.prod(weights[1:3] if isinstance(op, DepthwiseConv2D) else weights[1:])
            return math.prod(network.shape(op.outputs[0])) * per_output
        case _:
            return 0
