"""The other form of a kernel's loads: LDRD of two words, each just before what needs them, instead of LDM.

An emulator counts an LDM as one instruction, whatever it loads. A core takes a cycle for each word, or for
two over a bus of 64 bits, while the multiplications wait; LDRDs between them may hide what an LDM cannot.
Which form is quicker a board has to say; both compute the same.

Generators write LDM, and POP for what they pushed. Only here is their text rewritten: each becomes LDRDs,
with an LDR where one word remains, that move the same pointer on. A load sinks past multiplications and
extensions to the first that mentions one of its registers or its pointer; loads by one pointer keep their
order. Before anything else (a store, a label, a comment) all words are loaded.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from mcu_nas.compiler.generators.generated import GeneratedKernel

_IN_MEMORY_ORDER = (*(f"r{number}" for number in range(13)), "lr")
_REGISTER = re.compile(r"\b(?:r\d+|sp|lr)\b")
_OF_SEVERAL = re.compile(r"(?:ldm (?P<base>\w+)(?P<moves>!?), |pop )\{(?P<registers>[^}]*)\}")
_PASSED = ("sm", "sxt")  # SMLAD, SMLAL, SMUAD, SMMLA, ...; SXTB, SXTB16


@dataclass(frozen=True)
class _Load:
    """A load of one word or two."""

    registers: tuple[str, ...]
    base: str
    address: str

    @property
    def text(self) -> str:
        return f"{'ldr' if len(self.registers) == 1 else 'ldrd'} {', '.join(self.registers)}, {self.address}"


def with_paired_loads(kernel: GeneratedKernel) -> GeneratedKernel:
    """The kernel with LDRD for LDM."""
    functions = (
        replace(function, lines=tuple(_rewritten(function.lines))) for function in kernel.assembly.functions
    )
    return replace(kernel, assembly=replace(kernel.assembly, functions=tuple(functions)))


def _rewritten(lines: Iterable[str]) -> Iterator[str]:
    waiting: list[_Load] = []
    for line in lines:
        loads = _loads_of(line)
        needed = [load for load in waiting if _precedes(load, line, loads)]
        while needed:
            first = next(load for load in waiting if load.base == needed[0].base)
            yield first.text
            waiting.remove(first)
            needed = [load for load in needed if load in waiting]
        waiting += loads
        if not loads:
            yield line
    yield from (load.text for load in waiting)


def _precedes(load: _Load, line: str, loads: list[_Load]) -> bool:
    """Whether a waiting load must come before a line, or before the loads that the line is rewritten to."""
    own = {*load.registers}
    if loads:
        written = {register for later in loads for register in later.registers}
        return bool(own & (written | {loads[0].base})) or load.base in written
    instruction = line.partition("@")[0]
    return not line.startswith(_PASSED) or bool((own | {load.base}) & {*_REGISTER.findall(instruction)})


def _loads_of(line: str) -> list[_Load]:
    """What replaces a load of several words; nothing for any other line, nor for one that returns."""
    found = _OF_SEVERAL.match(line)
    if not found or "pc" in found["registers"]:
        return []
    base, registers = found["base"] or "sp", listed_registers(found["registers"])
    pairs = [tuple(registers[begin : begin + 2]) for begin in range(0, len(registers), 2)]
    if found["moves"] != "":  # an exclamation mark, or POP
        return [_Load(pair, base, f"[{base}], #{4 * len(pair)}") for pair in pairs]
    loads = [_Load(pair, base, f"[{base}, #{8 * number}]") for number, pair in enumerate(pairs)]
    return sorted(loads, key=lambda load: base in load.registers)  # the pointer itself last


def listed_registers(registers: str) -> list[str]:
    """Those of a list without its braces, in the order of memory, ranges spelt out."""
    names: set[str] = set()
    for part in registers.split(","):
        first, _, last = part.strip().partition("-")
        begin, end = (_IN_MEMORY_ORDER.index(name) for name in (first, last or first))
        names |= {*_IN_MEMORY_ORDER[begin : end + 1]}
    return sorted(names, key=_IN_MEMORY_ORDER.index)
