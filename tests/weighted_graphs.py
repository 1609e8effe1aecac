"""Layers with weights beyond those of GraphMaker: transposed convolutions, rows, layers without bias."""

from __future__ import annotations

import dataclasses

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from mcu_nas.graph import Graph, Quantization
from mcu_nas.network import output_size
from mcu_nas.operators import Activation, FullyConnected, Mean, Padding, TransposeConv
from mcu_nas.tflite.schema import FILE_IDENTIFIER
from mcu_nas.tflite.writer import serialize_tflite
from tests.graphs import GraphMaker


def transpose_conv(
    maker: GraphMaker,
    x: int,
    out: tuple[int, int, int],
    kernel: tuple[int, int],
    stride: tuple[int, int],
    padding: Padding,
    activation: Activation = Activation.NONE,
    per_channel: bool = True,
) -> int:
    """A transposed convolution to an image ``out`` of height, width, channels."""
    shape = maker.constant("shape", np.array([1, *out], np.int32))
    weights = (out[2], *kernel, maker.tensors[x].shape[3])
    y, constants = maker.layer(x, weights, 0, (1, *out), per_channel)
    inputs = (shape, constants[0], x, constants[1])
    maker.ops.append(TransposeConv(inputs, (y,), stride, padding, activation))
    return y


def transposed_size(padding: Padding, size: int, kernel: int, stride: int, extra: int) -> int:
    """One of the output sizes whose convolution gives ``size``; ``extra`` chooses among them."""
    smallest = (size - 1) * stride + (kernel if padding is Padding.VALID else 1)
    result = smallest + extra % stride
    assert output_size(padding, result, kernel, stride) == size
    return result


def rows(maker: GraphMaker, x: int, features: int, per_channel: bool = False) -> int:
    """A fully connected layer of each row of ``x``, with keep_num_dims."""
    *leading, taken = maker.tensors[x].shape
    y, constants = maker.layer(x, (features, taken), 0, (*leading, features), per_channel)
    maker.ops.append(FullyConnected((x, *constants), (y,), keep_num_dims=True))
    return y


def mean_over(maker: GraphMaker, x: int, axes: list[int], keep_dims: bool) -> int:
    """The mean over any axes, written as they are given."""
    shape = maker.tensors[x].shape
    reduced = {axis % len(shape) for axis in axes}
    kept = (1 if axis in reduced else size for axis, size in enumerate(shape))
    left = (size for axis, size in enumerate(shape) if axis not in reduced)
    constant = maker.constant("axes", np.array(axes, np.int32))
    y = maker.activation("mean", tuple(kept if keep_dims else left))
    maker.ops.append(Mean((x, constant), (y,), keep_dims))
    return y


def without_biases(graph: Graph, *, left_out: bool) -> bytes:
    """The graph's .tflite in which each operator's last input, its bias, is absent, or -1 if ``left_out``."""
    model = schema.ModelT.InitFromPackedBuf(serialize_tflite(graph), 0)
    for operator in model.subgraphs[0].operators:
        operator.inputs = [*operator.inputs[:-1], *([-1] * left_out)]
    builder = flatbuffers.Builder(4096)
    builder.Finish(model.Pack(builder), file_identifier=FILE_IDENTIFIER)
    return bytes(builder.Output())


def with_quantization(graph: Graph, changes: dict[int, Quantization]) -> Graph:
    """The graph with some tensors quantized otherwise."""
    return dataclasses.replace(graph, quantization={**graph.quantization, **changes})
