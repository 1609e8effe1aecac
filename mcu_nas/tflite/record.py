"""An operator of a .tflite file while it is read: tensors, attributes, constants, each with its error."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mcu_nas.network import shown
from mcu_nas.tflite.faults import Place
from mcu_nas.tflite.raw import RawModel, RawOperator
from mcu_nas.tflite.schema import DTYPE_NAMES

_MAX_RANK = 4
_TYPES: dict[str, np.dtype] = {"int8": np.dtype("<i1"), "int32": np.dtype("<i4")}


@dataclass(frozen=True)
class Record:
    """An operator of a file on its way to operators, and the file's tensors, whose numbers exist."""

    raw: RawOperator
    place: Place
    model: RawModel

    @property
    def options(self) -> Any:
        """The attribute table, which must be there."""
        if self.raw.options is None:
            raise self.place.error("its attributes are missing or belong to another operator")
        return self.raw.options

    def takes(self, inputs: int, outputs: int | None = 1) -> None:
        """The operator has that many tensors; any number of outputs but none where None."""
        found = len(self.raw.inputs), len(self.raw.outputs)
        if found[0] != inputs or not found[1] or (outputs is not None and found[1] != outputs):
            expected = f"{inputs} and {outputs or 'at least 1'}"
            raise self.place.unsupported(f"has {found[0]} inputs and {found[1]} outputs, not {expected}")

    def shape(self, tensor: int) -> tuple[int, ...]:
        """A tensor's shape, of sizes above 0."""
        found = self.model.tensors[tensor]
        if not found.shape or min(found.shape) < 1 or len(found.shape) > _MAX_RANK:
            raise self.place.unsupported(f"tensor {found.name!r} has shape {list(found.shape)}")
        return found.shape

    def integers(self, position: int, role: str, count: int, dtype: str = "int32") -> list[int]:
        """The ``count`` values of a constant among the inputs."""
        found = self.model.tensors[self.raw.inputs[position]]
        if found.data is None:
            raise self.place.unsupported(f"its {role} {found.name!r} is no constant")
        if (named := DTYPE_NAMES.get(found.type_code, f"type number {found.type_code}")) != dtype:
            raise self.place.unsupported(f"its {role} {found.name!r} is {named}, not {dtype}")
        if len(found.data) != count * _TYPES[dtype].itemsize:
            raise self.place.error(
                f"its {role} {found.name!r} has {len(found.data)} bytes for {count} values"
            )
        values: list[int] = found.data.view(_TYPES[dtype]).tolist()
        return values

    def axis(self, value: int, rank: int) -> int:
        """An axis counted from the front."""
        if not -rank <= value < rank:
            raise self.place.error(f"has axis {value} of {rank}")
        return value % rank

    def states(self, tensor: int, expected: Sequence[int]) -> None:
        """The file states this shape for an output."""
        stated = self.model.tensors[tensor].shape
        if stated != tuple(expected):
            raise self.place.error(f"its output is {shown(stated)}, should be {shown(expected)}")
