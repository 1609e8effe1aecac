"""``mcu-nas audit``: memory, MACs and flash per layer, and whether a board can hold the model."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import click

from mcu_nas.boards import load_board
from mcu_nas.cli.options import PATH, board_option, json_option
from mcu_nas.cli.table import text_table
from mcu_nas.cli.target import model_path
from mcu_nas.cost.audit import Audit, AuditRow, audit
from mcu_nas.cost.core_profile import load_core_profile
from mcu_nas.cost.peak_rules import RULES
from mcu_nas.tflite.reader import read_tflite
from mcu_nas.units import format_bytes, format_kib

_LONGEST_LAYER_NAME = 32


@click.command(
    epilog="""\b
Examples:
  mcu-nas audit kws.tflite --board stm32f746g-disco
  mcu-nas audit runs/fashion --board stm32f746g-disco --json"""
)
@click.argument("target", metavar="MODEL.tflite|RUN", type=PATH)
@board_option
@json_option
@click.pass_context
def command(context: click.Context, target: Path, board: str, as_json: bool) -> None:
    """Show memory, MACs and flash per layer, and whether a board can hold the model.

    Peak memory stands under each of its named rules (docs/memory.md); 'planned' is what the generated
    firmware allocates and what the verdict compares. The exit code is 1 where the model does not fit. The
    keys of --json are listed in docs/json.md.
    """
    model = model_path(target)
    the_board = load_board(board)
    result = audit(read_tflite(model).network, the_board, load_core_profile(the_board.core))
    following = _next_command(result, target)
    if as_json:
        file = {"model": str(model), "tflite_bytes": model.stat().st_size}
        print(json.dumps({**file, **result.as_json(), "next": following}, indent=2))
    else:
        print(_table(result))
        print(f"\n{_totals(result, model)}\n\n{result.verdict}\nnext: {following}")
    if not result.fits:
        context.exit(1)


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
        "×".join(str(size) for size in row.output_shape[1:]),
        f"{row.macs:,}" if row.macs else "-",
        f"{row.weight_bytes:,}" if row.weight_bytes else "-",
        *("-" if size is None else format_kib(size) for size in memory),
    )


def _shortened(layer: str) -> str:
    """A converter joins the names of fused layers with ';': the first is enough to find it."""
    first = layer.split(";")[0]
    first = "".join(character if character.isprintable() else "?" for character in first)
    return first if len(first) <= _LONGEST_LAYER_NAME else "…" + first[1 - _LONGEST_LAYER_NAME :]


def _totals(result: Audit, model: Path) -> str:
    reserved = {name: format_bytes(size) for name, size in result.reserved_bytes.items()}
    arena, sram = format_bytes(result.arena_bytes), format_bytes(result.usable_sram_bytes)
    constants, flash = format_bytes(result.constants_bytes), format_bytes(result.usable_flash_bytes)
    without_input = format_bytes(result.live_without_input_bytes)
    lines = (
        "weights in bytes; memory in KiB under each rule, planned = what the firmware allocates",
        f"MACs:   {result.macs / 1e6:,.3f} M",
        f"SRAM:   arena {arena} of {sram}; beside it stack {reserved['stack']}, "
        f"harness {reserved['harness']}; live without the input tensor {without_input}",
        f"flash:  constants {constants} + kernels {format_bytes(result.code_bytes)} (estimated) of {flash}; "
        f"beside them harness {reserved['flash']}",
        f"file:   {format_bytes(model.stat().st_size)}, weights {format_bytes(result.weight_bytes)}",
    )
    return "\n".join(lines)


def _next_command(result: Audit, target: Path) -> str:
    if not result.fits:
        return "mcu-nas boards"
    name = shlex.quote(str(target))
    return f"mcu-nas compile {name} --board {result.board} --out {shlex.quote(target.stem + '_c')}"
