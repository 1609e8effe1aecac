"""NAME_kernels.S: the functions that were generated for a model's layers."""

from __future__ import annotations

from mcu_nas.compiler.emit_header import banner
from mcu_nas.compiler.program import Program


def emit_kernels(program: Program) -> str:
    """Text of NAME_kernels.S, for a core of the program's instruction set."""
    functions = "\n".join(function.assembly for function in program.generated)
    purpose = f"layers in {program.plan.target.instruction_set} assembly"
    return f"{banner(program, purpose)}.arch {program.plan.target.instruction_set}\n\n{functions}"
