"""Writing a firmware image to a board through its debug probe, with OpenOCD or st-flash.

Both are started once, and a second time with the reset line held while they connect: firmware that sleeps
or has lost its clocks can keep a probe out otherwise. OpenOCD is told to verify; st-flash always does.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from serial.tools import list_ports
from serial.tools.list_ports_common import ListPortInfo

from mcu_nas.board_tables import Flash, FlashTool
from mcu_nas.boards import Board
from mcu_nas.devices.toolchain import find_tool, run_tool
from mcu_nas.errors import DeviceError, ToolError, UsageError

# USB identities of ST-LINKs with a serial port, V2-1 and V3 (OpenOCD 0.12, interface/stlink.cfg).
_ST_VENDOR = 0x0483
_ST_LINKS = (0x374B, 0x374D, 0x374E, 0x374F, 0x3752, 0x3753, 0x3754)

# What the tools say when the flash reads back differently: OpenOCD's `program`, and stlink's flash_loader.
_VERIFY_FAILED = re.compile(r"\*\* Verify Failed \*\*|verification of flash failed", re.IGNORECASE)
_COMPLAINT = re.compile(r"(?:.*\b(?:ERROR|WARN)\b|Error:)\s*(.*\S)")


@dataclass(frozen=True)
class FlashCommands:
    """The command lines that write an image: the usual one, and the one that connects under reset."""

    plain: tuple[str, ...]
    under_reset: tuple[str, ...]


def choose_tool(board: Board, wanted: FlashTool | None, *, must_be_installed: bool = True) -> FlashTool:
    """The tool asked for, else the first of the board's that is installed.

    Raises:
        UsageError: the board cannot be flashed, or not with that tool.
        ToolError: what is to be used is not installed.
    """
    tools = _flash(board).tools
    if wanted is not None and wanted not in tools:
        raise UsageError(f"{board.name} is not flashed with {wanted}: its file names {' and '.join(tools)}")
    candidates = tools if wanted is None else (wanted,)
    installed = [tool for tool in candidates if shutil.which(tool)]
    if installed or not must_be_installed:
        return (installed or list(candidates))[0]
    if len(candidates) == 1:
        find_tool(candidates[0])  # says what to install
    raise ToolError(
        f"neither {' nor '.join(candidates)} is installed: `apt install openocd` or"
        " `apt install stlink-tools` brings one on Debian"
    )


def flash_commands(board: Board, tool: FlashTool, binary: Path, probe: str | None) -> FlashCommands:
    """How ``tool`` writes a raw image to the start of the board's flash, verifies it and resets the board.

    Args:
        probe: the probe's serial number, or None for the only one.

    Raises:
        UsageError: the board cannot be flashed, or OpenOCD cannot be told the path.
    """
    origin = f"{board.largest_region('flash').origin:#010x}"
    if tool == "st-flash":
        chosen = ("--serial", probe) if probe else ()
        write = ("--reset", "write", str(binary), origin)
        return FlashCommands(
            ("st-flash", *chosen, *write), ("st-flash", *chosen, "--connect-under-reset", *write)
        )
    if re.search(r"[{}\\]", str(binary)):  # Tcl gives them a meaning even where the path is quoted
        raise UsageError(f"{binary}: OpenOCD takes no braces or backslashes in a path: choose another --out")
    program = ("-c", f"program {{{binary}}} {origin} verify reset exit")
    plain, under_reset = (openocd_setup(board, probe, under_reset=held) for held in (False, True))
    return FlashCommands((*plain, *program), (*under_reset, *program))


def openocd_setup(board: Board, probe: str | None, *, under_reset: bool) -> tuple[str, ...]:
    """OpenOCD's command line up to where it connects; its last options win over its configuration file's."""
    config = _flash(board).openocd_config or ""
    chosen = ("-c", f"adapter serial {probe}") if probe else ()
    held = ("-c", "reset_config connect_assert_srst") if under_reset else ()
    return ("openocd", "-f", config, *chosen, *held)


def _flash(board: Board) -> Flash:
    if board.flash is None:
        emulated = f": `mcu-nas run --board {board.name}` needs no flashing" if board.emulator else ""
        raise UsageError(f"{board.name} cannot be flashed: its file has no [flash] table{emulated}")
    return board.flash


def has_st_link(board: Board) -> bool:
    """Whether the board's probe is an ST-LINK, the only kind that can be listed here: st-flash drives it."""
    return "st-flash" in _flash(board).tools


def find_probes(board: Board) -> tuple[str, ...] | None:
    """Serial numbers of the probes on USB that may be the board's, or None where they cannot be listed.

    st-info lists all ST-LINKs. Without it, those with a serial port are known; that none has one proves
    nothing, and the flash tool finds out.
    """
    if not has_st_link(board):
        return None
    if shutil.which("st-info"):
        said = run_tool("st-info", ["--probe"]).stdout
        return tuple(dict.fromkeys(re.findall(r"^\s*serial:\s*([0-9A-Za-z]+)\s*$", said, re.MULTILINE)))
    return tuple(port.serial_number for port in _st_link_ports() if port.serial_number) or None


def choose_probe(found: Sequence[str] | None, wanted: str | None) -> str | None:
    """The serial number to give to the tool; None where it finds the only probe by itself.

    Raises:
        UsageError: several probes and none chosen, or the chosen one is not there, or is no serial number.
        DeviceError: no probe is plugged in.
    """
    if wanted is not None and not re.fullmatch("[0-9A-Za-z]+", wanted):
        raise UsageError(f"--probe '{wanted}' is no serial number of a probe: letters and digits only")
    if found is None:
        return wanted
    if not found:
        raise DeviceError(
            "no ST-LINK probe found: is the board's debug USB port plugged in, and yours to open?"
        )
    if wanted is None and len(found) > 1:
        raise UsageError(f"{len(found)} probes found, {', '.join(found)}: choose one with --probe")
    matches = [serial for serial in found if wanted is None or serial.lower() == wanted.lower()]
    if not matches:
        raise UsageError(f"--probe {wanted} is not plugged in: found {', '.join(found)}")
    return matches[0]


def flash(commands: FlashCommands) -> bool:
    """Writes the image; True where that needed the second try, under reset.

    Raises:
        ToolError: the tool is not installed.
        DeviceError: it failed twice, or the flash does not hold what was written.
    """
    for command in (commands.plain, commands.under_reset):
        done = run_tool(command[0], command[1:])
        said = f"{done.stdout}\n{done.stderr}"
        if _VERIFY_FAILED.search(said):
            raise DeviceError(
                f"{command[0]}: verification failed: the flash does not hold what was written;"
                " try again, and check the board's supply and cable"
            )
        if done.returncode == 0:
            return command == commands.under_reset
    raise DeviceError(
        f"{command[0]} failed, also under reset: {_complaint(said)}:"
        " are board and probe plugged in and powered?"
    )


def _complaint(said: str) -> str:
    """The first line that tells of an error, else the last of all."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    errors = [match[1] for line in lines if (match := _COMPLAINT.fullmatch(line))]
    return (errors or lines[-1:] or ["no message"])[0]


def find_port(board: Board, probe: str | None) -> str | None:
    """The serial port of the board's ST-LINK, the only one or that named; None where that is not one port."""
    if not has_st_link(board):
        return None
    ports = [
        port.device
        for port in _st_link_ports()
        if probe is None or (port.serial_number or "").lower() == probe.lower()
    ]
    return ports[0] if len(ports) == 1 else None


def _st_link_ports() -> list[ListPortInfo]:
    return [port for port in list_ports.comports() if port.vid == _ST_VENDOR and port.pid in _ST_LINKS]
