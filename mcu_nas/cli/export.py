"""``mcu-nas export``: a network of a run as files for others."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import click

from mcu_nas.boards import load_board
from mcu_nas.cli.options import PATH, json_option
from mcu_nas.cli.progress import Bars
from mcu_nas.cli.target import model_path
from mcu_nas.compiler.export import write_exports
from mcu_nas.compiler.place import check_place
from mcu_nas.cost.board_program import load_program_for
from mcu_nas.errors import Interrupted, UsageError
from mcu_nas.extras import require
from mcu_nas.files import staging
from mcu_nas.search.run.run_folder import RunFolder


@click.command(
    epilog="""\b
Examples:
  mcu-nas export runs/stm32f746g-disco-fashion-mnist --out delivery
  mcu-nas export runs/stm32f746g-disco-fashion-mnist --pick knee"""
)
@click.argument("run", metavar="RUN", type=PATH)
@click.option(
    "--pick",
    metavar="P",
    help="Another network than the winner. knee: where loss against instructions bends. fastest: fewest"
    " instructions. smallest: least peak SRAM. Or a number in the log: `mcu-nas show RUN` lists the front. It"
    " is fine-tuned as the winner was, in RUN/picks; cut off, the same command goes on.",
)
@click.option(
    "--out",
    "out_dir",
    type=PATH,
    metavar="DIR",
    help="Folder to write to; RUN/winner/export by default, RUN/picks/N/winner/export of a pick.",
)
@json_option
def command(run: Path, pick: str | None, out_dir: Path | None, as_json: bool) -> None:
    """Write a network of a run: model.tflite, C sources and headers, and model_data.h.

    It is the winner, or another one of the Pareto front (loss, instructions, peak SRAM, flash). model_data.h
    holds the .tflite file as a byte array with the list of its operators, for people who run TensorFlow Lite
    Micro themselves.
    """
    if not run.is_dir():
        raise UsageError(f"{run}: not a run folder; `mcu-nas compile` takes a .tflite file")
    folder = RunFolder.open(run) if pick is None else _picked(RunFolder.open(run), pick)
    board = load_board(folder.request().board)
    model = model_path(folder.path)
    out = out_dir or folder.winner / "export"
    with staging(out) as staged:
        (staged / "model.tflite").write_bytes(model.read_bytes())
        program = load_program_for(model, board)
        files = [path.relative_to(staged) for path in write_exports(model, program, staged)]
        check_place(out, program.name, (file.as_posix() for file in files))
    written = [out / "model.tflite", *(out / file for file in files)]
    following = f"mcu-nas audit {shlex.quote(str(out / 'model.tflite'))} --board {board.name}"
    if as_json:
        print(
            json.dumps(
                {"files": [str(path) for path in written], **_network(folder), "next": following}, indent=2
            )
        )
        return
    for path in written:
        print(path)
    if pick is not None:
        print(_summary(_network(folder)))
    print(f"next: {following}")


def _picked(run: RunFolder, pick: str) -> RunFolder:
    """The folder of a pick, finished; the run's own where the pick is its winner."""
    require("torch", "export --pick")
    from mcu_nas.search.pick import finish_pick, is_winner, pick_folder, pick_from

    number, evaluation = pick_from(run, pick)
    if is_winner(run, evaluation.architecture):
        return run
    try:
        with Bars() as bars:
            return finish_pick(run, (number, evaluation), bars)
    except KeyboardInterrupt:
        raise Interrupted(f"interrupted: `{pick_folder(run, number).going_on}` goes on") from None


def _network(folder: RunFolder) -> dict[str, Any]:
    """What is known of the network: its number in the log where it was picked, test accuracy, costs."""
    record = folder.read()
    winner = record.get("winner", {})
    return {
        "run": str(folder.path),
        "number": record.get("pick", {}).get("number"),
        "accuracy": record.get("accuracy"),
        "latency": winner.get("latency"),
        "peak_bytes": winner.get("peak_bytes"),
        "flash_bytes": winner.get("flash_bytes"),
    }


def _summary(network: dict[str, Any]) -> str:
    which = "the winner" if network["number"] is None else f"number {network['number']} of the log"
    return (
        f"{which}: int8 test accuracy {network['accuracy']['int8']:.2%},"
        f" {network['latency']['central_ms']:.1f} ms estimated, arena {network['peak_bytes']:,} B,"
        f" flash {network['flash_bytes']:,} B without the harness"
    )
