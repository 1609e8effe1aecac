"""Runs one function in assembly on a simulated core, and counts its instructions.

Buffers are numpy arrays. Each lies between bytes that must not change, ends where its array ends, and begins
at the alignment asked for, so that a read or write beside it is found out: reads of memory that was never
mapped fault, writes are seen. The count is of executed instructions, as the emulated boards count: a load of
several registers is one, and so is an instruction whose condition fails.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import unicorn
from unicorn import arm_const

from mcu_nas.compiler.generators.function_text import Assembly

CODE, DATA, STACK = 0x0800_0000, 0x2000_0000, 0x3000_0000
_MAPPED, _STACK_BYTES, _GUARD_BYTES = 4 << 20, 64 << 10, 64
_RETURN = CODE + _MAPPED - 4  # where the function returns to
_GUARD, _STACK_FILL = 0xA5, 0x5A
_PARAMETERS = (
    arm_const.UC_ARM_REG_R0,
    arm_const.UC_ARM_REG_R1,
    arm_const.UC_ARM_REG_R2,
    arm_const.UC_ARM_REG_R3,
)
_PRESERVED = tuple(getattr(arm_const, f"UC_ARM_REG_R{number}") for number in range(4, 12))
_LONG = (0b11101, 0b11110, 0b11111)  # the first five bits of an instruction of two halfwords
_CORES = {  # their models, and what the assembler must know of them besides
    "cortex-m7": (arm_const.UC_CPU_ARM_CORTEX_M7, ("-mfpu=fpv5-d16", "-mfloat-abi=hard")),
    "cortex-m4": (arm_const.UC_CPU_ARM_CORTEX_M4, ("-mfpu=fpv4-sp-d16", "-mfloat-abi=hard")),
}
SIMULATED_CORES = tuple(_CORES)


@dataclass(frozen=True)
class Call:
    """What a call did: the arrays after it, instructions executed, and the most stack in use."""

    arrays: tuple[np.ndarray, ...]
    instructions: int
    stack_bytes: int


class ArmFunction:
    """A function ``symbol`` of an assembly source, with at most four arguments."""

    def __init__(self, source: str | Assembly, symbol: str, core: str = "cortex-m7") -> None:
        """Raises ValueError with the assembler's message where it refuses the source."""
        self._model, flags = _CORES[core]
        with tempfile.TemporaryDirectory() as folder:
            assembly, image = Path(folder, "kernel.S"), Path(folder, "kernel.elf")
            assembly.write_text(str(source), encoding="utf-8")
            linker = ("-nostdlib", f"-Wl,-Ttext={CODE:#x}", f"-Wl,-e,{symbol}", "-Wl,--no-warn-rwx-segments")
            compiler = ("arm-none-eabi-gcc", f"-mcpu={core}", "-mthumb", *flags)
            command = [*compiler, *linker, str(assembly), "-o", str(image)]
            built = subprocess.run(command, capture_output=True, text=True, check=False)
            if built.returncode:
                raise ValueError(built.stderr)
            self.code = _section(image, folder)
            self._entry = _address(image, symbol)
        self.code_bytes = len(self.code)

    def __call__(self, *arguments: int | np.ndarray, align: Sequence[int] = ()) -> Call:
        """Calls it with numbers and the addresses of arrays; ``align``: of each array, by default 8.

        Raises:
            AssertionError: a fault, a write beside an array, or a register that was to be preserved.
        """
        machine = _machine(self.code, self._model)
        values, places = _placed(machine, arguments, align)
        for register, value in zip(_PARAMETERS, values, strict=False):
            machine.reg_write(register, value)
        counted = 0

        def count(machine: unicorn.Uc, address: int, size: int, _: object) -> None:
            nonlocal counted
            counted += self._instructions_of(address - CODE, size)

        machine.hook_add(unicorn.UC_HOOK_BLOCK, count)
        try:
            machine.emu_start(self._entry | 1, _RETURN)
        except unicorn.UcError as error:
            where = machine.reg_read(arm_const.UC_ARM_REG_PC) - CODE
            raise AssertionError(f"{error} at code offset {where:#x}") from None
        for number, register in enumerate(_PRESERVED, 4):
            assert machine.reg_read(register) == 0xD0D0_0000 + number, f"r{number} is not preserved"
        assert machine.reg_read(arm_const.UC_ARM_REG_SP) == STACK + _STACK_BYTES, "sp is not preserved"
        return Call(_read_back(machine, places), counted, _stack_used(machine))

    @cache  # noqa: B019 - a function's code does not change, and few live at a time
    def _instructions_of(self, begin: int, size: int) -> int:
        """Instructions of a basic block: each has one halfword, or two."""
        halfwords = np.frombuffer(self.code, "<u2", size // 2, begin)
        place = count = 0
        while place < len(halfwords):
            place += 2 if halfwords[place] >> 11 in _LONG else 1
            count += 1
        return count


def _machine(code: bytes, model: int) -> unicorn.Uc:
    machine = unicorn.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB | unicorn.UC_MODE_MCLASS)
    machine.ctl_set_cpu_model(model)
    machine.mem_map(CODE, _MAPPED, unicorn.UC_PROT_READ | unicorn.UC_PROT_EXEC)
    machine.mem_write(CODE, code)
    machine.mem_map(STACK, _STACK_BYTES)
    machine.mem_write(STACK, bytes([_STACK_FILL]) * _STACK_BYTES)
    machine.reg_write(arm_const.UC_ARM_REG_C1_C0_2, 0xF << 20)  # the floating-point unit's registers
    machine.reg_write(arm_const.UC_ARM_REG_FPEXC, 1 << 30)
    machine.reg_write(arm_const.UC_ARM_REG_SP, STACK + _STACK_BYTES)
    machine.reg_write(arm_const.UC_ARM_REG_LR, _RETURN | 1)
    for number, register in enumerate(_PRESERVED, 4):
        machine.reg_write(register, 0xD0D0_0000 + number)
    return machine


_Place = tuple[int, np.ndarray]


def _placed(
    machine: unicorn.Uc, arguments: Sequence[int | np.ndarray], align: Sequence[int]
) -> tuple[list[int], list[_Place]]:
    """The arguments as registers hold them, and where each array lies: in pages of its own, flush with the
    end of the last as far as its alignment allows."""
    values: list[int] = []
    places: list[_Place] = []
    page = DATA
    for argument in arguments:
        if not isinstance(argument, np.ndarray):
            values.append(argument & 0xFFFF_FFFF)
            continue
        alignment = align[len(places)] if len(places) < len(align) else 8
        pages = -(-(argument.nbytes + 2 * _GUARD_BYTES) // 4096) * 4096
        machine.mem_map(page, pages)
        machine.mem_write(page, bytes([_GUARD]) * pages)
        begin = (page + pages - argument.nbytes) // alignment * alignment
        if alignment < 4 and begin % (2 * alignment) == 0:
            begin -= alignment  # no better aligned than asked for
        machine.mem_write(begin, argument.tobytes())
        values.append(begin)
        places.append((begin, argument))
        page += pages + 4096  # an unmapped page between
    return values, places


def _read_back(machine: unicorn.Uc, places: Sequence[_Place]) -> tuple[np.ndarray, ...]:
    found = []
    for number, (begin, array) in enumerate(places):
        data = bytes(machine.mem_read(begin, array.nbytes))
        found.append(np.frombuffer(data, array.dtype).reshape(array.shape))
        before = begin & 4095 or 4096
        end = begin + array.nbytes
        after = -end % 4096
        guards = bytes(machine.mem_read(begin - min(before, _GUARD_BYTES), min(before, _GUARD_BYTES)))
        guards += bytes(machine.mem_read(end, after)) if after else b""
        assert set(guards) <= {_GUARD}, f"array {number}: a byte beside it was written"
    return tuple(found)


def _stack_used(machine: unicorn.Uc) -> int:
    stack = bytes(machine.mem_read(STACK, _STACK_BYTES))
    return _STACK_BYTES - (len(stack) - len(stack.lstrip(bytes([_STACK_FILL]))))


def _section(image: Path, folder: str) -> bytes:
    raw = Path(folder, "kernel.bin")
    subprocess.run(["arm-none-eabi-objcopy", "-O", "binary", "-j", ".text", image, raw], check=True)
    return raw.read_bytes()


def _address(image: Path, symbol: str) -> int:
    listing = subprocess.run(["arm-none-eabi-nm", image], capture_output=True, text=True, check=True).stdout
    for line in listing.splitlines():
        address, _, name = line.split()
        if name == symbol:
            return int(address, 16) & ~1
    raise ValueError(f"{symbol} is not in the source")
