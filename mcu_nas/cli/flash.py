"""``mcu-nas flash``: a model onto a board, through its debug probe."""

from __future__ import annotations

import json
import shlex
import tempfile
from pathlib import Path

import click

from mcu_nas.board_tables import FlashTool
from mcu_nas.boards import Board, load_board
from mcu_nas.cli.device import refuse_empty_port
from mcu_nas.cli.options import (
    PATH,
    board_option,
    json_option,
    kernel_options,
    loads_option,
    optimize_option,
    weights_option,
)
from mcu_nas.cli.target import model_path
from mcu_nas.compiler.emit import write_sources
from mcu_nas.compiler.planner import Optimize
from mcu_nas.compiler.program import Program
from mcu_nas.compiler.target import Loads, WeightStorage
from mcu_nas.cost.board_program import load_program_for
from mcu_nas.devices.build import build_firmware
from mcu_nas.devices.flasher import (
    FlashCommands,
    choose_probe,
    choose_tool,
    find_port,
    find_probes,
    flash,
    flash_commands,
)
from mcu_nas.devices.session import connected_device
from mcu_nas.errors import DeviceError


@click.command(
    epilog="""\b
Examples:
  mcu-nas flash kws.tflite --board stm32f746g-disco
  mcu-nas flash kws.tflite --board stm32f746g-disco --tool st-flash --dry-run
  mcu-nas flash runs/stm32f746g-disco-fashion-mnist --board stm32f746g-disco --port /dev/ttyACM0

\b
Not yet tried on a physical probe."""
)
@click.argument("target", metavar="MODEL.tflite|RUN", type=PATH)
@board_option
@click.option(
    "--tool",
    type=click.Choice(["openocd", "st-flash"]),
    help="By default, what the board has and is installed.",
)
@click.option("--probe", metavar="SERIAL", help="The probe's serial number, where several are plugged in.")
@click.option(
    "--port",
    metavar="P",
    help="Serial port on which the flashed firmware is asked for its model; by default the probe's own.",
)
@click.option(
    "--out",
    "out_dir",
    type=PATH,
    metavar="DIR",
    help="Folder for the firmware; firmware/BOARD beside the model by default.",
)
@click.option("--dry-run", is_flag=True, help="Print the command lines; build and write nothing.")
@optimize_option
@weights_option
@loads_option
@json_option
def command(
    target: Path,
    board: str,
    tool: FlashTool | None,
    probe: str | None,
    port: str | None,
    out_dir: Path | None,
    dry_run: bool,
    optimize: Optimize | None,
    weights: WeightStorage | None,
    loads: Loads,
    as_json: bool,
) -> None:
    """Build a model's firmware, write it to a board, and check that the board then holds that model.

    The image is verified and the board reset. What does not connect is tried once more under reset.
    """
    refuse_empty_port(port)
    the_board = load_board(board)
    chosen_tool = choose_tool(the_board, tool, must_be_installed=not dry_run)
    model = model_path(target)
    program = load_program_for(model, the_board, optimize=optimize, weights=weights, loads=loads)
    folder = out_dir or model.parent / "firmware" / the_board.name
    binary = folder / f"{program.name}-{the_board.name}.bin"
    # A dry run asks no probe: its lines name one only if the user did.
    chosen_probe = choose_probe(None if dry_run else find_probes(the_board), probe)
    commands = flash_commands(the_board, chosen_tool, binary, chosen_probe)
    under_reset: bool | None = None
    if not dry_run:
        _build(program, the_board, folder)
        under_reset = flash(commands)
        port = port or find_port(the_board, chosen_probe)
        if port:
            _check_model(program, the_board, port)
    options = _options(tool, probe, port, out_dir) + kernel_options(optimize, weights, loads)
    record: dict[str, object] = {
        "model": program.name,
        "model_hash": program.model_hash,
        "board": the_board.name,
        "tool": chosen_tool,
        "probe": chosen_probe,
        "binary": str(binary),
        "dry_run": dry_run,
        "commands": {"plain": list(commands.plain), "under_reset": list(commands.under_reset)},
        "under_reset": under_reset,
        "port": port,
        "checked": bool(port) and not dry_run,
        "next": _next_command(target, the_board, port, dry_run, options),
    }
    print(json.dumps(record, indent=2) if as_json else _text(record, commands))


def _build(program: Program, board: Board, folder: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="mcu_nas-firmware-") as sources:
        write_sources(program, Path(sources))
        build_firmware(Path(sources), program.name, board, folder)


def _check_model(program: Program, board: Board, port: str) -> None:
    """Asks the firmware that has just started which model it holds.

    Raises:
        DeviceError: silent, or another model than was written.
        UsageError: the port cannot be opened.
    """
    with connected_device(board, port) as link:
        held = link.hello()
    if held.model_hash != program.model_hash:
        raise DeviceError(
            f"{port}: the device holds model '{held.model}' ({held.model_hash}), not '{program.name}'"
            f" ({program.model_hash}) that was just flashed: is --port the port of that board?"
        )


def _options(tool: str | None, probe: str | None, port: str | None, out_dir: Path | None) -> str:
    """The options that a dry run was given, for the command that does what it printed."""
    given = {"--tool": tool, "--probe": probe, "--port": port, "--out": out_dir}
    return "".join(f" {name} {shlex.quote(str(value))}" for name, value in given.items() if value)


def _next_command(target: Path, board: Board, port: str | None, dry_run: bool, options: str) -> str:
    typed = shlex.quote(str(target))
    if dry_run:
        return f"mcu-nas flash {typed} --board {board.name}{options}"
    follows = "measure" if target.is_dir() else "run"
    return f"mcu-nas {follows} {typed} --board {board.name} --port {shlex.quote(port or 'PORT')}"


def _text(record: dict[str, object], commands: FlashCommands) -> str:
    if record["dry_run"]:
        lines = [shlex.join(commands.plain), "# and if that fails:", shlex.join(commands.under_reset)]
    else:
        second = ", at the second try, under reset" if record["under_reset"] else ""
        lines = [
            f"flashed with {record['tool']}, verified, and reset{second}: {record['binary']}",
            f"{record['port']}: the board holds '{record['model']}' ({record['model_hash']})"
            if record["checked"]
            else "not asked which model it holds: --port names the board's serial port",
        ]
    return "\n".join([*lines, f"next: {record['next']}"])
