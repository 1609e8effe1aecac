"""How a model is compiled for a board: with the fastest kernels that its SRAM and flash hold."""

from __future__ import annotations

from pathlib import Path

from mcu_nas.boards import Board
from mcu_nas.compiler.export import load_program
from mcu_nas.compiler.planner import Optimize
from mcu_nas.compiler.program import Program
from mcu_nas.compiler.target import Loads, WeightStorage, targets
from mcu_nas.cost.core_profile import load_core_profile
from mcu_nas.cost.flash import program_code_bytes


def load_program_for(
    model: Path,
    board: Board,
    name: str | None = None,
    optimize: Optimize | None = None,
    weights: WeightStorage | None = None,
    *,
    loads: Loads = Loads.LDM,
    keep_inputs: bool = False,
) -> Program:
    """A .tflite file compiled for a board: the first of its core's targets that fits, else the last.

    ``optimize``: BOARD where None. ``weights``: of the targets only those that store weights so.
    ``loads``: the form of the loads of its generated kernels.

    Raises:
        ModelError, UnsupportedError: the file cannot be read or compiled.
        BoardError: the board's core has no profile.
        UsageError: its core has no kernels that store weights so.
    """
    for target in targets(board.core, weights, loads):
        program = load_program(
            model,
            name,
            optimize or Optimize.BOARD,
            target=target,
            room_bytes=board.usable_sram_bytes,
            keep_inputs=keep_inputs,
        )
        if fits(program, board):
            break
    return program


def fits(program: Program, board: Board) -> bool:
    """Whether a board has room for a program: its arena exactly, its code as the core's profile estimates."""
    code = program_code_bytes(program, load_core_profile(board.core))
    return board.has_room(program.arena_bytes, program.constants_bytes + code)
