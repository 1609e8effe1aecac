"""``mcu-nas boards``: what can be searched for, and what the firmware leaves of it."""

from __future__ import annotations

import json

import click

from mcu_nas.boards import Board, board_names, load_board
from mcu_nas.cli.options import json_option
from mcu_nas.cli.table import text_table


@click.command(
    epilog="""\b
Examples:
  mcu-nas boards
  mcu-nas boards --json

\b
A board of your own is a TOML file in ./boards or in ~/.config/mcu_nas/boards."""
)
@json_option
def command(as_json: bool) -> None:
    """List the boards: core, clock, memory and what a model may use of it, emulator, flash tools."""
    boards = [load_board(name) for name in board_names()]
    following = "mcu-nas space --board stm32f746g-disco --data fashion-mnist --latency 10ms"
    if as_json:
        record = {"boards": [_record(board) for board in boards], "next": following}
        print(json.dumps(record, indent=2))
        return
    header = (
        "board",
        "core",
        "clock",
        "SRAM KiB",
        "usable",
        "flash KiB",
        "usable",
        "emulator",
        "flash tools",
    )
    print(text_table(header, [_row(board) for board in boards], right=(2, 3, 4, 5, 6)))
    print("\nusable: what stack, harness and port leave for a model's arena, weights and kernels")
    print(f"next: {following}")


def _row(board: Board) -> tuple[str, ...]:
    memory = (board.sram_bytes, board.usable_sram_bytes, board.flash_bytes, board.usable_flash_bytes)
    tools = (board.emulator or "-", ", ".join(board.flash.tools) if board.flash else "-")
    return (board.name, board.core, f"{board.clock_hz / 1e6:g} MHz", *map(_kib, memory), *tools)


def _kib(size: int) -> str:
    return f"{size / 1024:,.1f}".removesuffix(".0")


def _record(board: Board) -> dict[str, object]:
    return {
        "name": board.name,
        "title": board.title,
        "core": board.core,
        "clock_hz": board.clock_hz,
        "sram_bytes": board.sram_bytes,
        "usable_sram_bytes": board.usable_sram_bytes,
        "flash_bytes": board.flash_bytes,
        "usable_flash_bytes": board.usable_flash_bytes,
        "baud": board.serial.baud,
        "emulator": board.emulator,
        "flash_tools": list(board.flash.tools) if board.flash else [],
    }
