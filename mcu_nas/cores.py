"""Processor cores that firmware can be built for: compiler flags, and which instructions there are."""

from __future__ import annotations

from enum import StrEnum

# Floats are never used on the device, so the soft ABI leaves the FPU switched off. Helium's vectors lie in
# the FPU's registers: its intrinsics want the hard ABI, and +nofp leaves the float instructions out.
CORE_FLAGS = {
    "cortex-m0": ("-mcpu=cortex-m0", "-mthumb"),
    "cortex-m0plus": ("-mcpu=cortex-m0plus", "-mthumb"),
    "cortex-m3": ("-mcpu=cortex-m3", "-mthumb"),
    "cortex-m33": ("-mcpu=cortex-m33", "-mthumb", "-mfloat-abi=soft"),
    "cortex-m4": ("-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=soft"),
    "cortex-m7": ("-mcpu=cortex-m7", "-mthumb", "-mfloat-abi=soft"),
    "cortex-m55": ("-mcpu=cortex-m55+nofp", "-mthumb", "-mfloat-abi=hard"),
}


class InstructionSet(StrEnum):
    """What kernels may be made of: C for any computer, or a core's assembly or intrinsics besides."""

    PORTABLE = "portable"
    ARMV7E_M = "armv7e-m"
    MVE = "mve"


# Armv8-M's DSP extension, which a Cortex-M33 here must have, holds all that the kernels for ARMv7E-M use.
_INSTRUCTION_SETS = {
    "cortex-m33": InstructionSet.ARMV7E_M,
    "cortex-m4": InstructionSet.ARMV7E_M,
    "cortex-m7": InstructionSet.ARMV7E_M,
    "cortex-m55": InstructionSet.MVE,
}


def instruction_set(core: str) -> InstructionSet:
    """The instruction set of a core; portable C for one that has no kernels of its own."""
    return _INSTRUCTION_SETS.get(core, InstructionSet.PORTABLE)
