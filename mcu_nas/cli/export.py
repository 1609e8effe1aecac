"""``mcu-nas export``: a run's winner as files for others."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import click

from mcu_nas.boards import load_board
from mcu_nas.cli.options import PATH, json_option
from mcu_nas.cli.target import model_path
from mcu_nas.compiler.export import write_exports
from mcu_nas.compiler.place import check_place
from mcu_nas.cost.board_program import load_program_for
from mcu_nas.errors import UsageError
from mcu_nas.files import staging, write_bytes
from mcu_nas.search.run_folder import RunFolder


@click.command(
    epilog="""\b
Examples:
  mcu-nas export runs/stm32f746g-disco-fashion-mnist --out delivery
  mcu-nas export runs/stm32f746g-disco-fashion-mnist"""
)
@click.argument("run", metavar="RUN", type=PATH)
@click.option(
    "--out",
    "out_dir",
    type=PATH,
    metavar="DIR",
    help="Folder to write to; RUN/winner/export by default.",
)
@json_option
def command(run: Path, out_dir: Path | None, as_json: bool) -> None:
    """Write the winner of a run: model.tflite, C sources and headers, and model_data.h.

    model_data.h holds the .tflite file as a byte array with the list of its operators, for people who run
    TensorFlow Lite Micro themselves.
    """
    if not run.is_dir():
        raise UsageError(f"{run}: not a run folder; `mcu-nas compile` takes a .tflite file")
    board = load_board(RunFolder.open(run).request().board)
    model = model_path(run)
    out = out_dir or run / "winner" / "export"
    with staging(out) as staged:
        write_bytes(staged / "model.tflite", model.read_bytes())
        program = load_program_for(model, board)
        files = [path.relative_to(staged) for path in write_exports(model, program, staged)]
        check_place(out, program.name, (file.as_posix() for file in files))
    written = [out / "model.tflite", *(out / file for file in files)]
    following = f"mcu-nas audit {shlex.quote(str(out / 'model.tflite'))} --board {board.name}"
    if as_json:
        print(json.dumps({"files": [str(path) for path in written], "next": following}, indent=2))
        return
    for path in written:
        print(path)
    print(f"next: {following}")
