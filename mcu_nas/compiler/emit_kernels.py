"""NAME_kernels.S: the functions that were generated for a model's layers."""

from __future__ import annotations

from mcu_nas.compiler.emit_header import banner
from mcu_nas.compiler.generators.generated import GeneratedKernel
from mcu_nas.compiler.program import Program


def emit_kernels(program: Program) -> str:
    """Text of NAME_kernels.S, for a core of the program's instruction set."""
    functions = "\n".join(map(_function, program.generated))
    purpose = f"layers in {program.plan.target.instruction_set} assembly"
    return f"{banner(program, purpose)}.arch {program.plan.target.instruction_set}\n\n{functions}"


def _function(function: GeneratedKernel) -> str:
    """Its code, and what the build asks for: a section of its own, so that it can be placed by itself, and
    the stack it needs, as a symbol that takes no memory.
    """
    section = f'.section .text.{function.symbol}, "ax", %progbits\n'
    code = function.assembly.replace(".text\n", section, 1)
    return f"{code}.set {function.symbol}_stack_bytes, {function.stack_bytes}\n"
