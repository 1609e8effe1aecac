"""What a model is compiled for: the instructions its kernels may use, and how its weights may be stored."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from mcu_nas.cores import InstructionSet, instruction_set


class WeightStorage(StrEnum):
    """WIDE: as kernels read them fastest, up to 8 bytes a weight. BYTES: one byte each."""

    WIDE = "wide"
    BYTES = "bytes"


@dataclass(frozen=True, slots=True)
class Target:
    """The kernels that may be chosen."""

    instruction_set: InstructionSet = InstructionSet.PORTABLE
    weights: WeightStorage = WeightStorage.BYTES


PORTABLE = Target()


def targets(core: str) -> tuple[Target, ...]:
    """What firmware for a core may be compiled for, the fastest first and what takes the least flash last."""
    instructions = instruction_set(core)
    if instructions is InstructionSet.PORTABLE:
        return (PORTABLE,)
    return (*(Target(instructions, weights) for weights in WeightStorage), PORTABLE)
