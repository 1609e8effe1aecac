"""What a model is compiled for: the instructions its kernels may use, and how its weights may be stored."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from mcu_nas.cores import InstructionSet, instruction_set
from mcu_nas.errors import UsageError


class WeightStorage(StrEnum):
    """WIDE: as kernels read them fastest, up to 8 bytes a weight. BYTES: one byte each."""

    WIDE = "wide"
    BYTES = "bytes"


class Loads(StrEnum):
    """How generated kernels load several words: one LDM, the fewest instructions, or LDRDs among the
    multiplications, perhaps the fewest cycles (generators/paired_loads.py)."""

    LDM = "ldm"
    LDRD = "ldrd"


@dataclass(frozen=True, slots=True)
class Target:
    """The kernels that may be chosen, and the form of their loads."""

    instruction_set: InstructionSet = InstructionSet.PORTABLE
    weights: WeightStorage = WeightStorage.BYTES
    loads: Loads = Loads.LDM


PORTABLE = Target()


def targets(core: str, weights: WeightStorage | None = None, loads: Loads = Loads.LDM) -> tuple[Target, ...]:
    """What firmware for a core may be compiled for, the fastest first and what takes the least flash last.

    ``weights``: only those that store weights so.

    Raises:
        UsageError: the core has none that does.
    """
    instructions = instruction_set(core)
    portable = instructions is InstructionSet.PORTABLE
    own = [] if portable else [Target(instructions, storage, loads) for storage in WeightStorage]
    found = tuple(target for target in (*own, PORTABLE) if weights in (None, target.weights))
    if not found:
        raise UsageError(
            f"--weight-storage {weights}: kernels of {core} are portable C, which stores weights as bytes"
        )
    return found
