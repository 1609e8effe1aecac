"""Instructions, arena and flash of whole models on emulated cores, and what changed since the last time.

    python -m benchmarks.engine.run                           # all, some minutes; or: make bench
    python -m benchmarks.engine.run --model DS-CNN            # models whose names contain it
    python -m benchmarks.engine.run --board qemu-cortex-m55   # on one board
    python -m benchmarks.engine.run --write                   # replace rows of results.json, and engine.md

One inference, everything from input to output tensor. Each image's outputs must equal those of the portable
C on this computer before its figures count.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.engine.figures import Figures, changes, read_results, write_results
from benchmarks.engine.floors import kernel_shares
from benchmarks.engine.models import BenchmarkModel, models
from benchmarks.engine.table import HEAD, row, write_table
from benchmarks.engine.tflm_arenas import read_arenas
from mcu_nas.boards import Board, load_board
from mcu_nas.compiler.emit import write_sources
from mcu_nas.compiler.planner import Optimize
from mcu_nas.compiler.program import Encoding, Program, compile_graph
from mcu_nas.compiler.target import Target, WeightStorage, targets
from mcu_nas.cores import instruction_set
from mcu_nas.cost.board_program import fits
from mcu_nas.devices.build import build_firmware
from mcu_nas.devices.host import HostModel
from mcu_nas.devices.image_sizes import image_sizes
from mcu_nas.devices.measurement import LayersMeasurement, measure_layers
from mcu_nas.devices.session import emulated_device
from mcu_nas.graph import Graph

MAIN_BOARD = "qemu-cortex-m7"  # all models under all plans
FURTHER_BOARDS = ("qemu-cortex-m55", "qemu-cortex-m33", "qemu-cortex-m4", "qemu-cortex-m3", "qemu-cortex-m0")
_FURTHER_MODELS = ("ResNet-8", "DS-CNN", "V1 0.25, 96", "V2 0.35, 96", "autoencoder", "classifier")


def main() -> None:
    """Measures, prints, compares."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--board", help=f"only one of {', '.join((MAIN_BOARD, *FURTHER_BOARDS))}")
    parser.add_argument("--model", default="", help="only models whose names contain this")
    parser.add_argument("--write", action="store_true", help="replace rows of results.json, and engine.md")
    options = parser.parse_args()
    measured: dict[str, Figures] = {}
    tflm = read_arenas()
    for name in [options.board] if options.board else (MAIN_BOARD, *FURTHER_BOARDS):
        print(f"{name}\n{HEAD}")
        for figures in measure_models(load_board(name), options.model):
            measured[figures.key] = figures
            print(row(figures, tflm.get(figures.model)), flush=True)
    before = read_results()
    for line in changes(before, measured):
        print(line)
    if options.write:
        now = before | measured
        write_results(now)
        write_table(list(now.values()), MAIN_BOARD)


def measure_models(board: Board, part: str) -> Iterator[Figures]:
    """The models whose names contain ``part``: on the main board all, on others one of each class."""
    is_main = board.name == MAIN_BOARD
    for model in models():
        if part in model.name and (is_main or any(name in model.name for name in _FURTHER_MODELS)):
            for optimize, target in plans_and_targets(board):
                figures = measure_model(model, board, optimize, target)
                if figures is not None:
                    yield figures


def plans_and_targets(board: Board) -> Iterator[tuple[Optimize, Target]]:
    """Plans and targets: for speed, on the main board for memory as well; weights in all ways that the core's
    kernels know."""
    if board.name == MAIN_BOARD:
        own = instruction_set(board.core)
        yield from ((Optimize.SPEED, Target(own, weights)) for weights in WeightStorage)
        yield Optimize.MEMORY, Target(own, WeightStorage.WIDE)
    else:
        yield Optimize.SPEED, targets(board.core)[0]


def measure_model(model: BenchmarkModel, board: Board, optimize: Optimize, target: Target) -> Figures | None:
    """A model's figures, or None where the board has no room for it."""
    graph = model.graph()
    program = compile_graph(graph, "model", "0" * 16, optimize=optimize, target=target)
    if not fits(program, board):
        return None
    measured, kernels_bytes, stack_bytes = run(graph, program, board)
    wide, narrow = model.per_mac
    bar = wide if target.weights is WeightStorage.WIDE else narrow
    return Figures(
        board=board.name,
        model=model.name,
        plan=optimize.value,
        weights=target.weights.value,
        macs=measured.macs,
        instructions=measured.total,
        bar=bar if optimize is Optimize.SPEED and board.name == MAIN_BOARD else None,
        arena_bytes=program.arena_bytes,
        constants_bytes=program.constants_bytes,
        kernels_bytes=kernels_bytes,
        stack_bytes=stack_bytes,
        kernels=kernel_shares(program, measured),
    )


def run(graph: Graph, program: Program, board: Board) -> tuple[LayersMeasurement, int, int]:
    """One inference layer by layer, bytes of kernels and of stack."""
    network = program.graph.network
    (source,) = network.inputs
    count = network.tensors[source].bytes
    pixels = ((37 * np.arange(count) + 11) % 256).astype(np.uint8).reshape(network.shape(source))
    values = (pixels ^ 0x80).view(np.int8)
    portable = compile_graph(graph, "model", "0" * 16)
    expected = HostModel(portable).run(values).reshape(-1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_sources(program, folder / "c")
        image = build_firmware(folder / "c", program.name, board, folder)
        sample = values if program.input_encodings[0] is Encoding.INT8 else pixels
        with emulated_device(board, image.elf) as link:
            measured = measure_layers(link, sample[0], emulated=True)
            outputs = link.outputs()
        kernels_bytes = image_sizes(image, program.name).kernels_bytes
    assert np.array_equal(outputs.reshape(-1), expected.view(outputs.dtype)), (
        "outputs differ from portable C's"
    )
    assert image.stack_bound is not None
    return measured, kernels_bytes, image.stack_bound.inference_bytes


if __name__ == "__main__":
    main()
