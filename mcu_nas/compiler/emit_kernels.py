"""NAME_kernels.S: the functions that were generated for a model's layers, each once (shared_functions.py)."""

from __future__ import annotations

from dataclasses import replace

from mcu_nas.compiler.emit_header import banner
from mcu_nas.compiler.generators.function_text import assembly_text
from mcu_nas.compiler.program import Program


def emit_kernels(program: Program) -> str:
    """Text of NAME_kernels.S, for a core of the program's instruction set: the functions, and the stack that
    each kernel needs, which the build asks for, as symbols that take no memory."""
    parts, needs = [], []
    for kernel in program.generated:
        if kernel.assembly.functions:
            layers = ", ".join(map(str, program.layers_of(kernel.symbol)))
            parts.append(replace(kernel.assembly, comment=(f"Layers {layers}.", *kernel.assembly.comment)))
            needs.append(f".set {kernel.symbol}_stack_bytes, {kernel.stack_bytes}\n")
    purpose = f"layers in {program.plan.target.instruction_set} assembly"
    begin = f"{banner(program, purpose)}.arch {program.plan.target.instruction_set}\n"
    return f"{begin}{assembly_text(parts)}\n{''.join(needs)}"
