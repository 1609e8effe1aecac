"""Which TFLite operators can be compiled, and what of each, from the reader's and the catalogue's tables."""

from __future__ import annotations

from dataclasses import dataclass, fields

from mcu_nas.compiler.catalogue import KERNELS
from mcu_nas.operators import Activation
from mcu_nas.tflite.interface import BORDER_NOTES
from mcu_nas.tflite.schema import OPERATOR_NAMES, SUPPORTED_KINDS, OperatorKind


@dataclass(frozen=True)
class SupportedOperator:
    """A TFLite operator: the activations that may be fused into it, the kernels that serve it (none where
    it is dropped), and in one line which attributes and tensors are taken.
    """

    name: str
    activations: tuple[str, ...]
    kernels: tuple[str, ...]
    note: str


def supported_operators() -> list[SupportedOperator]:
    """All that the reader takes, sorted by name."""
    rows = [_of_kind(kind) for kind in SUPPORTED_KINDS]
    rows += [SupportedOperator(name, (), (), note) for name, note in BORDER_NOTES.items()]
    return sorted(rows, key=lambda row: row.name)


def _of_kind(kind: OperatorKind) -> SupportedOperator:
    fuses = any(field.name == "activation" for field in fields(kind.op))
    fused = tuple(activation.value for activation in Activation if activation is not Activation.NONE)
    return SupportedOperator(
        name=OPERATOR_NAMES[kind.code],
        activations=fused if fuses else (),
        kernels=tuple(
            kernel.name for kernel in KERNELS if kernel.is_nhwc and issubclass(kind.op, kernel.serves)
        ),
        note=kind.note,
    )
