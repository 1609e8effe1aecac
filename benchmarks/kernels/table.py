"""kernels.md: the rows of results.jsonl as three tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.kernels.cases import Case
from benchmarks.kernels.choices import LARGEST_LOSS, choices
from benchmarks.kernels.rows import Row
from mcu_nas.compiler.target import Loads
from mcu_nas.operators import DepthwiseConv2D

TABLE = Path(__file__).with_name("kernels.md")
_INTRODUCTION = """\
# Generated kernels (simulated cores, instructions)

Made by `python -m benchmarks.kernels.run`. A unit of work is a MAC, of a sum an element, of an average a
value. LDM and LDRD are the two forms of loads (`--loads`), LDM the default. Weights are drawn as training
leaves them.

## Inner loops

For each unit of work: instructions, which are the kernel's floor, and estimated cycles. No board has
confirmed the cycles; `benchmarks/kernels/cycles.py` says what is doubtful of them. Of each kernel the case
with the lowest floor, of depthwise ones for each window.
"""


def write_table(cases: Sequence[Case], rows: Sequence[Row]) -> None:
    """kernels.md anew."""
    lines = [_INTRODUCTION, *_inner_loops(cases, rows)]
    shown: dict[str, list[Row]] = {}
    for core in dict.fromkeys(row.core for row in rows):
        of_core = [row for row in rows if row.core == core]
        figures = [replace(row, core="") for row in of_core]
        lines += ["", f"## Layers on a {core}", ""]
        if same := [other for other, seen in shown.items() if seen == figures]:
            lines.append(f"All figures are those of a {same[0]}.")
            continue
        shown[core] = figures
        lines += _layers(cases, of_core)
        lines += ["", f"## The catalogue's choices on a {core}", "", *_choices(cases, of_core, core)]
    TABLE.write_text("\n".join([*lines, ""]), encoding="utf-8")


def _inner_loops(cases: Sequence[Case], rows: Iterable[Row]) -> Iterator[str]:
    networks = {case.name: case.network for case in cases}
    lowest: dict[tuple[object, ...], Row] = {}
    for row in rows:
        op = networks[row.case].ops[0]
        window = networks[row.case].shape(op.inputs[1])[1:3] if isinstance(op, DepthwiseConv2D) else ()
        kind = (row.kernel, *window, op.stride if window else ())
        if kind not in lowest or row.ldm.floor < lowest[kind].ldm.floor:
            lowest[kind] = row
    by = list(next(iter(lowest.values())).ldm.cycles)
    heads = [f"{loads.name}{what}" for loads in Loads for what in ("", *(f", {name}" for name in by))]
    yield from _head(("kernel", "case"), heads)
    for row in lowest.values():
        forms = [row.form(loads) for loads in Loads]
        numbers = [number for form in forms for number in (form.floor, *(form.cycles[name] for name in by))]
        yield _line((row.kernel, row.case), [f"{number:.3f}" for number in numbers])


def _layers(cases: Sequence[Case], rows: Iterable[Row]) -> Iterator[str]:
    """Whole calls; the error of the catalogue's rule beside them."""
    yield "Whole calls, from NHWC to NHWC where a case says nothing else. Rule: by how much the catalogue's"
    yield "`effort` is off."
    yield ""
    heads = ("instructions", "per unit", "floor", "LDRD per unit", "rule")
    yield from _head(("case", "kernel"), (*heads, "code B", "constants B", "scratch B", "stack B"))
    by_name = {case.name: case for case in cases}
    for row in rows:
        case = by_name[row.case]
        effort = case.kernel(row.kernel).effort(case.network, case.network.ops[0])
        numbers = [f"{row.ldm.instructions:,}", f"{row.per_work(Loads.LDM):.3f}", f"{row.ldm.floor:.3f}"]
        numbers += [
            f"{row.per_work(Loads.LDRD):.3f}",
            f"{100 * (effort / row.ldm.instructions - 1):+.0f} %",
        ]
        sizes = (row.ldm.code_bytes, row.constants_bytes, row.scratch_bytes, row.stack_bytes)
        yield _line((row.case, row.kernel), [*numbers, *(f"{size:,}" for size in sizes)])


def _choices(cases: Sequence[Case], rows: Iterable[Row], core: str) -> Iterator[str]:
    """What is ranked first and is not the fastest."""
    found = list(choices(cases, rows, core))
    missed = [choice for choice in found if choice.loss > 0]
    yield f"Of {len(found)} choices among kernels {len(found) - len(missed)} are the fastest."
    yield f"A test lets the others lose {100 * LARGEST_LOSS:.0f} %."
    yield ""
    yield from _head(("case", "weights", "chosen", "fastest"), ("loss",))
    for choice in missed:
        names = (choice.case, choice.weights.value, choice.chosen.kernel, choice.fastest.kernel)
        yield _line(names, [f"{100 * choice.loss:.1f} %"])


def _head(names: Sequence[str], numbers: Sequence[str]) -> Iterator[str]:
    yield f"| {' | '.join((*names, *numbers))} |"
    yield "|" + "---|" * len(names) + "---:|" * len(numbers)


def _line(names: Sequence[str], numbers: Sequence[str]) -> str:
    return f"| {' | '.join((*names, *numbers))} |"
