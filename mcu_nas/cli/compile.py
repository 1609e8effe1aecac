"""``mcu-nas compile``: an int8 .tflite as C sources."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import click

from mcu_nas.boards import CORE_FLAGS, load_board
from mcu_nas.cli.options import PATH, json_option
from mcu_nas.cli.target import model_path
from mcu_nas.compiler.c_text import c_identifier
from mcu_nas.compiler.emit import write_sources
from mcu_nas.compiler.export import load_program
from mcu_nas.compiler.layouts import Layout
from mcu_nas.devices.session import emulated_board, emulated_counterpart
from mcu_nas.errors import UsageError
from mcu_nas.tflite.schema import SUPPORTED_OPERATORS


@click.command(
    epilog=f"""\b
Operators, all int8, with fused RELU and RELU6:
  {", ".join(SUPPORTED_OPERATORS)}

\b
Examples:
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
    type=click.Choice([layout.value for layout in Layout]),
    default=Layout.CMAKE.value,
    show_default=True,
    help="What DIR is: a CMake subdirectory, an Arduino library or a Zephyr module.",
)
@click.option("--keep-input", is_flag=True, help="A run leaves its input in the arena as it is.")
@json_option
def command(
    target: Path,
    board: str | None,
    core: str | None,
    out_dir: Path,
    name: str | None,
    layout: str,
    keep_input: bool,
    as_json: bool,
) -> None:
    """Generate C for a model: header, layers, weights, the kernels used, the build system's files.

    The C has no dependencies, no heap and no state besides the arena that the caller brings; its outputs
    equal TFLite Micro's bit for bit. The portable kernels serve every core.
    """
    if name is not None and c_identifier(name) != name:
        raise UsageError(f"--name '{name}' cannot prefix C symbols: '{c_identifier(name)}' could")
    runs_on = _board_to_run_on(board, core)
    program = load_program(model_path(target), name, keep_inputs=keep_input)
    paths = write_sources(program, out_dir, Layout(layout))
    following = f"mcu-nas run {shlex.quote(str(target))} --board {runs_on}"
    if as_json:
        record = {
            "name": program.name,
            "layout": layout,
            "keeps_input": keep_input,
            "model_hash": program.model_hash,
            "arena_bytes": program.arena_bytes,
            "constants_bytes": program.constants_bytes,
            "files": [str(path) for path in paths],
            "next": following,
        }
        print(json.dumps(record, indent=2))
        return
    print(f"{program.name}: arena {program.arena_bytes:,} B, constants {program.constants_bytes:,} B")
    for path in paths:
        print(f"  {path}")
    print(f"next: {following}")


def _board_to_run_on(board: str | None, core: str | None) -> str:
    """The board that the next command runs the model on: emulated where one has the core."""
    if board is not None and core is None:
        the_board = load_board(board)
        return (emulated_counterpart(the_board) or the_board).name
    if core is not None and board is None:
        emulated = emulated_board(core)
        return emulated.name if emulated else "B"
    raise UsageError("--board or --core says what the C is for: give one of them")
