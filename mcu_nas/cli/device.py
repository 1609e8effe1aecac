"""What ``run`` and ``measure`` share: a model built for a board, and the device that answers."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mcu_nas.boards import Board
from mcu_nas.compiler.emit import write_sources
from mcu_nas.compiler.program import Program
from mcu_nas.devices.build import FirmwareImage, build_firmware
from mcu_nas.devices.serial_link import DeviceLink
from mcu_nas.devices.session import connected_device, emulated_device
from mcu_nas.errors import DeviceError, UsageError


def check_way_to_device(board: Board, port: str | None) -> None:
    """Before firmware is built for it.

    Raises:
        UsageError: neither a port nor an emulated board.
    """
    refuse_empty_port(port)
    if port is None and not board.emulator:
        raise UsageError(
            f"{board.name} has no emulator: --port names the serial port of a flashed board;"
            " an emulated board with its core is listed by `mcu-nas boards`"
        )


def refuse_empty_port(port: str | None) -> None:
    """An empty --port is a mistake (an unset variable), not a port left out.

    Raises:
        UsageError: it is empty.
    """
    if port == "":
        raise UsageError("--port is empty: name the serial port of a flashed board, such as /dev/ttyACM0")


@contextmanager
def built_firmware(program: Program, board: Board) -> Iterator[FirmwareImage]:
    """The firmware of a model for a board, in a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="mcu_nas-firmware-") as folder:
        write_sources(program, Path(folder) / "c")
        yield build_firmware(Path(folder) / "c", program.name, board, Path(folder))


@contextmanager
def open_device(
    board: Board, image: FirmwareImage, program: Program, port: str | None
) -> Iterator[DeviceLink]:
    """The board on ``port``, or the image in the emulator.

    Raises:
        DeviceError: the device holds another model.
    """
    opened = connected_device(board, port) if port else emulated_device(board, image.elf)
    with opened as link:
        held = link.hello()
        if held.model_hash != program.model_hash:
            raise DeviceError(
                f"the device holds model '{held.model}' ({held.model_hash}), not '{program.name}'"
                f" ({program.model_hash}): `mcu-nas flash` writes it"
            )
        yield link
