"""Instructions, arena and flash of whole models on an emulated core, and what changed since the last time.

    python -m benchmarks.engine.run                  # all models, a few minutes; or: make bench
    python -m benchmarks.engine.run --model DS-CNN   # those whose names contain it
    python -m benchmarks.engine.run --write          # replace results.json and engine.md

One inference, everything from input to output tensor. Each image's outputs must equal those of the portable
C on this computer before its figures count.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.engine.floors import KernelShare, floor_table, kernel_shares
from benchmarks.engine.models import BenchmarkModel, models
from benchmarks.engine.tflm_arenas import ARENAS
from mcu_nas.boards import Board, load_board
from mcu_nas.compiler.emit import write_sources
from mcu_nas.compiler.planner import Optimize
from mcu_nas.compiler.program import Encoding, Program, compile_graph
from mcu_nas.compiler.target import Target, WeightStorage
from mcu_nas.cores import instruction_set
from mcu_nas.devices.build import build_firmware
from mcu_nas.devices.host import HostModel
from mcu_nas.devices.image_sizes import image_sizes
from mcu_nas.devices.measurement import LayersMeasurement, measure_layers
from mcu_nas.devices.session import emulated_device
from mcu_nas.errors import BuildError
from mcu_nas.graph import Graph

HERE = Path(__file__).parent
RESULTS, TABLE = HERE / "results.json", HERE / "engine.md"
VARIANTS = (
    (Optimize.SPEED, WeightStorage.WIDE),
    (Optimize.SPEED, WeightStorage.BYTES),
    (Optimize.MEMORY, WeightStorage.WIDE),
)
COLUMNS = ("model", "MACs", "plan", "weights", "instructions", "per MAC", "bar")
BYTES = ("arena B", "TFLM's arena B", "constants B", "kernels B", "stack B")
NOTE = """\
TFLM's arena: activations alone, as the greedy planner of TensorFlow Lite Micro lays them out, asked of its
interpreter by `python -m benchmarks.engine.tflm_arenas`. Its structures and the scratch memory of CMSIS-NN
come on top of that; ours is all that the kernels use, scratch included. Stack: of one inference, at most,
without the harness."""
HEAD = f"| {' | '.join((*COLUMNS, *BYTES))} |"


@dataclass(frozen=True)
class Figures:
    """One model under one plan. ``bar``: instructions a MAC that its class is to stay below; ``kernels``: its
    layers by the kernel that runs them."""

    model: str
    plan: str
    weights: str
    macs: int
    instructions: int
    bar: float | None
    arena_bytes: int
    constants_bytes: int
    kernels_bytes: int
    stack_bytes: int
    kernels: Mapping[str, KernelShare]

    @property
    def key(self) -> str:
        """What tells it from the others."""
        return f"{self.model}, {self.plan}, {self.weights}"

    def row(self, tflm_arena_bytes: int | None) -> str:
        """Its line of the table, beside the arena of TFLite Micro."""
        per_mac = self.instructions / self.macs
        bar = "–" if self.bar is None else f"{self.bar:.2f}" + ("" if per_mac <= self.bar else " missed")
        cells = [self.model, f"{self.macs:,}", self.plan, self.weights, f"{self.instructions:,}"]
        cells += [f"{per_mac:.3f}", bar, f"{self.arena_bytes:,}", self._beside(tflm_arena_bytes)]
        cells += [f"{number:,}" for number in (self.constants_bytes, self.kernels_bytes, self.stack_bytes)]
        return f"| {' | '.join(cells)} |"

    def _beside(self, tflm_arena_bytes: int | None) -> str:
        if tflm_arena_bytes is None:
            return "–"
        return f"{tflm_arena_bytes:,}" + (" exceeded" if self.arena_bytes > tflm_arena_bytes else "")


def main() -> None:
    """Measures, prints, compares."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--board", default="qemu-cortex-m7", help="an emulated board")
    parser.add_argument("--model", default="", help="only models whose names contain this")
    parser.add_argument("--write", action="store_true", help="replace results.json and engine.md")
    options = parser.parse_args()
    board = load_board(options.board)
    before = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    measured: dict[str, Figures] = {}
    tflm = tflm_arenas()
    print(HEAD)
    for model in models():
        if options.model not in model.name:
            continue
        for figures in figures_of(model, board):
            measured[figures.key] = figures
            print(figures.row(tflm.get(model.name)), flush=True)
    for line in changes(before, measured):
        print(line)
    if options.write:
        write({**before, **{key: asdict(figures) for key, figures in measured.items()}}, board)


def figures_of(model: BenchmarkModel, board: Board) -> Iterator[Figures]:
    """A model under each plan that the board has room for."""
    graph = model.graph()
    for optimize, weights in VARIANTS:
        target = Target(instruction_set(board.core), weights)
        program = compile_graph(graph, "model", "0" * 16, optimize=optimize, target=target)
        try:
            measured, kernels_bytes, stack_bytes = run(graph, program, board)
        except BuildError:  # too large for the board
            continue
        wide, narrow = model.per_mac
        bar = wide if weights is WeightStorage.WIDE else narrow
        yield Figures(
            model=model.name,
            plan=optimize.value,
            weights=weights.value,
            macs=measured.macs,
            instructions=measured.total,
            bar=bar if optimize is Optimize.SPEED else None,
            arena_bytes=program.arena_bytes,
            constants_bytes=program.constants_bytes,
            kernels_bytes=kernels_bytes,
            stack_bytes=stack_bytes,
            kernels=kernel_shares(program, measured),
        )


def run(graph: Graph, program: Program, board: Board) -> tuple[LayersMeasurement, int, int]:
    """One inference layer by layer, bytes of kernels and of stack.

    Raises:
        BuildError: the board has no room.
    """
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


def changes(before: dict[str, dict[str, Any]], measured: dict[str, Figures]) -> Iterator[str]:
    """A line for each figure that is not what it was."""
    for key, figures in measured.items():
        if key not in before:
            yield f"new: {key}"
            continue
        now = asdict(figures)
        for name in ("instructions", "arena_bytes", "constants_bytes", "kernels_bytes", "stack_bytes"):
            was = before[key][name]
            if now[name] != was:
                yield f"{key}: {name} {was:,} -> {now[name]:,} ({100 * (now[name] / was - 1):+.1f} %)"


def tflm_arenas() -> dict[str, int]:
    """Bytes of TFLite Micro's arena, by model, as tflm_arenas.py found them."""
    heads: dict[str, int] = json.loads(ARENAS.read_text(encoding="utf-8"))
    return heads


def write(rows: dict[str, dict[str, Any]], board: Board) -> None:
    """results.json, and engine.md from it."""
    tflm = tflm_arenas()
    lines = ",\n".join(f"{json.dumps(key)}: {json.dumps(row)}" for key, row in rows.items())
    RESULTS.write_text(f"{{\n{lines}\n}}\n", encoding="utf-8")
    figures = [_figures(row) for row in rows.values()]
    fastest = [one for one in figures if one.plan == Optimize.SPEED]
    kernels = {
        storage.value: [one.kernels for one in fastest if one.weights == storage] for storage in WeightStorage
    }
    lines = [
        f"# The engine on whole models ({board.title}, instructions)",
        "",
        "Made by `python -m benchmarks.engine.run --write`; `make bench` compares with it.",
        "",
        NOTE,
        "",
        HEAD,
        "|---|" + "---:|" + "---|---|" + "---:|" * 8,
        *(one.row(tflm.get(one.model)) for one in figures),
        "",
        "## Layers beside their kernels' floors",
        "",
        "All models above, planned for speed. The floor: what the kernels' inner loops take alone, counted",
        "in their text. A unit of work is a MAC, of a sum an element, of an average a value.",
        "",
        *floor_table(kernels),
    ]
    TABLE.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _figures(row: Mapping[str, Any]) -> Figures:
    """A row of results.json."""
    kernels = {name: KernelShare(**share) for name, share in row["kernels"].items()}
    return Figures(**{**row, "kernels": kernels})


if __name__ == "__main__":
    main()
