"""Operators that move values, for GraphMaker, and .tflite files of them as a converter would write them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from mcu_nas.operators import Concatenation, Pad, ResizeNearestNeighbor, StridedSlice, Transpose
from tests.graphs import GraphMaker

Shape = tuple[int, ...]


def concatenation(maker: GraphMaker, inputs: Sequence[int], axis: int) -> int:
    """The inputs, which share a quantization, joined along an axis."""
    shape = list(maker.tensors[inputs[0]].shape)
    shape[axis] = sum(maker.tensors[tensor].shape[axis] for tensor in inputs)
    out = maker.activation(f"joined{len(maker.ops)}", tuple(shape), like=inputs[0])
    maker.ops.append(Concatenation(tuple(inputs), (out,), axis))
    return out


def constant_like(maker: GraphMaker, x: int, shape: Shape, seed: int = 0) -> int:
    """An int8 constant with the quantization of ``x``."""
    values = np.random.default_rng(seed).integers(-128, 128, shape, dtype=np.int8)
    constant = maker.constant(f"constant{seed}", values)
    maker.quantization[constant] = maker.quantization[x]
    return constant


def pad(maker: GraphMaker, x: int, amounts: Sequence[tuple[int, int]], value: int | None = None) -> int:
    """``x`` with (before, after) values around each axis."""
    sizes = zip(maker.tensors[x].shape, amounts, strict=True)
    shape = tuple(before + size + after for size, (before, after) in sizes)
    out = maker.activation(f"padded{len(maker.ops)}", shape, like=x)
    maker.ops.append(Pad((x,), (out,), tuple(amounts), value))
    return out


def resize(
    maker: GraphMaker, x: int, size: tuple[int, int], corners: bool = False, half: bool = False
) -> int:
    """``x`` resized to height and width."""
    shape = (1, *size, maker.tensors[x].shape[3])
    out = maker.activation(f"resized{len(maker.ops)}", shape, like=x)
    maker.ops.append(ResizeNearestNeighbor((x,), (out,), corners, half))
    return out


def transpose(maker: GraphMaker, x: int, permutation: Sequence[int]) -> int:
    """``x`` with its axes in another order."""
    shape = tuple(maker.tensors[x].shape[axis] for axis in permutation)
    out = maker.activation(f"transposed{len(maker.ops)}", shape, like=x)
    maker.ops.append(Transpose((x,), (out,), tuple(permutation)))
    return out


def part(maker: GraphMaker, x: int, begin: Shape, shape: Shape, step: Shape | None = None) -> int:
    """The part of ``x`` that begins at ``begin``; without axes whose step is 0."""
    out = maker.activation(f"part{len(maker.ops)}", shape, like=x)
    maker.ops.append(StridedSlice((x,), (out,), begin, step or (1,) * len(begin)))
    return out


@dataclass
class FileMaker:
    """A .tflite file of operators on one int8 input, whose results are all outputs of the model."""

    shape: Shape
    scale: float = 0.1
    zero_point: int = -7
    _tensors: list[schema.TensorT] = field(default_factory=list)
    _buffers: list[schema.BufferT] = field(default_factory=lambda: [schema.BufferT()])
    _operators: list[schema.OperatorT] = field(default_factory=list)
    _codes: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._tensor("pixels", self.shape, schema.TensorType.INT8)

    def operator(self, name: str, inputs: Sequence[Any], outputs: Sequence[Shape], **options: Any) -> None:
        """An operator by TFLite's name. inputs: "x" for the model's input, else an int32 constant."""
        code = getattr(schema.BuiltinOperator, name)
        table = "".join(word.capitalize() for word in name.split("_")).replace("Padv2", "PadV2") + "Options"
        attributes = getattr(schema, table + "T")()
        for option, value in options.items():
            setattr(attributes, option, value)
        numbers = [
            0 if isinstance(value, str) else self._constant(f"{name}.{number}", value)
            for number, value in enumerate(inputs)
        ]
        results = [
            self._tensor(f"{name}.{len(self._operators)}.{number}", shape, schema.TensorType.INT8)
            for number, shape in enumerate(outputs)
        ]
        if code not in self._codes:
            self._codes.append(code)
        self._operators.append(
            schema.OperatorT(
                opcodeIndex=self._codes.index(code),
                inputs=numbers,
                outputs=results,
                builtinOptionsType=getattr(schema.BuiltinOptions, table),
                builtinOptions=attributes,
            )
        )

    def file(self) -> bytes:
        """The bytes of the file."""
        outputs = [number for operator in self._operators for number in operator.outputs]
        graph = schema.SubGraphT(
            tensors=self._tensors, inputs=[0], outputs=outputs, operators=self._operators
        )
        codes = [
            schema.OperatorCodeT(deprecatedBuiltinCode=min(code, 127), builtinCode=code, version=2)
            for code in self._codes
        ]
        model = schema.ModelT(version=3, operatorCodes=codes, subgraphs=[graph], buffers=self._buffers)
        builder = flatbuffers.Builder()
        builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
        return bytes(builder.Output())

    def _constant(self, name: str, value: Any) -> int:
        values = np.asarray(value)
        if values.dtype != np.int8:
            values = values.astype(np.int32)
        dtype = schema.TensorType.INT8 if values.dtype == np.int8 else schema.TensorType.INT32
        self._buffers.append(schema.BufferT(data=np.frombuffer(values.tobytes(), np.uint8)))
        return self._tensor(name, values.shape, dtype, len(self._buffers) - 1)

    def _tensor(self, name: str, shape: Shape, dtype: int, buffer: int = 0) -> int:
        quantization = schema.QuantizationParametersT(
            scale=np.array([self.scale], np.float32), zeroPoint=np.array([self.zero_point], np.int64)
        )
        self._tensors.append(
            schema.TensorT(
                name=name,
                shape=np.array(shape, np.int32),
                type=dtype,
                buffer=buffer,
                quantization=quantization if dtype == schema.TensorType.INT8 else None,
                hasRank=True,
            )
        )
        return len(self._tensors) - 1
