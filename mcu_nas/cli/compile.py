"""``mcu-nas compile``: an int8 .tflite as C sources."""

from __future__ import annotations

import json
import shlex
from dataclasses import asdict
from pathlib import Path

import click

from mcu_nas.boards import load_board
from mcu_nas.cli.options import (
    PATH,
    json_option,
    kernel_options,
    loads_option,
    optimize_option,
    weights_option,
)
from mcu_nas.cli.table import text_table
from mcu_nas.cli.target import model_path
from mcu_nas.compiler.build_systems import BuildSystem
from mcu_nas.compiler.c_text import c_identifier
from mcu_nas.compiler.emit import write_sources
from mcu_nas.compiler.export import load_program
from mcu_nas.compiler.planner import Optimize
from mcu_nas.compiler.program import Program
from mcu_nas.compiler.supported import supported_operators
from mcu_nas.compiler.target import PORTABLE, Loads, Target, WeightStorage, targets
from mcu_nas.cores import CORE_FLAGS
from mcu_nas.cost.board_program import fits, load_program_for
from mcu_nas.devices.session import emulated_board, emulated_counterpart
from mcu_nas.errors import JobError, UsageError


def _list_operators(context: click.Context, parameter: click.Parameter, asked: bool) -> None:
    """--ops prints and ends, without a model, as --help does."""
    if not asked:
        return
    rows = supported_operators()
    if context.params["as_json"]:
        print(json.dumps([asdict(row) for row in rows], indent=2))
    else:
        header = ("operator", "fused", "kernels", "int8, batch 1")
        cells = [
            (row.name, " ".join(row.activations) or "-", " ".join(row.kernels) or "-", row.note)
            for row in rows
        ]
        print(text_table(header, cells))
    context.exit()


@click.command(
    epilog="""\b
Examples:
  mcu-nas compile --ops
  mcu-nas compile kws.tflite --board stm32f746g-disco --out firmware/kws
  mcu-nas compile runs/stm32f746g-disco-fashion-mnist --board stm32f746g-disco --out c --name fashion
  mcu-nas compile kws.tflite --board stm32f746g-disco --out libraries/kws --layout arduino"""
)
@click.argument("target", metavar="MODEL.tflite|RUN", type=PATH)
@click.option("--board", metavar="B", help="Board, see `mcu-nas boards`.")
@click.option("--core", type=click.Choice(sorted(CORE_FLAGS)), help="Core, where there is no board file.")
@click.option(
    "--out",
    "out_dir",
    required=True,
    type=PATH,
    metavar="DIR",
    help="Folder to write to.",
)
@click.option("--name", metavar="NAME", help="Prefix of every symbol; the file's stem by default.")
@click.option(
    "--layout",
    type=click.Choice([system.value for system in BuildSystem]),
    default=BuildSystem.CMAKE.value,
    show_default=True,
    help="What DIR is: a CMake subdirectory, an Arduino library or a Zephyr module.",
)
@click.option("--keep-input", is_flag=True, help="A run leaves its input in the arena as it is.")
@click.option(
    "--ops",
    is_flag=True,
    expose_value=False,
    callback=_list_operators,
    help="List the operators that are compiled, and what of each.",
)
@optimize_option
@weights_option
@loads_option
@json_option
def command(
    target: Path,
    board: str | None,
    core: str | None,
    out_dir: Path,
    name: str | None,
    layout: str,
    keep_input: bool,
    optimize: Optimize | None,
    weights: WeightStorage | None,
    loads: Loads,
    as_json: bool,
) -> None:
    """Generate C for a model: header, layers, weights, the kernels used, the build system's files.

    The C has no dependencies, no heap and no state besides the arena that the caller brings; its outputs
    equal TFLite Micro's bit for bit. Without --board and --core it compiles anywhere; with one of them layers
    have the fastest kernels of that core.
    """
    if name is not None and c_identifier(name) != name:
        raise UsageError(f"--name '{name}' cannot prefix C symbols: '{c_identifier(name)}' could")
    runs_on = _board_to_run_on(board, core)
    model = model_path(target)
    if board is None:
        target_of_core = _target(core, weights, loads)
        program = load_program(
            model, name, optimize or Optimize.SPEED, target=target_of_core, keep_inputs=keep_input
        )
    else:
        program = load_program_for(
            model, load_board(board), name, optimize, weights, loads=loads, keep_inputs=keep_input
        )
    paths = write_sources(program, out_dir, BuildSystem(layout))
    chosen = kernel_options(optimize, weights, loads)
    following = f"mcu-nas run {shlex.quote(str(target))} --board {runs_on}{chosen}"
    fitting = None if board is None else fits(program, load_board(board))
    if fitting is False:
        following = (
            f"mcu-nas audit {shlex.quote(str(target))} --board {board}{kernel_options(optimize, weights)}"
        )
    if as_json:
        record = {
            "name": program.name,
            "layout": layout,
            "keeps_input": keep_input,
            "optimize": program.plan.optimize.value,
            "instruction_set": program.plan.target.instruction_set.value,
            "weights": program.plan.target.weights.value,
            "loads": program.plan.target.loads.value,
            "model_hash": program.model_hash,
            "arena_bytes": program.arena_bytes,
            "memory_plan_arena_bytes": program.plan_for(Optimize.MEMORY).arena_bytes,
            "speed_plan_arena_bytes": program.plan_for(Optimize.SPEED).arena_bytes,
            "constants_bytes": program.constants_bytes,
            "fits": fitting,
            "files": [str(path) for path in paths],
            "next": following,
        }
        print(json.dumps(record, indent=2))
    else:
        print(_text(program, paths, following))
    if fitting is False:
        raise JobError(f"{program.name} does not fit {board}: `{following}` says what blocks")


def _text(program: Program, paths: list[Path], following: str) -> str:
    others = (
        optimize for optimize in (Optimize.MEMORY, Optimize.SPEED) if optimize is not program.plan.optimize
    )
    arenas = (f"for {optimize} {program.plan_for(optimize).arena_bytes:,} B" for optimize in others)
    lines = [
        f"{program.name}: arena {program.arena_bytes:,} B, constants {program.constants_bytes:,} B",
        f"  planned for {program.plan.optimize}; arenas of other plans: {', '.join(arenas)}",
        f"  kernels: {program.plan.target.instruction_set}, weights: {program.plan.target.weights}",
        *(f"  {path}" for path in paths),
        f"next: {following}",
    ]
    return "\n".join(lines)


def _target(core: str | None, weights: WeightStorage | None, loads: Loads) -> Target:
    """The fastest of a core's targets with weights stored so; portable C where there is no core.

    Raises:
        UsageError: neither stores weights so.
    """
    if core is None:
        if weights not in (None, PORTABLE.weights):
            raise UsageError(
                f"--weight-storage {weights}: portable C stores weights as bytes: --board or --core names a"
                " core that has other kernels"
            )
        return PORTABLE
    return targets(core, weights, loads)[0]


def _board_to_run_on(board: str | None, core: str | None) -> str:
    """The board that the next command runs the model on: emulated where one has the core."""
    if board is not None and core is not None:
        raise UsageError("a board has a core: give --board or --core")
    if board is not None:
        the_board = load_board(board)
        return (emulated_counterpart(the_board) or the_board).name
    emulated = None if core is None else emulated_board(core)
    return emulated.name if emulated else "B"
