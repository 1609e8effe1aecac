"""The operators of a Network: TFLite's, as frozen dataclasses of their attributes.

An operator names its tensors by number (network.py), in TFLite's order; activations are NHWC with batch 1,
weights have TFLite's layouts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
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


Edges = tuple[tuple[int, int], tuple[int, int]]  # of an image: (top, bottom), (left, right)


@dataclass(frozen=True, slots=True)
class Conv2D:
    """CONV_2D. inputs: activation (1,H,W,I), weights (O,KH,KW,I), bias (O).

    ``pads``, where given, stands in place of ``padding``; each is less than the window. No .tflite says it,
    a pass does (compiler/passes/merge_padding.py).
    """

    tflite_name: ClassVar[str] = "CONV_2D"
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    stride: tuple[int, int] = (1, 1)
    padding: Padding = Padding.SAME
    activation: Activation = Activation.NONE
    dilation: tuple[int, int] = (1, 1)
    pads: Edges | None = None


@dataclass(frozen=True, slots=True)
class DepthwiseConv2D:
    """DEPTHWISE_CONV_2D. inputs: activation (1,H,W,C), weights (1,KH,KW,C*multiplier), bias.

    ``pads``, where given, stands in place of ``padding``; each is less than the window. No .tflite says it,
    a pass does (compiler/passes/merge_padding.py).
    """

    tflite_name: ClassVar[str] = "DEPTHWISE_CONV_2D"
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    stride: tuple[int, int] = (1, 1)
    padding: Padding = Padding.SAME
    activation: Activation = Activation.NONE
    dilation: tuple[int, int] = (1, 1)
    pads: Edges | None = None


@dataclass(frozen=True, slots=True)
class FullyConnected:
    """FULLY_CONNECTED. inputs: activation, weights (O,I), bias (O).

    The activation's I values, of whatever shape, give (1,O); where ``keep_num_dims``, each row (...,I)
    gives a row (...,O).
    """

    tflite_name: ClassVar[str] = "FULLY_CONNECTED"
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    activation: Activation = Activation.NONE
    keep_num_dims: bool = False


@dataclass(frozen=True, slots=True)
class Add:
    """ADD. Operands broadcast as in numpy; one of them may be an int8 constant."""

    tflite_name: ClassVar[str] = "ADD"
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    activation: Activation = Activation.NONE


@dataclass(frozen=True, slots=True)
class Mean:
    """MEAN over the axes in a constant: (1,H,W,C) -> (1,C) over 1 and 2, or (1,1,1,C) where keep_dims."""

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
    """SOFTMAX of each row, that is along the last axis, beta 1."""

    tflite_name: ClassVar[str] = "SOFTMAX"
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Sub:
    """SUB: the first input minus the second. Broadcasting as in ADD."""

    tflite_name: ClassVar[str] = "SUB"
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    activation: Activation = Activation.NONE


@dataclass(frozen=True, slots=True)
class Mul:
    """MUL: the product, element by element. Broadcasting as in ADD."""

    tflite_name: ClassVar[str] = "MUL"
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    activation: Activation = Activation.NONE


@dataclass(frozen=True, slots=True)
class Concatenation:
    """CONCATENATION of activations or int8 constants along ``axis``, counted from the front."""

    tflite_name: ClassVar[str] = "CONCATENATION"
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    axis: int = 3


@dataclass(frozen=True, slots=True)
class Pad:
    """PAD by ``amounts`` (before, after) per axis, with the real value 0; PADV2 where ``value`` is an int8.

    The file's constants (amounts, value) are not among the inputs; the writer makes them anew.
    """

    tflite_name: ClassVar[str] = "PAD"
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    amounts: tuple[tuple[int, int], ...] = ()
    value: int | None = None


@dataclass(frozen=True, slots=True)
class Relu:
    """RELU as an operator of its own."""

    tflite_name: ClassVar[str] = "RELU"
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Relu6:
    """RELU6 as an operator of its own."""

    tflite_name: ClassVar[str] = "RELU6"
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class LeakyRelu:
    """LEAKY_RELU: x where it is positive, else alpha * x."""

    tflite_name: ClassVar[str] = "LEAKY_RELU"
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    alpha: float = 0.01


@dataclass(frozen=True, slots=True)
class HardSwish:
    """HARD_SWISH: x * relu6(x + 3) / 6."""

    tflite_name: ClassVar[str] = "HARD_SWISH"
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Logistic:
    """LOGISTIC: 1 / (1 + exp(-x))."""

    tflite_name: ClassVar[str] = "LOGISTIC"
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Tanh:
    """TANH."""

    tflite_name: ClassVar[str] = "TANH"
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Quantize:
    """QUANTIZE: the same real values at another scale and zero point."""

    tflite_name: ClassVar[str] = "QUANTIZE"
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ResizeNearestNeighbor:
    """RESIZE_NEAREST_NEIGHBOR of an activation (1,H,W,C) to its output's height and width."""

    tflite_name: ClassVar[str] = "RESIZE_NEAREST_NEIGHBOR"
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    align_corners: bool = False
    half_pixel_centers: bool = False


@dataclass(frozen=True, slots=True)
class StridedSlice:
    """STRIDED_SLICE; SLICE becomes one of these, SPLIT and SPLIT_V one for each part.

    Output element i of an axis is input element begin + i * step. An axis of step 0 gives its element begin
    alone and is no axis of the output. The file's constants (begin, end, strides) are not among the inputs;
    the writer makes them anew.
    """

    tflite_name: ClassVar[str] = "STRIDED_SLICE"
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    begin: tuple[int, ...] = ()
    step: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Transpose:
    """TRANSPOSE: output axis i is input axis ``permutation[i]``. The file's constant is no input."""

    tflite_name: ClassVar[str] = "TRANSPOSE"
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    permutation: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class TransposeConv:
    """TRANSPOSE_CONV. inputs: output shape int32 (4), weights (O,KH,KW,I), activation (1,H,W,I), bias (O)."""

    tflite_name: ClassVar[str] = "TRANSPOSE_CONV"
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    stride: tuple[int, int] = (1, 1)
    padding: Padding = Padding.SAME
    activation: Activation = Activation.NONE


# Operators whose accumulators sum products with a constant.
Weighted = Conv2D | DepthwiseConv2D | FullyConnected | TransposeConv


def layer_inputs(op: Weighted) -> tuple[int, int, int]:
    """The activation, the weights and the bias of a layer, which TRANSPOSE_CONV has in another order."""
    if isinstance(op, TransposeConv):
        _, weights, source, bias = op.inputs
    else:
        source, weights, bias = op.inputs
    return source, weights, bias


Elementwise = Relu | Relu6 | LeakyRelu | HardSwish | Logistic | Tanh | Quantize

Op = (
    Conv2D
    | DepthwiseConv2D
    | FullyConnected
    | TransposeConv
    | Add
    | Sub
    | Mul
    | Mean
    | Pool2D
    | Softmax
    | Elementwise
    | Reshape
    | Concatenation
    | Pad
    | ResizeNearestNeighbor
    | StridedSlice
    | Transpose
)


def renumbered(op: Op, number: Mapping[int, int]) -> Op:
    """The operator with other numbers, old -> new, for its tensors."""
    inputs = tuple(number[t] for t in op.inputs)
    return replace(op, inputs=inputs, outputs=tuple(number[t] for t in op.outputs))
