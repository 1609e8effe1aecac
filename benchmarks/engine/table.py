"""engine.md: the figures of all cores as tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.engine.figures import Figures
from benchmarks.engine.floors import floor_table
from benchmarks.engine.tflm_arenas import read_arenas
from mcu_nas.boards import load_board
from mcu_nas.compiler.planner import Optimize
from mcu_nas.compiler.target import WeightStorage

TABLE = Path(__file__).with_name("engine.md")
NOTE = """\
TFLM's arena: activations alone, as the greedy planner of TensorFlow Lite Micro lays them out, asked of its
interpreter by `python -m benchmarks.engine.tflm_arenas`. Its structures and the scratch memory of CMSIS-NN
come on top of that; ours is all that the kernels use, scratch included. Stack: of one inference, at most,
without the harness.

Each second table adds up the layers of all models planned for speed, by kernel. The floor: what the inner
loops of kernels in assembly take alone, counted in their text. A unit of work is a MAC, of a sum an element,
of an average a value."""
_COLUMNS = ("model", "MACs", "plan", "weights", "instructions", "per MAC", "bar")
_BYTES = ("arena B", "TFLM's arena B", "constants B", "kernels B", "stack B")
HEAD = f"| {' | '.join((*_COLUMNS, *_BYTES))} |"


def row(figures: Figures, tflm_arena_bytes: int | None) -> str:
    """A line of a table, beside the arena of TFLite Micro."""
    per_mac, bar, arena = figures.instructions / figures.macs, figures.bar, figures.arena_bytes
    beside = "–" if tflm_arena_bytes is None else f"{tflm_arena_bytes:,}"
    cells = [figures.model, f"{figures.macs:,}", figures.plan, figures.weights, f"{figures.instructions:,}"]
    cells += [f"{per_mac:.3f}", "–" if bar is None else f"{bar:.2f}" + (" missed" if per_mac > bar else "")]
    cells += [f"{arena:,}", beside + (" exceeded" if tflm_arena_bytes and arena > tflm_arena_bytes else "")]
    rest = (figures.constants_bytes, figures.kernels_bytes, figures.stack_bytes)
    return f"| {' | '.join([*cells, *(f'{number:,}' for number in rest)])} |"


def write_table(figures: Sequence[Figures], board: str) -> None:
    """engine.md: for each board, ``board`` first, a table of models and one of kernels."""
    boards = dict.fromkeys([board, *(one.board for one in figures)])
    lines = [
        "# The engine on whole models",
        "",
        "Instructions of one inference, everything from input to output tensor, on emulated cores. Made by",
        "`python -m benchmarks.engine.run --write`, or `--board NAME` for one; `make bench` compares.",
        "",
        NOTE,
    ]
    for name in boards:
        there = [one for one in figures if one.board == name]
        lines += ["", f"## {load_board(name).title}, `{name}`", "", *_models(there), "", *_kernels(there)]
    TABLE.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _models(figures: Sequence[Figures]) -> Iterator[str]:
    tflm = read_arenas()
    yield from (HEAD, "|---|" + "---:|" + "---|---|" + "---:|" * 8)
    yield from (row(one, tflm.get(one.model)) for one in figures)


def _kernels(figures: Sequence[Figures]) -> Iterator[str]:
    """All models planned for speed, by kernel."""
    fastest = [one for one in figures if one.plan == Optimize.SPEED]
    shares = {
        storage.value: [one.kernels for one in fastest if one.weights == storage] for storage in WeightStorage
    }
    yield from floor_table({weights: models for weights, models in shares.items() if models})
