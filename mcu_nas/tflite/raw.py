"""A .tflite file as plain records, decoded from bytes that nobody vouches for.

Here only the FlatBuffer's structure is trusted step by step; what the values mean is checked in
reader.py and checks/. Tables may be shared in a hostile file so that a few bytes describe a huge model;
a budget of decoded elements ends that.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from flatbuffers.table import Table

from mcu_nas.errors import ModelError, UnsupportedError
from mcu_nas.graph import ImageInput
from mcu_nas.tflite.schema import (
    FILE_IDENTIFIER,
    IMAGE_INPUT_METADATA,
    KIND_BY_CODE,
    LABELS_METADATA,
    OPERATOR_NAMES,
)

# What the accessors of the flatbuffers package raise on offsets that lead nowhere.
_DAMAGE = (struct.error, ValueError, TypeError, IndexError, OverflowError, AttributeError)
_LENGTH = struct.Struct("<I")  # of a string, before its bytes
_MAX_RECORDS = 8_192  # tensors, operators: far beyond what any microcontroller runs
_MAX_ELEMENTS = 500_000  # of all lists and names, beside a share of the file; one takes 50 bytes here
_FILE_BYTES_AN_ELEMENT = 64
_MAX_METADATA_BYTES = 1 << 20
_MAX_TEXT = 1000
_IMAGE_INPUT_KEYS = tuple(field.name for field in fields(ImageInput))
_CODE_NAME, _TENSOR_NAME, _METADATA_NAME = 6, 10, 4  # slots of string fields in their tables (schema.fbs)


@dataclass(frozen=True)
class RawTensor:
    """One tensor. ``data`` is a uint8 view of its buffer, or None where it has none."""

    name: str
    shape: tuple[int, ...]
    shape_signature: tuple[int, ...]
    type_code: int
    data: np.ndarray | None
    scales: tuple[float, ...]
    zero_points: tuple[int, ...]
    axis: int
    odd_feature: str  # what this project never reads ("sparsity", ...), or empty


@dataclass(frozen=True)
class RawOperator:
    """One operator; ``options`` is the attribute table, None where missing or of another operator."""

    code: int
    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Any


@dataclass(frozen=True)
class RawModel:
    """The only subgraph of a file, its class names, and what the pixels of its input are."""

    tensors: tuple[RawTensor, ...]
    operators: tuple[RawOperator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    labels: tuple[str, ...]
    image_input: ImageInput | None = None


def decode(data: bytes, name: str) -> RawModel:
    """The records of a .tflite file called ``name`` in messages.

    Raises:
        ModelError: truncated, damaged, not a .tflite.
        UnsupportedError: another schema version, or several subgraphs.
    """
    if len(data) < 8 or data[4:8] != FILE_IDENTIFIER:
        raise ModelError(f"{name}: not a .tflite file: bytes 4 to 7 are not 'TFL3'")
    try:
        return _Decoder(data, name).model()
    except _DAMAGE as error:
        raise ModelError(f"{name}: truncated or damaged: an offset inside the file leads nowhere") from error


class _Decoder:
    def __init__(self, data: bytes, name: str) -> None:
        self._data = data
        self._file = name
        self._root = schema.Model.GetRootAs(data)
        self._budget = _MAX_ELEMENTS + len(data) // _FILE_BYTES_AN_ELEMENT
        self._codes: tuple[tuple[int, str], ...] = ()

    def model(self) -> RawModel:
        if self._root.Version() != 3:
            raise UnsupportedError(
                f"{self._file}: schema version {self._root.Version()}, only 3 is supported"
            )
        subgraphs = self._root.SubgraphsLength()
        if subgraphs != 1:
            raise UnsupportedError(f"{self._file}: {subgraphs} subgraphs, only models with one are supported")
        graph = self._root.Subgraphs(0)
        self._codes = self._records(self._root.OperatorCodesLength(), self._operator_code)
        return RawModel(
            tensors=self._records(graph.TensorsLength(), lambda i: self._tensor(graph.Tensors(i))),
            operators=self._records(graph.OperatorsLength(), lambda i: self._operator(graph.Operators(i))),
            inputs=self._integers(graph.InputsIsNone(), graph.InputsAsNumpy),
            outputs=self._integers(graph.OutputsIsNone(), graph.OutputsAsNumpy),
            labels=self._labels(),
            image_input=self._image_input(),
        )

    def _records(self, count: int, read: Callable[[int], Any]) -> tuple[Any, ...]:
        if count > _MAX_RECORDS:
            raise ModelError(f"{self._file}: truncated or damaged: a list claims {count} entries")
        return tuple(read(index) for index in range(count))

    def _spend(self, elements: int) -> None:
        self._budget -= elements + 8
        if self._budget < 0:
            raise ModelError(f"{self._file}: damaged: its tables overlap each other many times over")

    def _vector(self, is_none: bool, read: Callable[[], Any]) -> list[Any]:
        if is_none:
            return []
        view = read()  # a view of the file: costs nothing until it is converted
        self._spend(len(view))
        return view.tolist()

    def _integers(self, is_none: bool, read: Callable[[], Any]) -> tuple[int, ...]:
        return tuple(self._vector(is_none, read))

    def _text(self, record: Any, slot: int) -> str:
        """A string field of a table; flatbuffers would cut one short that ends beyond the file."""
        table: Table = record._tab
        field = table.Offset(slot)
        if not field:
            return ""
        length = table.Indirect(table.Pos + field)
        (count,) = _LENGTH.unpack_from(self._data, length)
        begin = length + _LENGTH.size
        self._spend(count)
        if begin + count > len(self._data):
            raise ModelError(f"{self._file}: truncated or damaged: a name goes on beyond the file's end")
        return self._data[begin : begin + count].decode("utf-8", errors="replace")

    def _operator_code(self, index: int) -> tuple[int, str]:
        entry = self._root.OperatorCodes(index)
        code = max(entry.BuiltinCode(), entry.DeprecatedBuiltinCode())
        if entry.Version() < 0:  # versions tell nothing that attributes don't, but a file may be cut off here
            raise ModelError(f"{self._file}: damaged: operator code {index} has version {entry.Version()}")
        name = OPERATOR_NAMES.get(code, f"number {code}")
        if name == "CUSTOM":
            name = f"CUSTOM {self._text(entry, _CODE_NAME)!r}"
        return code, name

    def _tensor(self, tensor: Any) -> RawTensor:
        quantization = tensor.Quantization()
        scales: tuple[float, ...] = ()
        zero_points: tuple[int, ...] = ()
        axis = 0
        if quantization is not None:
            scales = tuple(self._vector(quantization.ScaleIsNone(), quantization.ScaleAsNumpy))
            zero_points = self._integers(quantization.ZeroPointIsNone(), quantization.ZeroPointAsNumpy)
            axis = quantization.QuantizedDimension()
        odd = ""
        if tensor.IsVariable():
            odd = "a variable"
        elif tensor.Sparsity() is not None:
            odd = "sparse"
        elif quantization is not None and quantization.DetailsType() != 0:
            odd = "quantized in a custom, blockwise or multi-axis way"
        elif tensor.ExternalBuffer() != 0:
            odd = "stored in an external file"
        return RawTensor(
            self._text(tensor, _TENSOR_NAME),
            self._integers(tensor.ShapeIsNone(), tensor.ShapeAsNumpy),
            self._integers(tensor.ShapeSignatureIsNone(), tensor.ShapeSignatureAsNumpy),
            tensor.Type(),
            self._buffer(tensor.Buffer()),
            scales,
            zero_points,
            axis,
            odd,
        )

    def _buffer(self, index: int) -> np.ndarray | None:
        if not 0 <= index < self._root.BuffersLength():
            raise ModelError(f"{self._file}: damaged: buffer {index} does not exist")
        self._spend(0)
        buffer = self._root.Buffers(index)
        if buffer.Offset() > 1 or buffer.Size() > 1:
            raise UnsupportedError(f"{self._file}: buffer {index} lies outside the FlatBuffer: not supported")
        if buffer.DataIsNone() or buffer.DataLength() == 0:
            return None
        return buffer.DataAsNumpy()

    def _operator(self, operator: Any) -> RawOperator:
        index = operator.OpcodeIndex()
        if not 0 <= index < len(self._codes):
            raise ModelError(f"{self._file}: damaged: operator code {index} does not exist")
        code, name = self._codes[index]
        return RawOperator(
            code,
            name,
            self._integers(operator.InputsIsNone(), operator.InputsAsNumpy),
            self._integers(operator.OutputsIsNone(), operator.OutputsAsNumpy),
            self._options(code, operator),
        )

    def _options(self, code: int, operator: Any) -> Any:
        kind = KIND_BY_CODE.get(code)
        table: Table | None = operator.BuiltinOptions()
        if kind is None or kind.options is None or table is None:
            return None
        if operator.BuiltinOptionsType() != kind.options_tag:
            return None
        self._spend(0)
        return kind.options.InitFromBuf(table.Bytes, table.Pos)  # type: ignore[attr-defined]

    def _labels(self) -> tuple[str, ...]:
        labels = self._metadata(LABELS_METADATA, absent=[])
        if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
            raise ModelError(f"{self._file}: metadata '{LABELS_METADATA}' is not a JSON list of class names")
        return tuple(labels)

    def _image_input(self) -> ImageInput | None:
        found = self._metadata(IMAGE_INPUT_METADATA, absent=None)
        if found is None:
            return None
        texts = [found.get(key) for key in _IMAGE_INPUT_KEYS] if isinstance(found, dict) else [None]
        if not all(isinstance(text, str) and len(text) <= _MAX_TEXT for text in texts):
            raise ModelError(
                f"{self._file}: metadata '{IMAGE_INPUT_METADATA}' is not a JSON object with short texts for"
                f" {' and '.join(_IMAGE_INPUT_KEYS)}"
            )
        return ImageInput(*texts)

    def _metadata(self, name: str, absent: Any) -> Any:
        """The JSON value of what the file calls ``name``; ``absent`` where there is none, NaN where it is no
        JSON.
        """
        for index in range(min(self._root.MetadataLength(), _MAX_RECORDS)):
            entry = self._root.Metadata(index)
            if self._text(entry, _METADATA_NAME) != name:
                continue
            buffer = self._buffer(entry.Buffer())
            if buffer is None:
                return absent
            if len(buffer) > _MAX_METADATA_BYTES:
                raise ModelError(f"{self._file}: metadata '{name}' is larger than 1 MiB")
            try:
                return json.loads(bytes(buffer).decode())
            except (ValueError, RecursionError):
                return math.nan
        return absent
