"""Which plan a board gets: the fast kernels where its SRAM and flash hold them, else the thrifty ones."""

from __future__ import annotations

from pathlib import Path

from mcu_nas.boards import Board
from mcu_nas.compiler.export import load_program
from mcu_nas.compiler.planner import Optimize
from mcu_nas.compiler.program import Program
from mcu_nas.cost.core_profile import load_core_profile
from mcu_nas.cost.flash import code_bytes


def load_program_for(
    model: Path,
    board: Board,
    name: str | None = None,
    optimize: Optimize | None = None,
    *,
    keep_inputs: bool = False,
) -> Program:
    """A .tflite file compiled for a board, for speed where that fits and ``optimize`` does not say otherwise.

    Raises:
        ModelError, UnsupportedError: the file cannot be read or compiled.
        BoardError: the board's core has no profile.
    """
    fast = load_program(model, name, optimize or Optimize.SPEED, keep_inputs=keep_inputs)
    if optimize is not None or fits(fast, board):
        return fast
    return load_program(model, name, Optimize.MEMORY, keep_inputs=keep_inputs)


def fits(program: Program, board: Board) -> bool:
    """Whether a board has room for a program: its arena exactly, its code as the core's profile estimates."""
    code = code_bytes(program.graph.network, program.plan, load_core_profile(board.core))
    return board.has_room(program.arena_bytes, program.constants_bytes + code)
