"""Cycles of an inner loop, estimated in two ways.

No board has confirmed either, and neither knows of caches or of a flash's wait states.

``analysed``: by LLVM's machine code analyser (llvm-mca 14), which is doubtful both ways. Its model of the
Cortex-M7 pairs an LDR with a multiplication, but no LDRD and no LDM: these have a cycle of their own, however
many words they load. That is too little for an LDM of four over a bus of 64 bits, and too much for an LDRD if
the core pairs it. Its model of the Cortex-M4 takes either for one cycle, too, but has what follows an LDRD
wait for it.

``documented``: for the Cortex-M4, which issues one instruction at a time, by the timings of its manual (Arm,
Cortex-M4 Technical Reference Manual r0p1, 3.3.1): a load of N words 1 + N, a single one 2, or 1 right behind
another, the rest 1. Of the Cortex-M7 there are no published timings.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from functools import cache

from mcu_nas.compiler.generators.paired_loads import listed_registers
from mcu_nas.errors import ToolError

MODELLED_CORES = ("cortex-m7", "cortex-m4")
_PROGRAM = "llvm-mca"
_TURNS = 200


def require_analyser() -> None:
    """Raises ToolError where llvm-mca is not installed."""
    if shutil.which(_PROGRAM) is None:
        raise ToolError(f"{_PROGRAM} is not installed: `apt install llvm` brings it on Debian")


@cache
def analysed(instructions: tuple[str, ...], core: str) -> float:
    """Estimated cycles of a loop's body, one turn of many.

    Raises:
        ToolError: llvm-mca refuses an instruction.
    """
    text = "\n".join([".syntax unified", *instructions, ""])
    options = ("-mtriple=thumbv7em-none-eabi", f"-mcpu={core}", f"-iterations={_TURNS}")
    done = subprocess.run([_PROGRAM, *options], input=text, capture_output=True, text=True, check=False)
    found = re.search(r"^Total Cycles:\s+(\d+)", done.stdout, re.MULTILINE)
    if found is None or done.returncode:
        raise ToolError(f"{_PROGRAM} failed: {(done.stderr.strip() or 'no cycles reported').splitlines()[0]}")
    return int(found[1]) / _TURNS


def documented(instructions: tuple[str, ...]) -> int:
    """Cycles of a loop's body on a Cortex-M4, by its manual."""
    cycles, behind_load = 0, False
    for instruction in instructions:
        mnemonic = instruction.split()[0]
        is_single = mnemonic.startswith("ldr") and mnemonic != "ldrd"
        if mnemonic in ("ldm", "pop", "ldrd"):
            cycles += 1 + _words(instruction)
        else:
            cycles += 2 if is_single and not behind_load else 1
        behind_load = is_single
    return cycles


def _words(instruction: str) -> int:
    """Words that a load of several reads."""
    if instruction.startswith("ldrd"):
        return 2
    return len(listed_registers(instruction.partition("{")[2].partition("}")[0]))
