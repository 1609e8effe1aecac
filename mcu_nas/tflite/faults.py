"""Where in a model file something is wrong, and the one line that says so."""

from __future__ import annotations

from dataclasses import dataclass

from mcu_nas.errors import ModelError, UnsupportedError
from mcu_nas.tflite.raw import RawModel


@dataclass(frozen=True, slots=True)
class Place:
    """An operator of a file; as text ``kws.tflite: op 14 TOPK_V2 (output 'top')``."""

    file: str
    index: int
    operator: str
    output: str

    @classmethod
    def of(cls, file: str, raw: RawModel, index: int) -> Place:
        """The place of operator number ``index``; its output may be missing in a damaged file."""
        operator = raw.operators[index]
        output = "?"
        if operator.outputs and 0 <= operator.outputs[0] < len(raw.tensors):
            output = raw.tensors[operator.outputs[0]].name
        return cls(file, index, operator.name, output)

    def __str__(self) -> str:
        return f"{self.file}: op {self.index} {self.operator} (output {self.output!r})"

    def error(self, fault: str) -> ModelError:
        """The file contradicts itself or the specification here."""
        return ModelError(f"{self}: {fault}")

    def unsupported(self, fault: str) -> UnsupportedError:
        """The file is sound here, but this version cannot compile it."""
        return UnsupportedError(f"{self}: {fault}: not supported")
