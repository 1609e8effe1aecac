"""The memory map as a picture: which activation lies where in the arena while which operator runs.

A column an operator, in execution order; upwards the offset in the arena. A box is an activation from the
first to the last operator that needs it. Where two boxes overlap (hatched), an operator writes over the
input that it reads: in place, or behind the rows that it has read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import FuncFormatter, MaxNLocator

from mcu_nas.boards import Board
from mcu_nas.compiler.planner import Plan
from mcu_nas.cost.peak_advice import peak_op
from mcu_nas.files import replacing
from mcu_nas.network import Network
from mcu_nas.units import format_bytes

FORMATS = (".svg", ".png")
_COLOURS = ("#60a5fa", "#fbbf24", "#4ade80", "#c084fc", "#fb7185", "#2dd4bf", "#a3a3a3", "#f97316")
_INPUT_COLOUR, _SCRATCH_COLOUR, _RED, _INK = "#cbd5e1", "#64748b", "#dc2626", "#1e293b"
_LINE_UP_TO = 1.6  # the board's limit is drawn where it lies within this multiple of the arena
_GLYPH = 0.62  # width of a character by its height, a little above the font's average
_FEWEST_POINTS, _MOST_POINTS = 4.5, 9.0


@dataclass(frozen=True)
class Box:
    """An activation on the map, or scratch memory (``tensor`` None): operators first..last, and bytes
    low..high of the arena.
    """

    tensor: int | None
    first: int
    last: int
    low: int
    high: int

    def overlap(self, other: Box) -> Box | None:
        """The part of the map that both cover."""
        first, last = max(self.first, other.first), min(self.last, other.last)
        low, high = max(self.low, other.low), min(self.high, other.high)
        return Box(self.tensor, first, last, low, high) if first <= last and low < high else None


def boxes(network: Network, plan: Plan) -> list[Box]:
    """Every activation of a network and its kernels' scratch, as its own plan places them."""
    activations = [
        Box(tensor, first, last, low := plan.offsets[tensor], low + plan.tensor_bytes(network, tensor))
        for tensor, (first, last) in network.lifetimes.items()
    ]
    scratch = [
        Box(None, index, index, low, low + plan.kernels[index].scratch_bytes(network, network.ops[index]))
        for index, low in plan.scratch.items()
    ]
    return activations + scratch


def write_memory_map(network: Network, plan: Plan, board: Board, title: str, path: Path) -> None:
    """Draws the map into an .svg or .png file (the ending decides). The same network gives the same bytes.

    ``plan`` is the network's own plan.
    """
    with rc_context({"svg.hashsalt": "memory map", "font.family": "DejaVu Sans"}):
        figure = Figure(figsize=_inches(network), layout="constrained")
        axes = figure.add_subplot()
        _draw(axes, network, plan, board)
        share = 100 * plan.arena_bytes / board.usable_sram_bytes
        axes.set_title(
            f"{title}: arena {plan.arena_bytes:,} B, {share:.1f} % of the"
            f" {format_bytes(board.usable_sram_bytes)} usable on {board.name}",
            loc="left",
            fontsize=11,
        )
        figure.draw_without_rendering()  # the size of a column, on which the labels' size depends
        _label(axes, network, plan)
        metadata: dict[str, Any] = {"Date": None} if path.suffix == ".svg" else {"Software": None}
        with replacing(path) as temporary:
            figure.savefig(temporary, format=path.suffix[1:], metadata=metadata, dpi=120)


def _inches(network: Network) -> tuple[float, float]:
    """Width and height that leave the names of all operators legible."""
    return min(max(8.0, 4.0 + 0.45 * len(network.ops)), 40.0), min(6.0 + len(network.ops) / 20, 10.0)


def _draw(axes: Axes, network: Network, plan: Plan, board: Board) -> None:
    colours = _colours(network)
    for box in boxes(network, plan):
        _rectangle(axes, box, facecolor=colours[_maker(network, box.tensor)], edgecolor=_INK, linewidth=0.8)
    for shared in _overlaps(network, plan):
        _rectangle(axes, shared, fill=False, hatch="////", edgecolor=_INK, linewidth=0, alpha=0.55, zorder=3)
    keys = [
        Patch(facecolor=colour, edgecolor=_INK, label=name)
        for name, colour in colours.items()
        if name != "scratch" or plan.scratch
    ]
    keys.append(Patch(fill=False, hatch="////", edgecolor=_INK, label="written over its input"))
    index, size = peak_op(network, plan)
    axes.axvspan(index, index + 1, color=_RED, alpha=0.13, zorder=0)
    for side in (index, index + 1):
        axes.axvline(side, color=_RED, linestyle="dashed", linewidth=1, alpha=0.6, zorder=4)
    peak = f"peak: op {index} {network.ops[index].tflite_name}, {size:,} B"
    keys.append(Patch(color=_RED, alpha=0.3, label=peak))
    axes.axhline(plan.arena_bytes, color=_INK, linestyle=":", linewidth=1)
    top = plan.arena_bytes
    if board.usable_sram_bytes <= _LINE_UP_TO * plan.arena_bytes:
        top = max(top, board.usable_sram_bytes)
        axes.axhline(board.usable_sram_bytes, color=_RED, linewidth=1.6, zorder=4)
        keys.append(Patch(color=_RED, label=f"usable SRAM: {board.usable_sram_bytes:,} B"))
    axes.set(xlim=(0, len(network.ops)), ylim=(0, top * 1.04), ylabel="offset in the arena (bytes)")
    axes.set_xticks(
        [index + 0.5 for index in range(len(network.ops))],
        [f"{index} {op.tflite_name}" for index, op in enumerate(network.ops)],
        rotation=90,
        fontsize=7,
    )
    axes.get_xticklabels()[index].set_color(_RED)
    axes.tick_params(axis="x", length=0)
    axes.yaxis.set_major_locator(MaxNLocator(8, steps=[1, 2, 4, 8, 10], integer=True))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda offset, _: f"{offset:,.0f}"))
    axes.grid(axis="y", color="#e2e8f0", zorder=-1)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.figure.legend(handles=keys, loc="outside right upper", fontsize=8, frameon=False)


def _rectangle(axes: Axes, box: Box, **style: Any) -> None:
    corner = (box.first, box.low)
    axes.add_patch(Rectangle(corner, box.last + 1 - box.first, box.high - box.low, **{"zorder": 2, **style}))


def _overlaps(network: Network, plan: Plan) -> Iterator[Box]:
    by_start = sorted(boxes(network, plan), key=lambda box: box.first)
    for one, other in combinations(by_start, 2):
        shared = one.overlap(other)
        if shared is not None:
            yield shared


def _colours(network: Network) -> dict[str, str]:
    """A colour for each kind of operator, in order of appearance, and one for inputs."""
    names = dict.fromkeys(op.tflite_name for op in network.ops)
    kinds = {name: _COLOURS[number % len(_COLOURS)] for number, name in enumerate(names)}
    return {"input": _INPUT_COLOUR, **kinds, "scratch": _SCRATCH_COLOUR}


def _maker(network: Network, tensor: int | None) -> str:
    """The key of a box in _colours."""
    if tensor is None:
        return "scratch"
    return next((op.tflite_name for op in network.ops if tensor in op.outputs), "input")


def _label(axes: Axes, network: Network, plan: Plan) -> None:
    """Shape and bytes in every box that is large enough: lying, else standing, else shorter, else not."""
    area = axes.get_window_extent()
    points = 72 / axes.figure.dpi  # of a pixel
    across = area.width / (axes.get_xlim()[1]) * points
    up = area.height / (axes.get_ylim()[1]) * points
    places = boxes(network, plan)
    for box in places:
        shape = "scratch"
        if box.tensor is not None:
            shape = "×".join(str(size) for size in network.shape(box.tensor)[1:]) or "1"
        first, last = _uncovered(box, places)
        width, height = (last + 1 - first) * across, (box.high - box.low) * up
        for text in (f"{shape}\n{box.high - box.low:,} B", shape):
            lines = text.split("\n")
            long, tall = max(map(len, lines)) * _GLYPH + 0.6, 1.25 * len(lines) + 0.3
            sizes = {
                turned: min(along / long, beside / tall, _MOST_POINTS)
                for turned, along, beside in ((0, width, height), (90, height, width))
            }
            turned = 90 if sizes[90] > sizes[0] else 0
            if sizes[turned] >= _FEWEST_POINTS:
                middle = ((first + last + 1) / 2, (box.low + box.high) / 2)
                style: dict[str, Any] = {"ha": "center", "va": "center", "color": _INK, "zorder": 5}
                style["bbox"] = {"facecolor": "#ffffff90", "edgecolor": "none", "pad": 0.5}
                axes.text(*middle, text, rotation=turned, fontsize=sizes[turned], linespacing=1.1, **style)
                break


def _uncovered(box: Box, places: Sequence[Box]) -> tuple[int, int]:
    """The columns of a box between those shared with its input or its output; where none is left, those
    before its output, and else all.
    """
    shared = [part for other in places if other is not box and (part := box.overlap(other))]
    first = max((part.last + 1 for part in shared if part.first == box.first), default=box.first)
    last = min((part.first - 1 for part in shared if part.last == box.last), default=box.last)
    choices = ((first, last), (box.first, last), (box.first, box.last))
    return next(choice for choice in choices if choice[0] <= choice[1])
