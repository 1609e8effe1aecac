"""The words of the .tflite schema that reader and writer share: operators, padding, activations, types."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ai_edge_litert import schema_py_generated as schema

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

FILE_IDENTIFIER = b"TFL3"
SCHEMA_VERSION = 3
LABELS_METADATA = "mcu_nas.labels"  # a buffer of UTF-8 JSON: the list of class names
IMAGE_INPUT_METADATA = "mcu_nas.image_input"  # likewise: an object, the fields of graph.ImageInput


@dataclass(frozen=True, slots=True)
class OperatorKind:
    """An operator of operators.py, its builtin code, and the table and union tag of its attributes.

    ``options`` is None for an operator without attributes.
    ``note``: what of the operator is compiled, in one line of `mcu-nas compile --ops`.
    """

    op: type[Op]
    code: int
    options: type | None
    options_tag: int
    note: str = ""


_CODES, _TAGS = schema.BuiltinOperator, schema.BuiltinOptions
_BINARY = "of up to 4 dimensions, broadcasting; one operand may be a constant"

OPERATOR_KINDS = (
    OperatorKind(
        Conv2D,
        _CODES.CONV_2D,
        schema.Conv2DOptionsT,
        _TAGS.Conv2DOptions,
        "any window, stride, dilation; SAME or VALID; weights per channel or tensor; no groups",
    ),
    OperatorKind(
        DepthwiseConv2D,
        _CODES.DEPTHWISE_CONV_2D,
        schema.DepthwiseConv2DOptionsT,
        _TAGS.DepthwiseConv2DOptions,
        "any window, stride, dilation, channel multiplier; SAME or VALID; weights per channel or tensor",
    ),
    OperatorKind(
        FullyConnected,
        _CODES.FULLY_CONNECTED,
        schema.FullyConnectedOptionsT,
        _TAGS.FullyConnectedOptions,
        "one row, or a row for each position with keep_num_dims; weights per channel or tensor",
    ),
    OperatorKind(
        TransposeConv,
        _CODES.TRANSPOSE_CONV,
        schema.TransposeConvOptionsT,
        _TAGS.TransposeConvOptions,
        "any window and stride; SAME or VALID; constant output shape; weights per channel or tensor",
    ),
    OperatorKind(Add, _CODES.ADD, schema.AddOptionsT, _TAGS.AddOptions, _BINARY),
    OperatorKind(Sub, _CODES.SUB, schema.SubOptionsT, _TAGS.SubOptions, _BINARY),
    OperatorKind(Mul, _CODES.MUL, schema.MulOptionsT, _TAGS.MulOptions, _BINARY),
    OperatorKind(Relu, _CODES.RELU, None, _TAGS.NONE, "any scales and zero points"),
    OperatorKind(Relu6, _CODES.RELU6, None, _TAGS.NONE, "any scales and zero points"),
    OperatorKind(
        LeakyRelu, _CODES.LEAKY_RELU, schema.LeakyReluOptionsT, _TAGS.LeakyReluOptions, "alpha 0 or more"
    ),
    OperatorKind(
        HardSwish,
        _CODES.HARD_SWISH,
        schema.HardSwishOptionsT,
        _TAGS.HardSwishOptions,
        "any scales and zero points",
    ),
    OperatorKind(Logistic, _CODES.LOGISTIC, None, _TAGS.NONE, "output scale 1/256, zero point -128"),
    OperatorKind(Tanh, _CODES.TANH, None, _TAGS.NONE, "output scale 1/128, zero point 0"),
    OperatorKind(
        Quantize,
        _CODES.QUANTIZE,
        schema.QuantizeOptionsT,
        _TAGS.QuantizeOptions,
        "int8 to another scale; from a float32 or uint8 input of the model, to a uint8 output",
    ),
    OperatorKind(
        Mean,
        _CODES.MEAN,
        schema.ReducerOptionsT,
        _TAGS.ReducerOptions,
        "over neighbouring axes among height, width and channels",
    ),
    OperatorKind(
        AveragePool2D,
        _CODES.AVERAGE_POOL_2D,
        schema.Pool2DOptionsT,
        _TAGS.Pool2DOptions,
        "any window and stride; SAME or VALID",
    ),
    OperatorKind(
        MaxPool2D,
        _CODES.MAX_POOL_2D,
        schema.Pool2DOptionsT,
        _TAGS.Pool2DOptions,
        "any window and stride; SAME or VALID",
    ),
    OperatorKind(
        Reshape,
        _CODES.RESHAPE,
        schema.ReshapeOptionsT,
        _TAGS.ReshapeOptions,
        "a constant shape of 2 to 4 dimensions; runs nothing where its input dies",
    ),
    OperatorKind(
        Softmax,
        _CODES.SOFTMAX,
        schema.SoftmaxOptionsT,
        _TAGS.SoftmaxOptions,
        "along the last axis, up to 4,095 values; beta 1",
    ),
    OperatorKind(
        Concatenation,
        _CODES.CONCATENATION,
        schema.ConcatenationOptionsT,
        _TAGS.ConcatenationOptions,
        "2 to 16 inputs of one scale and zero point, constants among them; any axis but the batch",
    ),
    OperatorKind(Pad, _CODES.PAD, schema.PadOptionsT, _TAGS.PadOptions, "constant amounts, none of batches"),
    OperatorKind(
        ResizeNearestNeighbor,
        _CODES.RESIZE_NEAREST_NEIGHBOR,
        schema.ResizeNearestNeighborOptionsT,
        _TAGS.ResizeNearestNeighborOptions,
        "constant size; align_corners and half_pixel_centers as the file has them",
    ),
    OperatorKind(
        StridedSlice,
        _CODES.STRIDED_SLICE,
        schema.StridedSliceOptionsT,
        _TAGS.StridedSliceOptions,
        "constant begin, end and strides, negative ones too; all masks but ellipsis and new_axis",
    ),
    OperatorKind(
        Transpose,
        _CODES.TRANSPOSE,
        schema.TransposeOptionsT,
        _TAGS.TransposeOptions,
        "any constant permutation that leaves a batch of 1",
    ),
)

# Operators that the reader turns into one of the above; the writer writes what they became.
REWRITTEN_KINDS = (
    OperatorKind(Reshape, _CODES.SQUEEZE, schema.SqueezeOptionsT, _TAGS.SqueezeOptions, "becomes a RESHAPE"),
    OperatorKind(
        Reshape,
        _CODES.EXPAND_DIMS,
        schema.ExpandDimsOptionsT,
        _TAGS.ExpandDimsOptions,
        "becomes a RESHAPE",
    ),
    OperatorKind(
        StridedSlice, _CODES.SPLIT, schema.SplitOptionsT, _TAGS.SplitOptions, "a STRIDED_SLICE each part"
    ),
    OperatorKind(
        StridedSlice,
        _CODES.SPLIT_V,
        schema.SplitVOptionsT,
        _TAGS.SplitVOptions,
        "constant sizes; a STRIDED_SLICE each part",
    ),
    OperatorKind(
        StridedSlice,
        _CODES.SLICE,
        schema.SliceOptionsT,
        _TAGS.SliceOptions,
        "constant begin and size; becomes a STRIDED_SLICE",
    ),
)
PAD_WITH_VALUE = OperatorKind(
    Pad, _CODES.PADV2, schema.PadV2OptionsT, _TAGS.PadV2Options, "constant amounts and value"
)

SUPPORTED_KINDS = (*OPERATOR_KINDS, PAD_WITH_VALUE, *REWRITTEN_KINDS)
KIND_BY_CODE: Mapping[int, OperatorKind] = {kind.code: kind for kind in SUPPORTED_KINDS}
KIND_BY_OP: Mapping[type, OperatorKind] = {kind.op: kind for kind in OPERATOR_KINDS}


def kind_of(op: Op) -> OperatorKind:
    """The kind that an operator is written as."""
    return PAD_WITH_VALUE if isinstance(op, Pad) and op.value is not None else KIND_BY_OP[type(op)]


# Axis of the output channels, along which weights are quantized (TFLite int8 specification).
CHANNEL_AXIS: Mapping[type, int] = {Conv2D: 0, DepthwiseConv2D: 3, FullyConnected: 0, TransposeConv: 0}

PADDING_CODES: Mapping[Padding, int] = {
    Padding.SAME: schema.Padding.SAME,
    Padding.VALID: schema.Padding.VALID,
}
ACTIVATION_CODES: Mapping[Activation, int] = {
    Activation.NONE: schema.ActivationFunctionType.NONE,
    Activation.RELU: schema.ActivationFunctionType.RELU,
    Activation.RELU6: schema.ActivationFunctionType.RELU6,
}
DTYPE_CODES: Mapping[str, int] = {
    "int8": schema.TensorType.INT8,
    "uint8": schema.TensorType.UINT8,
    "int32": schema.TensorType.INT32,
    "float32": schema.TensorType.FLOAT32,
}


def _names(enumeration: type) -> dict[int, str]:
    return {code: name for name, code in vars(enumeration).items() if isinstance(code, int)}


OPERATOR_NAMES: Mapping[int, str] = _names(schema.BuiltinOperator)
SUPPORTED_OPERATORS = tuple(OPERATOR_NAMES[kind.code] for kind in SUPPORTED_KINDS)
DTYPE_NAMES: Mapping[int, str] = {code: name.lower() for code, name in _names(schema.TensorType).items()}
ACTIVATION_NAMES: Mapping[int, str] = _names(schema.ActivationFunctionType)
