"""Graph to .tflite: the official FlatBuffer schema, written directly, without TensorFlow or a converter.

The bytes depend on the graph alone. The file runs unchanged in LiteRT, tflite_runtime and TFLite Micro.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from mcu_nas.graph import Graph, Quantization
from mcu_nas.network import Network
from mcu_nas.tflite.attributes import operator_version, write_options
from mcu_nas.tflite.rebuilt_constants import with_constants
from mcu_nas.tflite.schema import (
    DTYPE_CODES,
    FILE_IDENTIFIER,
    IMAGE_INPUT_METADATA,
    LABELS_METADATA,
    SCHEMA_VERSION,
    kind_of,
)

BUFFER_ALIGNMENT = 16  # schema.fbs: Buffer.data (force_align: 16); runtimes use the data where it lies
_SIGNATURE = "serving_default"
_EMPTY_BUFFER = 0  # by convention buffer 0 is empty, and tensors without data refer to it


class _Buffer(schema.BufferT):
    """A buffer packed at BUFFER_ALIGNMENT, which the generated Python code does not honour."""

    def Pack(self, builder: flatbuffers.Builder) -> int:  # noqa: N802 (overrides the generated name)
        if not self.data:
            return super().Pack(builder)
        builder.StartVector(1, len(self.data), BUFFER_ALIGNMENT)
        builder.head -= len(self.data)
        builder.Bytes[builder.head : builder.head + len(self.data)] = self.data
        data = builder.EndVector()
        schema.BufferStart(builder)
        schema.BufferAddData(builder, data)
        return schema.BufferEnd(builder)


def serialize_tflite(graph: Graph, description: str = "mcu_nas") -> bytes:
    """The .tflite file of a graph: one subgraph, signature ``serving_default``; labels and what the
    pixels are as metadata.

    Every operator carries its inputs in TFLite's order; MEAN needs its axes constant. Constants are
    written in their tensor's shape and dtype. Those that operators hold as attributes (rebuilt_constants.py)
    are tensors of the file after the graph's own.
    """
    graph = with_constants(graph)
    network = graph.network
    buffers = [_Buffer()]
    buffer_of: dict[int, int] = {}
    for tensor in sorted(network.constants):
        buffer_of[tensor] = len(buffers)
        buffers.append(_Buffer(data=_little_endian(graph, tensor)))
    metadata = []
    for name, value in _metadata(graph):
        metadata.append(schema.MetadataT(name=name, buffer=len(buffers)))
        buffers.append(_Buffer(data=json.dumps(value, ensure_ascii=False).encode()))

    codes = sorted({(kind_of(op).code, operator_version(graph, op)) for op in network.ops})
    model = schema.ModelT(
        version=SCHEMA_VERSION,
        description=description,
        operatorCodes=[
            # Readers older than schema 3a look only at the deprecated field, which ends at 127.
            schema.OperatorCodeT(deprecatedBuiltinCode=min(code, 127), builtinCode=code, version=version)
            for code, version in codes
        ],
        subgraphs=[_subgraph(graph, codes, buffer_of)],
        buffers=buffers,
        metadata=metadata or None,
        signatureDefs=[_signature(network)],
    )
    builder = flatbuffers.Builder(sum(len(b.data or b"") for b in buffers) + 65536)
    builder.Finish(model.Pack(builder), file_identifier=FILE_IDENTIFIER)
    return bytes(builder.Output())


def _metadata(graph: Graph) -> Iterator[tuple[str, Any]]:
    """Name and JSON value of what a graph says about itself."""
    if graph.labels:
        yield LABELS_METADATA, graph.labels
    if graph.image_input:
        yield IMAGE_INPUT_METADATA, asdict(graph.image_input)


def _little_endian(graph: Graph, tensor: int) -> bytes:
    declared = graph.network.tensors[tensor]
    values = np.asarray(graph.constants[tensor])
    if values.shape != declared.shape or values.dtype != np.dtype(declared.dtype):
        raise ValueError(
            f"constant {declared.name!r} is {values.dtype}{list(values.shape)}, "
            f"its tensor says {declared.dtype}{list(declared.shape)}"
        )
    return values.astype(values.dtype.newbyteorder("<")).tobytes()


def _subgraph(graph: Graph, codes: list[tuple[int, int]], buffer_of: dict[int, int]) -> schema.SubGraphT:
    network = graph.network
    tensors = [
        schema.TensorT(
            name=tensor.name,
            shape=np.array(tensor.shape, np.int32),
            type=DTYPE_CODES[tensor.dtype],
            buffer=buffer_of.get(index, _EMPTY_BUFFER),
            quantization=_quantization(graph.quantization.get(index)),
            hasRank=True,
        )
        for index, tensor in enumerate(network.tensors)
    ]
    operators = [
        schema.OperatorT(
            opcodeIndex=codes.index((kind_of(op).code, operator_version(graph, op))),
            inputs=list(op.inputs),
            outputs=list(op.outputs),
            builtinOptionsType=kind_of(op).options_tag,
            builtinOptions=write_options(network, op),
        )
        for op in network.ops
    ]
    return schema.SubGraphT(
        name="main",
        tensors=tensors,
        inputs=list(network.inputs),
        outputs=list(network.outputs),
        operators=operators,
    )


def _quantization(quantization: Quantization | None) -> schema.QuantizationParametersT | None:
    if quantization is None:
        return None
    return schema.QuantizationParametersT(
        scale=np.array(quantization.scales, np.float32),
        zeroPoint=np.array(quantization.zero_points, np.int64),
        quantizedDimension=quantization.axis,
    )


def _signature(network: Network) -> schema.SignatureDefT:
    def names(tensors: tuple[int, ...]) -> list[schema.TensorMapT]:
        return [schema.TensorMapT(name=network.tensors[t].name, tensorIndex=t) for t in tensors]

    return schema.SignatureDefT(
        signatureKey=_SIGNATURE,
        subgraphIndex=0,
        inputs=names(network.inputs),
        outputs=names(network.outputs),
    )
