"""The small program tests/firmware/boot_probe.c, built for any board."""

from __future__ import annotations

from pathlib import Path

from mcu_nas.boards import Board
from mcu_nas.devices.build import FirmwareImage, build_program, port_sources

PROBE = Path(__file__).parents[1] / "firmware" / "boot_probe.c"


def build_probe(board: Board, out_dir: Path, *flags: str, extra: tuple[Path, ...] = ()) -> FirmwareImage:
    """The probe's image for a board; ``extra`` are further C sources."""
    sources = [PROBE, *extra, *port_sources(board)]
    return build_program(sources, [f"-DBOARD_BAUD={board.serial.baud}u", *flags], "probe", board, out_dir)
