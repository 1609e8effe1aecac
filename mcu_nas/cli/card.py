"""``mcu-nas card``: a finished run's model with its card, for a folder of models."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import click

from mcu_nas.cli.options import PATH, json_option
from mcu_nas.cli.search_line import run_lines
from mcu_nas.cli.target import model_path
from mcu_nas.report.card import FILES, write_card
from mcu_nas.search.run.run_folder import RunFolder


@click.command(
    epilog="""\b
Examples:
  mcu-nas card runs/stm32f746g-disco-fashion-mnist --out models/fashion-mnist-f746
  mcu-nas card runs/stm32f746g-disco-fashion-mnist --out models/fashion-mnist-f746 --json"""
)
@click.argument("run", metavar="RUN", type=PATH)
@click.option(
    "--out",
    "out_dir",
    type=PATH,
    metavar="DIR",
    required=True,
    help="Folder of its own for the model and its card; an earlier card is replaced.",
)
@json_option
def command(run: Path, out_dir: Path, as_json: bool) -> None:
    """Write the winner of a finished run with its card: model.tflite, architecture.json, card.md, card.json.

    The card says what was searched and how it was trained, accuracy, memory by every named rule and layer by
    layer, instructions, latency, and the commands that make it again. Nothing runs or trains for it: it takes
    what the run recorded, and what follows from the model. card.json's keys are listed in docs/json.md.
    """
    folder = RunFolder.open(run)
    model_path(run)  # says what is missing where there is no winner
    with folder.understood():
        record = write_card(folder, out_dir, [*run_lines(folder), _card_line(run, out_dir)])
    files = [str(out_dir / name) for name in FILES]
    following = f"mcu-nas audit {shlex.quote(str(out_dir / 'model.tflite'))} --board {record['board']}"
    if as_json:
        print(json.dumps({"files": files, "card": record, "next": following}, indent=2))
        return
    print("\n".join(files))
    accuracy, model = record["accuracy"], record["model"]
    print(
        f"\n{record['name']}: int8 {accuracy['int8']:.2%} of {accuracy['images']:,} test images, arena"
        f" {model['peak_bytes']['planned']:,} B, weights {model['weights_bytes']:,} B,"
        f" {model['macs'] / 1e6:.3f} M MACs"
    )
    print(f"next: {following}")


def _card_line(run: Path, out_dir: Path) -> str:
    return shlex.join(["mcu-nas", "card", str(run), "--out", str(out_dir)])
