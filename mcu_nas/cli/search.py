"""``mcu-nas search``: from a board and a data set to an exported winner in a run folder."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mcu_nas.cli.options import (
    PATH,
    json_option,
    limit_options,
    seed_option,
    space_options,
)
from mcu_nas.cli.progress import Bars
from mcu_nas.errors import Interrupted, RunFolderError, UsageError
from mcu_nas.extras import require_torch
from mcu_nas.search.request import SearchRequest
from mcu_nas.search.run_folder import RunFolder

if TYPE_CHECKING:
    from mcu_nas.search.pipeline import Search

# Option of the command line -> field of the request.
REQUEST_FIELDS = {
    "board": "board",
    "data": "data",
    "effort": "effort",
    "seed": "seed",
    "threads": "threads",
    "sram": "sram_bytes",
    "flash": "flash_bytes",
    "weights": "weights_bytes",
    "latency": "latency_ms",
    "resolutions": "resolutions",
    "widths": "widths",
}


@click.command(
    epilog="""\b
Examples:
  mcu-nas search --board stm32f746g-disco --data fashion-mnist --latency 40ms
  mcu-nas search --board stm32f746g-disco --data fashion-mnist --effort standard --run runs/long
  mcu-nas search --run runs/long --resume"""
)
@click.option("--board", metavar="B", help="Board, see `mcu-nas boards`.")
@click.option("--data", metavar="D", help="Data set: fashion-mnist, or a folder with MNIST's four IDX files.")
@limit_options
@space_options
@click.option(
    "--effort",
    type=click.Choice(["quick", "standard"]),
    default="quick",
    show_default=True,
    help="quick: some minutes on two cores. standard: the papers' numbers, many hours.",
)
@click.option(
    "--run",
    "run_dir",
    type=PATH,
    metavar="DIR",
    help="Run folder to make, or to go on with; runs/<board>-<data> by default.",
)
@click.option("--resume", is_flag=True, help="Go on with a run that was cut off, as it was asked.")
@click.option(
    "--threads",
    type=click.IntRange(1, 256),
    default=2,
    show_default=True,
    help="Threads that train. Another number may round differently, so that the run keeps it.",
)
@seed_option
@json_option
@click.pass_context
def command(
    context: click.Context, run_dir: Path | None, resume: bool, as_json: bool, **options: Any
) -> None:
    """Search a network for a board and a data set, and take it to firmware.

    Stage one, supernet, evolution, fine-tuning, int8 .tflite, C, firmware for the board and for an emulated
    one with its core. Everything lands in one run folder (docs/run_folder.md); a run that was cut off goes
    on with --resume and ends with the same result.
    """
    require_torch("search")
    request = SearchRequest(**{field: options[name] for name, field in REQUEST_FIELDS.items()})
    path = run_dir or _default_folder(options)
    if resume:
        folder = RunFolder.open(path)
        recorded = folder.request()
        _refuse_changes(context, request, recorded)
        request = recorded
    elif not (request.board and request.data):
        raise UsageError("--board and --data are needed (or --run DIR --resume)")
    with Bars() as bars:
        search = _prepared(RunFolder(path), request, bars)
        if not resume:
            RunFolder.create(path, request.to_record())
        try:
            with search.folder.locked():
                search.run()
        except KeyboardInterrupt:
            raise Interrupted(
                f"interrupted: `mcu-nas search --resume --run {shlex.quote(str(path))}` goes on"
            ) from None
    _print_result(search.folder, as_json)


def _prepared(folder: RunFolder, request: SearchRequest, bars: Bars) -> Search:
    """The search, once all that it needs was found: board, data, tools, and a space in which something fits.

    Nothing is written before that.
    """
    from mcu_nas.search.effort import EFFORTS
    from mcu_nas.search.pipeline import Search
    from mcu_nas.search.task import SearchTask

    if request.effort not in EFFORTS:
        raise RunFolderError(
            f"{folder.path}/run.json: effort '{request.effort}' is none of {', '.join(EFFORTS)}: start the"
            " search anew"
        )
    task = SearchTask(request, EFFORTS[request.effort])
    task.check()
    return Search(folder, task, bars)


def _default_folder(options: dict[str, Any]) -> Path:
    if not (options["board"] and options["data"]):
        raise UsageError("--run DIR, or --board and --data, is needed to find the run folder")
    return Path("runs") / f"{options['board']}-{Path(options['data']).name}"


def _refuse_changes(context: click.Context, given: SearchRequest, recorded: SearchRequest) -> None:
    """A resumed run is the run that was asked for: an option that says otherwise is an error."""
    for option, field in REQUEST_FIELDS.items():
        typed = context.get_parameter_source(option) is click.core.ParameterSource.COMMANDLINE
        before, now = getattr(recorded, field), getattr(given, field)
        if typed and before != now:
            asked = "without" if before in (None, ()) else f"with {before}"
            raise RunFolderError(
                f"--{option} {now}: the run was asked {asked}; leave the option out to resume it,"
                " or choose another --run"
            )


def _print_result(folder: RunFolder, as_json: bool) -> None:
    from mcu_nas.cli.winner import winner_summary
    from mcu_nas.report.search_picture import write_search_picture

    write_search_picture(folder)
    print(json.dumps(folder.read(), indent=2) if as_json else winner_summary(folder))
