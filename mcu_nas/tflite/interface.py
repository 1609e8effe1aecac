"""A model's outer interface, as converters write it, brought to int8: the one place where other types are
accepted.

- A float32 input that only a QUANTIZE reads, and a float32 output that a DEQUANTIZE writes, are dropped with
  that operator. The int8 tensor is the interface; its scale and zero point stand in the generated header.
- A uint8 input that only QUANTIZEs read, and a uint8 output that a QUANTIZE writes, become int8 with the zero
  point less 128, which are the same bytes XOR 0x80. A QUANTIZE that then changes nothing is dropped, too;
  any other is one from int8 to int8.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from mcu_nas.tflite.raw import RawModel, RawOperator
from mcu_nas.tflite.schema import DTYPE_CODES

# What is taken at the border and nowhere else.
BORDER_NOTES = {"DEQUANTIZE": "to a float32 output of the model: dropped, the output is int8"}

_INT8, _UINT8, _FLOAT32 = (DTYPE_CODES[dtype] for dtype in ("int8", "uint8", "float32"))
_UINT8_OFFSET = 128
_NARROWS = {"DEQUANTIZE": _FLOAT32, "QUANTIZE": _UINT8}  # what may write an output of which type


@dataclass(frozen=True)
class Interface:
    """A model whose border is int8 where it could be made so.

    ``numbers``: which operators of the file are left. ``uint8_inputs``, ``uint8_outputs``: which of the
    model's inputs and outputs, by position, are uint8 in the file.
    """

    raw: RawModel
    numbers: tuple[int, ...]
    uint8_inputs: frozenset[int]
    uint8_outputs: frozenset[int]


def int8_interface(raw: RawModel) -> Interface:
    """The model of a file, of which nothing is checked yet; what does not fit stays as it is."""
    border = _Border(raw)
    inputs = [border.input(tensor) for tensor in raw.inputs]
    outputs = [border.output(tensor) for tensor in raw.outputs]
    if len(border.dropped) == len(raw.operators):
        everything = tuple(range(len(raw.operators)))
        return Interface(raw, everything, frozenset(), frozenset())
    numbers = tuple(i for i in range(len(raw.operators)) if i not in border.dropped)
    return Interface(
        replace(
            raw,
            tensors=tuple(border.tensors),
            operators=tuple(border.renamed(raw.operators[i]) for i in numbers),
            inputs=tuple(inputs),
            outputs=tuple(border.same_as.get(tensor, tensor) for tensor in outputs),
        ),
        numbers,
        frozenset(i for i, tensor in enumerate(raw.inputs) if tensor in border.converted),
        frozenset(i for i, tensor in enumerate(raw.outputs) if tensor in border.converted),
    )


class _Border:
    """What is changed so far: tensors made int8, operators dropped, tensors that are another one's values."""

    def __init__(self, raw: RawModel) -> None:
        self._raw = raw
        self.tensors = list(raw.tensors)
        self.converted: set[int] = set()
        self.dropped: set[int] = set()
        self.same_as: dict[int, int] = {}
        self._readers = _operators_by_tensor(operator.inputs for operator in raw.operators)
        self._writers = _operators_by_tensor(operator.outputs for operator in raw.operators)

    def input(self, tensor: int) -> int:
        """The tensor that stands for a model's input."""
        readers = self._readers.get(tensor, [])
        if not readers or not all(self._converts(number, "QUANTIZE") for number in readers):
            return tensor
        results = [self._raw.operators[number].outputs[0] for number in readers]
        if any(self._raw.tensors[result].type_code != _INT8 for result in results):
            return tensor
        kind = self._raw.tensors[tensor].type_code
        if kind == _FLOAT32 and len(readers) == 1:
            self.dropped.add(readers[0])
            return results[0]
        if kind == _UINT8:
            self._make_int8(tensor)
            for number, result in zip(readers, results, strict=True):
                if self._equal(tensor, result) and result not in self._raw.outputs:
                    self.dropped.add(number)
                    self.same_as[result] = tensor
        return tensor

    def output(self, tensor: int) -> int:
        """The tensor that stands for a model's output."""
        writers = self._writers.get(tensor, [])
        if len(writers) != 1 or tensor in self._readers:
            return tensor
        (number,) = writers
        name = self._raw.operators[number].name
        if name not in _NARROWS or not self._converts(number, name):
            return tensor
        kind = self._raw.tensors[tensor].type_code
        (source,) = self._raw.operators[number].inputs
        if kind != _NARROWS[name] or number in self.dropped:
            return tensor
        if self.tensors[source].type_code != _INT8 or self.tensors[source].data is not None:
            return tensor
        if kind == _FLOAT32:
            self.dropped.add(number)
            return source
        self._make_int8(tensor)
        if self._equal(source, tensor) and source not in self._raw.outputs:
            self.dropped.add(number)
            return source
        return tensor

    def renamed(self, operator: RawOperator) -> RawOperator:
        """An operator that reads what its dropped producers read."""
        return replace(operator, inputs=tuple(self.same_as.get(t, t) for t in operator.inputs))

    def _converts(self, number: int, name: str) -> bool:
        """Whether an operator is one of that name, from one existing tensor to another."""
        operator = self._raw.operators[number]
        tensors = operator.inputs + operator.outputs
        exist = all(0 <= tensor < len(self._raw.tensors) for tensor in tensors)
        return operator.name == name and len(operator.inputs) == len(operator.outputs) == 1 and exist

    def _make_int8(self, tensor: int) -> None:
        old = self._raw.tensors[tensor]
        zero_points = tuple(zero_point - _UINT8_OFFSET for zero_point in old.zero_points)
        self.tensors[tensor] = replace(old, type_code=_INT8, zero_points=zero_points)
        self.converted.add(tensor)

    def _equal(self, a: int, b: int) -> bool:
        """Whether two tensors hold the same values: same shape, scale and zero point."""
        first, second = self.tensors[a], self.tensors[b]
        return (first.shape, first.scales, first.zero_points) == (
            second.shape,
            second.scales,
            second.zero_points,
        )


def _operators_by_tensor(lists: Iterable[tuple[int, ...]]) -> dict[int, list[int]]:
    """The numbers of the operators in whose list each tensor is."""
    users: dict[int, list[int]] = {}
    for number, tensors in enumerate(lists):
        for tensor in set(tensors):
            users.setdefault(tensor, []).append(number)
    return users
