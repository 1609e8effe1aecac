"""The check of any operator: one function for each kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from mcu_nas.graph import Graph
from mcu_nas.operators import (
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
from mcu_nas.tflite.checks import elementwise, movement, pooling, weighted
from mcu_nas.tflite.checks.check import Check
from mcu_nas.tflite.faults import Place

CHECKS: Mapping[type[Op], Callable[[Check, Any], None]] = {
    Conv2D: weighted.convolution,
    DepthwiseConv2D: weighted.convolution,
    FullyConnected: weighted.fully_connected,
    TransposeConv: weighted.transpose_convolution,
    Add: elementwise.binary,
    Sub: elementwise.binary,
    Mul: elementwise.binary,
    Relu: elementwise.unary,
    Relu6: elementwise.unary,
    LeakyRelu: elementwise.unary,
    HardSwish: elementwise.unary,
    Logistic: elementwise.logistic,
    Tanh: elementwise.tanh,
    Quantize: elementwise.unary,
    Softmax: elementwise.softmax,
    Mean: pooling.mean,
    AveragePool2D: pooling.pool,
    MaxPool2D: pooling.pool,
    Reshape: movement.reshape,
    Concatenation: movement.concatenation,
    Pad: movement.moved,
    ResizeNearestNeighbor: movement.resize,
    StridedSlice: movement.moved,
    Transpose: movement.moved,
}


def check_operator(graph: Graph, op: Op, place: Place) -> None:
    """Check one operator of a graph whose tensors exist and are written in order.

    Raises:
        ModelError: shapes or quantization contradict the TFLite int8 specification.
        UnsupportedError: they are sound, but this version cannot compile them.
    """
    CHECKS[type(op)](Check(graph, op, place), op)
