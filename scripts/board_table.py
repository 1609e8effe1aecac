"""Writes the table of boards in README.md, between its markers, from the board files.

python scripts/board_table.py           # replaces the table
"""

from __future__ import annotations

from pathlib import Path

from mcu_nas.boards import board_names, read_board
from mcu_nas.resources import boards_dir

README = Path(__file__).parent.parent / "README.md"
BEGIN, END = "<!-- boards: made by scripts/board_table.py -->", "<!-- /boards -->"


def table() -> str:
    """The shipped boards as a Markdown table."""
    lines = [
        "| board | core | clock | SRAM KiB (usable) | flash KiB (usable) | runs in |",
        "|---|---|---|---|---|---|",
    ]
    for name in board_names():
        path = boards_dir() / f"{name}.toml"
        if not path.is_file():
            continue  # one of the user's own
        board = read_board(path)
        sram, usable_sram, flash, usable_flash = (
            f"{size / 1024:,.0f}"
            for size in (
                board.sram_bytes,
                board.usable_sram_bytes,
                board.flash_bytes,
                board.usable_flash_bytes,
            )
        )
        place = f"QEMU {board.emulator}" if board.emulator else "the real part"
        lines.append(
            f"| `{name}` | {board.core} | {board.clock_hz / 1e6:g} MHz"
            f" | {sram} ({usable_sram}) | {flash} ({usable_flash}) | {place} |"
        )
    return "\n".join(lines)


def with_table(readme: str) -> str:
    """The README's text with today's table."""
    before, _, rest = readme.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


if __name__ == "__main__":
    README.write_text(with_table(README.read_text(encoding="utf-8")), encoding="utf-8")
