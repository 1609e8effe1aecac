"""NAME_weights.c and NAME_weights.h: the constant arrays of a generated model."""

from __future__ import annotations

from mcu_nas.compiler.c_text import C_TYPES, c_array
from mcu_nas.compiler.emit_header import banner
from mcu_nas.compiler.program import Program


def array_name(program: Program, number: int, member: str) -> str:
    """Symbol of an array of call number ``number``: NAME_layer_03_weights."""
    return f"{program.name}_layer_{number:02d}_{member}"


def emit_weights_header(program: Program) -> str:
    """Text of NAME_weights.h."""
    guard = f"{program.name.upper()}_MCU_WEIGHTS_H"
    declarations = "".join(
        f"extern {_declaration(program, number, member)}[{len(program.calls[number].arrays[member])}];\n"
        for number, member in program.constants()
    )
    return f"""\
{banner(program, "constants, used by its .c file only")}\
#ifndef {guard}
#define {guard}

#include <stdint.h>

#include "kernels/requantize.h"

{declarations}
#endif
"""


def emit_weights_source(program: Program) -> str:
    """Text of NAME_weights.c."""
    arrays = "\n".join(
        c_array(_declaration(program, number, member), program.calls[number].arrays[member])
        for number, member in program.constants()
    )
    return f'{banner(program, "constants")}#include "{program.name}_weights.h"\n\n{arrays}'


def _declaration(program: Program, number: int, member: str) -> str:
    array = program.calls[number].arrays[member]
    element = "struct mcu_factor" if array.ndim == 2 else C_TYPES[array.dtype]
    return f"const {element} {array_name(program, number, member)}"
