"""``mcu-nas quantize``: a float model from elsewhere as an int8 .tflite."""

from __future__ import annotations

import json
import shlex
import tempfile
from pathlib import Path
from typing import Any

import click
import numpy as np

from mcu_nas.cli.options import PATH, Numbers, data_option, image_options, json_option, seed_option
from mcu_nas.cli.progress import Bars
from mcu_nas.cli.reading import reading
from mcu_nas.datasets import DataOptions, load_dataset
from mcu_nas.datasets.channels import Channels
from mcu_nas.devices.host_accuracy import host_outputs
from mcu_nas.errors import UsageError
from mcu_nas.extras import require
from mcu_nas.files import write_bytes
from mcu_nas.quantize.origins import Task, quantize_model

_NEXT_BOARD = "stm32f746g-disco"


def _list_functions(context: click.Context, parameter: click.Parameter, asked: bool) -> None:
    """--functions prints and ends, as --help does."""
    if asked:
        require("torch", "quantize --functions")
        from mcu_nas.quantize.torch_import import supported_functions

        print("\n".join(supported_functions()))
        context.exit()


@click.command(
    epilog="""\b
Examples:
  mcu-nas quantize my_model.py:make_model --data fashion-mnist
  mcu-nas quantize kws.keras --data ./digits --pixels 255 --out kws.tflite
  mcu-nas quantize float.tflite --data fashion-mnist --samples 1000"""
)
@click.argument("model", metavar="MODEL")
@data_option
@image_options
@click.option("--out", type=PATH, metavar="FILE", help="File to write; <MODEL>_int8.tflite by default.")
@click.option(
    "--samples",
    type=click.IntRange(min=1),
    default=500,
    show_default=True,
    help="Training images that calibrate, a stratified sample.",
)
@seed_option
@click.option(
    "--pixels",
    "white",
    type=click.Choice(["1", "255"]),
    default="1",
    show_default=True,
    help="What a white pixel is to the model: inputs from 0 to 1, or from 0 to 255.",
)
@click.option(
    "--input-shape",
    type=Numbers(int),
    metavar="H,W,C",
    help="Input of a model that takes any; the data's by default.",
)
@click.option(
    "--functions",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_list_functions,
    help="List the functions that a PyTorch module may use, by ATen's names, and exit.",
)
@json_option
def command(
    model: str,
    data: str,
    channels: Channels | None,
    image_px: int | None,
    out: Path | None,
    samples: int,
    seed: int,
    white: str,
    input_shape: tuple[int, ...] | None,
    as_json: bool,
) -> None:
    """Quantize a float model to int8 and compare both on the test images.

    MODEL is FILE.py:NAME (a function without arguments that makes a PyTorch module, or the module), a .keras
    file or a SavedModel's folder (both need TensorFlow), or a float .tflite. It gets float pixels; whatever
    normalisation it wants must be inside it. FILE.py is run as it is: give only files that you trust.
    """
    if input_shape is not None and len(input_shape) != 3:
        raise UsageError("--input-shape takes three numbers: height, width, channels")
    path = out or Path(f"{Path(model.rpartition(':')[0] or model).stem}_int8.tflite")
    if Path(model).exists() and path.exists() and path.samefile(model):
        raise UsageError(f"{path}: is the model itself; give another --out")
    with Bars() as bars:
        dataset = load_dataset(data, DataOptions(channels, image_px), reading(bars))
    task = Task(dataset, samples, seed, float(white), input_shape)
    written = path.absolute()  # the user's file may change the current folder
    result = quantize_model(model, task)
    with tempfile.TemporaryDirectory(prefix="mcu_nas-quantize-") as folder:
        tried = Path(folder, path.name)
        tried.write_bytes(result.tflite)
        int8 = host_outputs(tried, result.test_images, task.pixels(result.test_images))
    write_bytes(written, result.tflite)
    decisions = result.float_outputs.argmax(1), int8.outputs.argmax(1)
    record: dict[str, Any] = {
        "model": model,
        "out": str(path),
        "tflite_bytes": len(result.tflite),
        "data": dataset.name,
        "samples": min(samples, len(dataset.train_images)),
        "images": len(result.test_images),
        "float_accuracy": float(np.mean(decisions[0] == dataset.test_labels)),
        "float_by": result.float_by,
        "int8_accuracy": float(np.mean(decisions[1] == dataset.test_labels)),
        "int8_by": int8.by,
        "agreement": float(np.mean(decisions[0] == decisions[1])),
        "notes": [*result.notes, *filter(None, [int8.note]), *_doubts(decisions[0])],
        "next": f"mcu-nas audit {shlex.quote(str(path))} --board {_NEXT_BOARD}",
    }
    print(json.dumps(record, indent=2) if as_json else _text(record))


def _doubts(decided: np.ndarray) -> list[str]:
    """What makes the accuracies meaningless."""
    return ["it decides one class for every image: is it trained?"] if len(np.unique(decided)) == 1 else []


def _text(record: dict[str, Any]) -> str:
    lines = (
        f"{record['out']}: {record['tflite_bytes']:,} B, calibrated on {record['samples']:,} images",
        f"float: {record['float_accuracy']:7.2%} of {record['images']:,} test images, "
        f"by {record['float_by']}",
        f"int8:  {record['int8_accuracy']:7.2%}, by {record['int8_by']}; "
        f"decides as the float model on {record['agreement']:.2%}",
        *(f"note:  {note}" for note in record["notes"]),
        f"next: {record['next']}",
    )
    return "\n".join(lines)
