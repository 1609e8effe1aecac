"""Operators of network.py to the attribute tables and versions of a .tflite file; operators.py reads them."""

from __future__ import annotations

import numpy as np

from mcu_nas.graph import Graph
from mcu_nas.network import Network
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
    MaxPool2D,
    Mean,
    Mul,
    Op,
    Pool2D,
    Quantize,
    Reshape,
    ResizeNearestNeighbor,
    Softmax,
    StridedSlice,
    Sub,
    TransposeConv,
)
from mcu_nas.tflite.schema import ACTIVATION_CODES, PADDING_CODES, kind_of


def write_options(network: Network, op: Op) -> object:
    """The attribute table of an operator; None where it has none.

    Raises:
        ValueError: a convolution with explicit padding, which a pass made and no .tflite can say.
    """
    if isinstance(op, Conv2D | DepthwiseConv2D) and op.pads is not None:
        raise ValueError(f"{op.tflite_name} is padded by {op.pads}: a .tflite knows SAME and VALID only")
    table = kind_of(op).options
    if table is None:
        return None
    options = table()
    if isinstance(op, Conv2D | DepthwiseConv2D | TransposeConv | Pool2D):
        options.padding = PADDING_CODES[op.padding]
        options.strideH, options.strideW = op.stride
    if isinstance(op, Conv2D | DepthwiseConv2D):
        options.dilationHFactor, options.dilationWFactor = op.dilation
    if isinstance(op, Conv2D | DepthwiseConv2D | TransposeConv | Pool2D | FullyConnected | Add | Sub | Mul):
        options.fusedActivationFunction = ACTIVATION_CODES[op.activation]
    match op:
        case DepthwiseConv2D():
            options.depthMultiplier = network.shape(op.inputs[1])[3] // network.shape(op.inputs[0])[3]
        case AveragePool2D() | MaxPool2D():
            options.filterHeight, options.filterWidth = op.window
        case FullyConnected():
            options.keepNumDims = op.keep_num_dims
        case LeakyRelu():
            options.alpha = op.alpha
        case Mean():
            options.keepDims = op.keep_dims
        case Reshape():
            options.newShape = np.array(network.shape(op.outputs[0]), np.int32)
        case Softmax():
            options.beta = 1.0
        case Concatenation():
            options.axis = op.axis
        case ResizeNearestNeighbor():
            options.alignCorners = op.align_corners
            options.halfPixelCenters = op.half_pixel_centers
        case StridedSlice():
            options.shrinkAxisMask = sum(1 << axis for axis, step in enumerate(op.step) if step == 0)
    return options


def operator_version(graph: Graph, op: Op) -> int:
    """The version of an int8 operator, as lite/tools/versioning/op_version.cc in TensorFlow counts."""
    match op:
        case Conv2D() | DepthwiseConv2D():
            return 3
        case FullyConnected():
            return 12 if len(graph.quantization[op.inputs[1]].scales) > 1 else 4 + op.keep_num_dims
        case TransposeConv():
            return 3 if op.activation is Activation.NONE else 4
        case Reshape() | LeakyRelu() | HardSwish() | Quantize():
            return 1
        case ResizeNearestNeighbor():
            return 3 if op.align_corners or op.half_pixel_centers else 2
        case Mul():
            a, b, output = (np.float32(graph.quantization[t].scale) for t in op.inputs + op.outputs)
            return 3 if a * b / output >= 1 else 2
        case _:
            return 2
