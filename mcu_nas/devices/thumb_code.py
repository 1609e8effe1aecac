"""The machine code of a linked image: what each instruction does to the stack pointer, where it goes on and
what it calls. Read from ``arm-none-eabi-objdump -d``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mcu_nas.devices.toolchain import image_listing
from mcu_nas.errors import BuildError

_FUNCTION = re.compile(r"^([0-9a-f]+) <([^>+]+)>:$")
_INSTRUCTION = re.compile(r" *([0-9a-f]+):\t([^.\s]\S*)(?:\t([^@\n]*))?")
_TARGET = re.compile(r"\b([0-9a-f]+) <")
_CONDITIONS = "eq|ne|cs|cc|hs|lo|mi|pl|vs|vc|hi|ls|ge|lt|gt|le"
_CONDITIONAL = re.compile(rf"(bx|b|pop|ldmia|ldr)({_CONDITIONS})")
_LOOP_BRANCHES = ("cbz", "cbnz", "le", "letp", "wls", "wlstp")  # each goes on at its target, or behind itself
_POPS = ("pop", "ldmia", "ldr")
_RETURNING = re.compile(r"\{.*pc\}|^pc, \[sp\]")
_MOVED_BY = re.compile(r"\[sp, #(-?\d+)\]!|\[sp\], #(-?\d+)")
_ADDED = re.compile(r"sp, (?:sp, )?#(\d+)")
_READING = ("cmp", "cmn", "tst", "teq", "str", "stm", "ldm")  # with sp as an operand that stays as it is


@dataclass(frozen=True)
class Instruction:
    """One instruction.

    Attributes:
        following: address of the next one in memory, or None where it never goes on there.
        target: where it branches or calls, or None.
        calls: it comes back from ``target``, or with ``indirect`` from wherever a register points.
        pushes: bytes that the stack grows by; negative: shrinks.
        fault: what makes the stack pointer impossible to follow, or "".
    """

    following: int | None
    target: int | None = None
    calls: bool = False
    indirect: bool = False
    pushes: int = 0
    fault: str = ""


@dataclass(frozen=True)
class ThumbCode:
    """The code of an image: instructions by address, and functions' names and addresses."""

    instructions: Mapping[int, Instruction]
    names: Mapping[int, str]

    def address(self, name: str) -> int:
        """Where the function of that name begins.

        Raises:
            BuildError: the image has none.
        """
        for address, known in self.names.items():
            if known == name:
                return address
        raise BuildError(f"the image has no function {name}")


def read_thumb_code(elf: Path) -> ThumbCode:
    """The code of a linked image.

    Raises:
        ToolError: arm-none-eabi-objdump is not installed.
        BuildError: it refuses the image.
    """
    listing = image_listing("arm-none-eabi-objdump", ["-d", "--no-show-raw-insn"], elf)
    names: dict[int, str] = {}
    code: list[tuple[int, str, str]] = []
    for line in listing.splitlines():
        if match := _FUNCTION.match(line):
            names[int(match[1], 16)] = match[2]
        elif match := _INSTRUCTION.match(line):
            mnemonic = match[2].removesuffix(".n").removesuffix(".w")
            code.append((int(match[1], 16), mnemonic, (match[3] or "").strip()))
    ends = [address for address, _, _ in code[1:]] + [None]
    instructions = {
        address: _instruction(mnemonic, operands, following)
        for (address, mnemonic, operands), following in zip(code, ends, strict=True)
    }
    return ThumbCode(instructions, names)


def _instruction(mnemonic: str, operands: str, following: int | None) -> Instruction:
    conditional = _CONDITIONAL.fullmatch(mnemonic)
    base = conditional[1] if conditional else mnemonic
    not_taken = following if conditional else None
    found = _TARGET.search(operands)
    target = int(found[1], 16) if found else None
    if base in ("bl", "blx"):
        return Instruction(following, target, calls=True, indirect=target is None)
    if base == "b":
        return Instruction(not_taken, target)
    if base in _LOOP_BRANCHES:
        return Instruction(following, target)
    if (base, operands) == ("bx", "lr") or (base in _POPS and _RETURNING.search(operands)):
        return Instruction(not_taken)
    if base in ("bx", "tbb", "tbh") or operands.startswith("pc,"):
        return Instruction(not_taken, fault="jumps where a register points")
    pushes = _pushes(base, operands)
    if pushes is None:
        return Instruction(following, fault="moves the stack pointer by what only the running program knows")
    return Instruction(following, pushes=pushes)


def _pushes(base: str, operands: str) -> int | None:
    """Bytes by which an instruction lowers the stack pointer; None where they cannot be read from it."""
    if base in ("push", "vpush", "stmdb", "vstmdb") and (base.endswith("push") or operands.startswith("sp!")):
        return _listed_bytes(operands)
    if base in ("pop", "vpop", "ldmia", "vldmia") and (base.endswith("pop") or operands.startswith("sp!")):
        return -_listed_bytes(operands)
    if match := _MOVED_BY.search(operands):  # [sp, #-8]! and [sp], #8
        return -int(match[1] or match[2])
    if match := _ADDED.fullmatch(operands) if base in ("add", "sub", "addw", "subw") else None:
        return int(match[1]) * (1 if base.startswith("sub") else -1)
    if (base, operands) == ("mov", "sp, r7"):  # the end of a frame that r7 points to: less than before
        return 0
    changes = operands.startswith(("sp,", "sp!")) and not base.startswith(_READING)
    return None if changes else 0


def _listed_bytes(operands: str) -> int:
    """Of the registers in braces: four each, eight of those of the FPU that begin with d."""
    count = 0
    for part in operands.partition("{")[2].rstrip("}").split(", "):
        first, _, last = part.partition("-")
        count += int(last[1:]) - int(first[1:]) + 1 if last else 1
    return count * (8 if "{d" in operands else 4)
