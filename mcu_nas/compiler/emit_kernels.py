"""NAME_kernels.S: the functions that were generated for a model's layers, each once (shared_functions.py)."""

from __future__ import annotations

from dataclasses import replace

from mcu_nas.compiler.emit_header import banner
from mcu_nas.compiler.generators.function_text import assembly_text
from mcu_nas.compiler.program import Program


def emit_kernels(program: Program) -> str:
    """Text of NAME_kernels.S, for a core of the program's instruction set."""
    parts = []
    for kernel in program.generated:
        if kernel.assembly.functions:
            layers = ", ".join(map(str, program.layers_of(kernel.symbol)))
            parts.append(replace(kernel.assembly, comment=(f"Layers {layers}.", *kernel.assembly.comment)))
    purpose = f"layers in {program.plan.target.instruction_set} assembly"
    return f"{banner(program, purpose)}.arch {program.plan.target.instruction_set}\n{assembly_text(parts)}"
