"""A device to talk to: a board on a serial port, or an image in the emulator."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mcu_nas.boards import Board, board_names, load_board
from mcu_nas.devices.emulator import emulate
from mcu_nas.devices.serial_link import DeviceLink


@contextmanager
def emulated_device(board: Board, elf: Path) -> Iterator[DeviceLink]:
    """An image running in the emulator, linked over its pseudo-terminal.

    Raises:
        ToolError: QEMU is not installed.
        DeviceError: the emulator or the firmware in it does not answer.
    """
    with emulate(board, elf) as port, DeviceLink(port, board.serial.baud) as link:
        yield link


@contextmanager
def connected_device(board: Board, port: str) -> Iterator[DeviceLink]:
    """A board on a serial port, at the board's baud rate.

    Raises:
        UsageError: the port cannot be opened.
        DeviceError: nothing answers.
    """
    with DeviceLink(port, board.serial.baud) as link:
        yield link


def emulated_counterpart(board: Board) -> Board | None:
    """The board itself where it is emulated, else an emulated one with the same core, else None."""
    return board if board.emulator else emulated_board(board.core)


def emulated_board(core: str) -> Board | None:
    """The first emulated board with a core, if there is one."""
    boards = (load_board(name) for name in board_names())
    return next((board for board in boards if board.emulator and board.core == core), None)
