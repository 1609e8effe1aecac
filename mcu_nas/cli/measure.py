"""``mcu-nas measure``: latency over many runs, and accuracy on the device."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import click

from mcu_nas.boards import Board, load_board
from mcu_nas.cli.device import built_firmware, check_way_to_device, open_device
from mcu_nas.cli.options import PATH, json_option, seed_option
from mcu_nas.cli.progress import Bars
from mcu_nas.cli.target import model_path
from mcu_nas.cost.board_program import load_program_for
from mcu_nas.cost.macs import network_macs
from mcu_nas.datasets import load_dataset
from mcu_nas.datasets.images import resize
from mcu_nas.datasets.splits import stratified_sample
from mcu_nas.devices.measurement import (
    AccuracyMeasurement,
    LatencyMeasurement,
    input_bytes,
    measure_accuracy,
    measure_latency,
)
from mcu_nas.errors import UsageError
from mcu_nas.search.run.run_folder import RunFolder


@click.command(
    epilog="""\b
Examples:
  mcu-nas measure runs/stm32f746g-disco-fashion-mnist --board qemu-cortex-m7
  mcu-nas measure runs/stm32f746g-disco-fashion-mnist --port /dev/ttyACM0 --images 500"""
)
@click.argument("run", metavar="RUN", type=PATH)
@click.option("--board", metavar="B", help="Board; the one that was searched for by default.")
@click.option("--port", metavar="P", help="Serial port of a flashed board, instead of the emulator.")
@click.option("--runs", type=click.IntRange(min=1), default=20, show_default=True, help="Timed runs.")
@click.option(
    "--warmup", type=click.IntRange(min=0), default=2, show_default=True, help="Untimed runs before."
)
@click.option(
    "--images",
    type=click.IntRange(min=1),
    default=100,
    show_default=True,
    help="Test images for the accuracy on the device, a stratified sample.",
)
@seed_option
@json_option
def command(
    run: Path,
    board: str | None,
    port: str | None,
    runs: int,
    warmup: int,
    images: int,
    seed: int,
    as_json: bool,
) -> None:
    """Measure a run's winner on a device: latency (minimum, median, maximum) and accuracy.

    On an emulated board latency is a number of instructions; on a real one cycles and milliseconds.
    """
    folder = RunFolder.open(run)
    request = folder.request()
    the_board = load_board(board or request.board)
    check_way_to_device(the_board, port)
    program = load_program_for(model_path(run), the_board)
    dataset = load_dataset(request.data, request.data_options)
    if images > len(dataset.test_labels):
        raise UsageError(f"--images {images}: {dataset.name} has {len(dataset.test_labels):,} test images")
    chosen = stratified_sample(dataset.test_labels, images, seed)
    network = program.graph.network
    pixels = resize(dataset.test_images[chosen], network.shape(network.inputs[0])[1])
    with (
        Bars() as bars,
        built_firmware(program, the_board) as image,
        open_device(the_board, image, program, port) as link,
    ):
        bars.stage("accuracy")
        accuracy = measure_accuracy(
            link,
            pixels,
            dataset.test_labels[chosen],
            emulated=port is None,
            on_image=lambda done: bars.progress(done, images, ""),
        )
        bars.stage("latency")
        link.load(input_bytes(link.hello(), pixels[0]))
        latency = measure_latency(link, runs, warmup, emulated=port is None)
    macs = network_macs(network)
    following = f"mcu-nas audit {shlex.quote(str(run))} --board {request.board}"
    if as_json:
        print(json.dumps({**_record(the_board, latency, accuracy, macs), "next": following}, indent=2))
        return
    print(_latency(latency, macs))
    low, high = accuracy.interval
    print(
        f"accuracy {accuracy.accuracy:.1%} ({accuracy.kind}), {accuracy.correct} of {accuracy.count}"
        f" test images, 95 % interval {low:.1%} to {high:.1%}"
    )
    print(f"next: {following}")


def _latency(latency: LatencyMeasurement, macs: int) -> str:
    text = (
        f"latency  {latency.least:,} / {latency.median:,} / {latency.most:,} {latency.unit}"
        f" (minimum / median / maximum of {latency.runs} runs), {latency.per_mac(macs):.2f} per MAC"
    )
    if latency.milliseconds is not None:
        text += f"\n         {latency.milliseconds:.2f} ms measured"
    return text


def _record(
    board: Board, latency: LatencyMeasurement, accuracy: AccuracyMeasurement, macs: int
) -> dict[str, object]:
    low, high = accuracy.interval
    return {
        "board": board.name,
        "latency": {
            "unit": latency.unit.name,
            "kind": latency.unit.kind,
            "runs": latency.runs,
            "minimum": latency.least,
            "median": latency.median,
            "maximum": latency.most,
            "per_mac": latency.per_mac(macs),
            "median_ms": latency.milliseconds,
        },
        "accuracy": {
            "kind": accuracy.kind,
            "images": accuracy.count,
            "correct": accuracy.correct,
            "accuracy": accuracy.accuracy,
            "interval_95": [low, high],
        },
    }
