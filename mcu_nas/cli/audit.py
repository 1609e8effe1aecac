"""``mcu-nas audit``: memory, MACs and flash per layer, and whether a board can hold the model."""

from __future__ import annotations

import json
import shlex
import tempfile
from dataclasses import asdict, replace
from pathlib import Path

import click

from mcu_nas.boards import Board, load_board
from mcu_nas.cli.bars import usage_bar
from mcu_nas.cli.ceilings import Ceiling, CeilingType, complaints
from mcu_nas.cli.options import (
    PATH,
    board_option,
    json_option,
    kernel_options,
    optimize_option,
    weights_option,
)
from mcu_nas.cli.table import text_table
from mcu_nas.cli.target import model_path
from mcu_nas.compiler.emit import write_sources
from mcu_nas.compiler.passes.pipeline import Passed, run_passes
from mcu_nas.compiler.planner import Optimize, Plan, plan_like
from mcu_nas.compiler.target import WeightStorage
from mcu_nas.cost.audit import Audit, AuditRow, PlanFigures, audit
from mcu_nas.cost.board_program import load_program_for
from mcu_nas.cost.core_profile import load_core_profile
from mcu_nas.cost.peak_advice import PeakAdvice, peak_advice
from mcu_nas.cost.peak_rules import RULES
from mcu_nas.devices.build import build_firmware
from mcu_nas.devices.image_sizes import ImageSizes, image_sizes
from mcu_nas.errors import JobError, UsageError
from mcu_nas.extras import require
from mcu_nas.network import Network
from mcu_nas.tflite.reader import read_tflite
from mcu_nas.units import format_bytes, format_kib

_LONGEST_LAYER_NAME = 32


@click.command(
    epilog="""\b
Examples:
  mcu-nas audit kws.tflite --board stm32f746g-disco
  mcu-nas audit kws.tflite --board stm32f746g-disco --map kws.svg
  mcu-nas audit kws.tflite --board stm32f746g-disco --fail-above sram=80% --fail-above flash=200KiB
  mcu-nas audit runs/fashion --board stm32f746g-disco --json"""
)
@click.argument("target", metavar="MODEL.tflite|RUN", type=PATH)
@board_option
@click.option(
    "--map",
    "map_path",
    type=PATH,
    metavar="FILE.svg|FILE.png",
    help="Draw which tensor lies where in the arena while which operator runs.",
)
@click.option("--build", is_flag=True, help="Build the firmware and report what the linked image holds.")
@click.option(
    "--fail-above",
    "ceilings",
    type=CeilingType(),
    multiple=True,
    metavar="WHAT=LIMIT",
    help="Exit with 1 above a limit: sram=80%, flash=200KiB, macs=5M (million). Repeatable.",
)
@optimize_option
@weights_option
@json_option
@click.pass_context
def command(
    context: click.Context,
    target: Path,
    board: str,
    map_path: Path | None,
    build: bool,
    ceilings: tuple[Ceiling, ...],
    optimize: Optimize | None,
    weights: WeightStorage | None,
    as_json: bool,
) -> None:
    """Show memory, MACs and flash per layer, and whether a board can hold the model.

    The layers are those that run, after the passes, which say what they saved. Peak memory stands under
    each of its named rules (docs/memory.md); 'planned' is what the generated firmware allocates under the
    plan that the board gets, or that of --optimize, and what the verdict compares. The exit code is 1 where
    the model does not fit, or exceeds a limit of --fail-above. The keys of --json are listed in docs/json.md.
    """
    if map_path is not None:
        _refuse_other_endings(map_path)
    model = model_path(target)
    the_board = load_board(board)
    given = read_tflite(model)
    passed = run_passes(given)
    network = passed.graph.network
    result = audit(network, the_board, load_core_profile(the_board.core), optimize, weights)
    advice = peak_advice(network, result.plan)
    if map_path is not None:
        _draw(network, result.plan, the_board, model, map_path)
    linked = _linked(model, the_board, result) if build and result.fits else None
    estimated = result.as_json()
    if linked is not None:  # the verdict and the limits are about the image
        result = replace(result, code_bytes=linked.model_bytes - result.constants_bytes)
    above = complaints(ceilings, result)
    following = _next_command(result, target, kernel_options(optimize, weights), bool(above))
    if as_json:
        record = {
            "model": str(model),
            "tflite_bytes": model.stat().st_size,
            **estimated,
            "fits": result.fits,
            "verdict": result.verdict,
            "given_arena_bytes": plan_like(given.network, result.plan).arena_bytes,
            "passes": [asdict(saving) for saving in passed.savings],
            "peak": asdict(advice),
            "linked": asdict(linked) if linked else None,
            "map": None if map_path is None else str(map_path),
            "above": above,
            "next": following,
        }
        print(json.dumps(record, indent=2))
    else:
        print(_table(result))
        print(f"\n{_totals(result, model, linked)}\n\n{_peak(result, advice)}")
        print(_passes(passed))
        if build and linked is None:
            print("not built: the model does not fit")
        if map_path is not None:
            print(f"map:    {map_path}")
        print(f"\n{result.verdict}\nnext: {following}")
    if above:
        raise JobError(f"{model}: {'; '.join(above)}")
    if not result.fits:
        context.exit(1)


def _refuse_other_endings(path: Path) -> None:
    if path.suffix not in (".svg", ".png"):
        raise UsageError(f"{path}: the map is written as .svg or .png")
    require("matplotlib", "--map")


def _draw(network: Network, the_plan: Plan, board: Board, model: Path, path: Path) -> None:
    from mcu_nas.report.memory_map import write_memory_map  # loads matplotlib

    write_memory_map(network, the_plan, board, model.name, path)


def _linked(model: Path, board: Board, result: Audit) -> ImageSizes:
    program = load_program_for(
        model, board, optimize=result.plan.optimize, weights=result.plan.target.weights
    )
    with tempfile.TemporaryDirectory(prefix="mcu_nas-audit-") as folder:
        sources = Path(folder, "c")
        write_sources(program, sources)
        image = build_firmware(sources, program.name, board, Path(folder, "firmware"))
        return image_sizes(image, program.name)


def _table(result: Audit) -> str:
    header = ("op", "", "layer", "output", "MACs", "weights", *RULES)
    rows = [_cells(row, result.usable_sram_bytes) for row in result.rows]
    peaks = [format_kib(result.peak_bytes[rule]) for rule in RULES]
    rows.append(("", "total, peak", "", "", f"{result.macs:,}", f"{result.weight_bytes:,}", *peaks))
    return text_table(header, rows, right=(0, *range(4, len(header))))


def _cells(row: AuditRow, usable_sram_bytes: int) -> tuple[str, ...]:
    """A row of the table; '!' marks a layer that does not fit by itself."""
    blocks = (row.memory_bytes["planned"] or 0) > usable_sram_bytes
    memory = (row.memory_bytes[rule] for rule in RULES)
    return (
        f"{'!' if blocks else ''}{row.index}",
        row.op,
        _shortened(row.layer),
        "×".join(str(size) for size in row.output_shape[1:]) or "1",
        f"{row.macs:,}" if row.macs else "-",
        f"{row.weight_bytes:,}" if row.weight_bytes else "-",
        *("-" if size is None else format_kib(size) for size in memory),
    )


def _shortened(layer: str) -> str:
    """A converter joins the names of fused layers with ';': the first is enough to find it."""
    first = layer.split(";")[0]
    first = "".join(character if character.isprintable() else "?" for character in first)
    return first if len(first) <= _LONGEST_LAYER_NAME else "…" + first[1 - _LONGEST_LAYER_NAME :]


def _totals(result: Audit, model: Path, linked: ImageSizes | None) -> str:
    reserved = {name: format_bytes(size) for name, size in result.reserved_bytes.items()}
    without_input = format_bytes(result.live_without_input_bytes)
    lines = (
        "weights in bytes; memory in KiB under each rule, planned = what the firmware allocates",
        f"MACs:   {result.macs / 1e6:,.3f} M",
        f"SRAM:   arena {format_bytes(result.arena_bytes)} ({result.arena_bytes:,} B); beside it"
        f" stack {reserved['stack']}, harness {reserved['harness']};"
        f" live without the input tensor {without_input}",
        *(f"plan:   {_plan(figures)}" for figures in result.plans),
        f"flash:  {_linked_flash(linked) if linked else _estimated_flash(result)}",
        f"file:   {format_bytes(model.stat().st_size)}",
        "",
        usage_bar("RAM", result.arena_bytes, result.usable_sram_bytes),
        usage_bar("flash", result.flash_bytes, result.usable_flash_bytes),
    )
    return "\n".join(lines)


def _plan(figures: PlanFigures) -> str:
    """``for memory: arena 8,125 B, its bound; 13.20 M instructions (estimated)``."""
    gap = figures.plan.arena_bytes - figures.plan.bound_bytes
    bound = f"{gap:,} B above its bound" if gap else "its bound"
    taken = "; what compile, run and flash take" if figures.taken else ""
    return (
        f"for {figures.plan.optimize}: arena {figures.plan.arena_bytes:,} B, {bound};"
        f" {figures.instructions_estimated / 1e6:,.2f} M instructions (estimated){taken}"
    )


def _estimated_flash(result: Audit) -> str:
    weights = format_bytes(result.weight_bytes)
    others = format_bytes(result.constants_bytes - result.weight_bytes)
    code, harness = format_bytes(result.code_bytes), format_bytes(result.reserved_bytes["flash"])
    return f"weights {weights} + constants {others} + code {code} (estimated); beside them harness {harness}"


def _linked_flash(linked: ImageSizes) -> str:
    weights, others = format_bytes(linked.weights_bytes), format_bytes(linked.constants_bytes)
    code, kernels = format_bytes(linked.model_code_bytes), format_bytes(linked.kernels_bytes)
    return (
        f"weights {weights} + constants {others} + layers' code {code} + kernels {kernels} (linked);"
        f" beside them harness and port {format_bytes(linked.rest_bytes)}"
    )


def _peak(result: Audit, advice: PeakAdvice) -> str:
    """Which operator sets the peak, and which change would lower it most."""
    row = result.rows[advice.op_index]
    where = f"op {row.index} {row.op} ({_shortened(row.layer)})"
    arena = format_bytes(advice.arena_bytes)
    lines = [f"peak:   {where} holds {format_bytes(advice.op_bytes)} of the arena's {arena}"]
    if advice.changes:
        best = advice.changes[0]
        lines.append(f"lower:  {best} would bring the arena from {arena} to {format_bytes(best.arena_bytes)}")
        gentle = next((change for change in advice.changes if change.keeps_weights), best)
        if gentle != best:
            lines.append(f"    or: {gentle}: {format_bytes(gentle.arena_bytes)}")
    elif advice.obstacle:
        lines.append(f"lower:  no advice: {advice.obstacle}")
    else:
        lines.append(f"lower:  none of the {advice.tried} changes tried lowers the arena")
    return "\n".join(lines)


def _passes(passed: Passed) -> str:
    """What each pass saved, and the arena without them."""
    if not passed.savings:
        return "passes: none found anything to save"
    lines = [
        f"passes: arena of the model as given, kernels in C, {format_bytes(passed.given_arena_bytes)}"
        f" ({passed.given_arena_bytes:,} B), after them {format_bytes(passed.arena_bytes)}"
    ]
    for saving in passed.savings:
        saved = (
            f"{saving.operators} operator{'s' * (saving.operators > 1)}" if saving.operators else "",
            f"{saving.macs:,} MACs" if saving.macs else "",
            f"{format_bytes(saving.weights_bytes)} of weights" if saving.weights_bytes else "",
            f"{format_bytes(saving.arena_saved_bytes)} of arena" if saving.arena_saved_bytes else "",
        )
        what = ", ".join(filter(None, saved)) or "nothing by itself"
        lines.append(f"        {saving.name}: {what}")
    return "\n".join(lines)


def _next_command(result: Audit, target: Path, chosen: str, above: bool) -> str:
    if not result.fits:
        return "mcu-nas boards"
    name = shlex.quote(str(target))
    if above:
        picture = shlex.quote(f"{target.stem}.svg")
        return f"mcu-nas audit {name} --board {result.board}{chosen} --map {picture}"
    return f"mcu-nas compile {name} --board {result.board} --out {shlex.quote(target.stem + '_c')}{chosen}"
