"""``mcu-nas search``: from a board and a data set to an exported winner in a run folder."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mcu_nas.cli.data_warnings import print_warnings
from mcu_nas.cli.options import (
    DATA_HELP,
    PATH,
    WORKERS,
    data_options,
    json_option,
    limit_options,
    seed_option,
    space_options,
)
from mcu_nas.cli.progress import Bars
from mcu_nas.errors import Interrupted, RunFolderError, UsageError
from mcu_nas.extras import require_ray, require_torch
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
    "strategy": "strategy",
    "predictor": "predictor",
    "channels": "channels",
    "image_px": "image_px",
    "mirror": "mirror",
}
_LIMITS = ("sram", "flash", "weights", "latency")
_OF_THE_SUPERNET = ("data", "seed", "resolutions", "widths", "channels", "image_px", "mirror")


@click.command(
    epilog="""\b
Examples:
  mcu-nas search --board stm32f746g-disco --data fashion-mnist --latency 40ms
  mcu-nas search --board stm32f746g-disco --data fashion-mnist --effort standard --run runs/long
  mcu-nas search --run runs/long --resume
  mcu-nas search --from runs/long --board qemu-cortex-m4 --sram 64KiB --run runs/smaller"""
)
@click.option("--board", metavar="B", help="Board, see `mcu-nas boards`.")
@click.option("--data", metavar="D", help=DATA_HELP)
@data_options
@click.option(
    "--from",
    "source",
    type=PATH,
    metavar="RUN",
    help="Search the trained supernet of RUN again, for another board or other limits, on RUN's data; limits"
    " that are not given are the board's own.",
)
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
    "--strategy",
    type=click.Choice(["evolution", "aging", "nsga2", "random"]),
    default="evolution",
    show_default=True,
    help="evolution: TinyNAS's. aging: regularized evolution. nsga2: over loss, latency, peak SRAM and flash."
    " random: the control, which the others are set beside with as many evaluations.",
)
@click.option(
    "--predictor/--no-predictor",
    default=False,
    show_default=True,
    help="Let an accuracy predictor, trained on the search's own log, choose among 20 generations of the"
    " strategy what is evaluated: a fifth of the evaluations.",
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
@click.option(
    "--workers",
    type=WORKERS,
    default=1,
    show_default=True,
    metavar="N|ray://…",
    help="Processes that evaluate at once, or the address of a Ray cluster; the results are the same. Needs"
    " the extra ray where it is not 1.",
)
@seed_option
@json_option
@click.pass_context
def command(
    context: click.Context,
    source: Path | None,
    run_dir: Path | None,
    resume: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Search a network for a board and a data set, and take it to firmware.

    Stage one, supernet, evolution, fine-tuning, int8 .tflite, C, firmware for the board and for an emulated
    one with its core. Everything lands in one run folder (docs/run_folder.md); a run that was cut off goes
    on with --resume and ends with the same result.
    """
    require_torch("search")
    if options["workers"] != 1:
        require_ray(f"--workers {options['workers']}")
    if resume:
        request, path = _resumed(context, source, run_dir, options)
    else:
        request = _request_from(context, source, options) if source else _request(options)
        path = run_dir or _default_folder(request.board, request.data)
    with Bars() as bars:
        search = replace(_prepared(RunFolder(path), request, bars), workers=options["workers"])
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
    from mcu_nas.search.listener import Together
    from mcu_nas.search.pipeline import Search
    from mcu_nas.search.progress_file import ProgressFile
    from mcu_nas.search.task import task_of

    try:
        task = task_of(request)
    except RunFolderError as error:
        raise RunFolderError(f"{folder.path}/run.json: {error}") from None
    bars.stage("data")
    print_warnings(task.dataset.findings)
    task.check_supernet(folder)
    task.check()
    return Search(folder, task, Together(bars, ProgressFile(folder.progress)))


def _request(options: Mapping[str, Any]) -> SearchRequest:
    if not (options["board"] and options["data"]):
        raise UsageError("--board and --data are needed (or --run DIR --resume, or --from RUN)")
    return SearchRequest(**{field: options[name] for name, field in REQUEST_FIELDS.items()})


def _request_from(context: click.Context, source: Path, options: Mapping[str, Any]) -> SearchRequest:
    """What is asked of the supernet of another run: that run's request, but for the limits, which are those
    given now, and for whatever else was typed."""
    from mcu_nas.search.reuse import supernet_source

    folder = RunFolder.open(source)
    earlier = folder.request()
    fields: dict[str, Any] = {}
    for option, field in REQUEST_FIELDS.items():
        given, before = options[option], getattr(earlier, field)
        if _typed(context, option):
            if option in _OF_THE_SUPERNET and given != before:
                raise UsageError(
                    f"--{option.replace('_', '-')} {given}: with --from it is that of {source}: leave it out"
                )
            fields[field] = given
        elif option in _LIMITS:
            fields[field] = None
    return replace(earlier, **fields, source=supernet_source(folder))


def _resumed(
    context: click.Context, source: Path | None, run_dir: Path | None, options: Mapping[str, Any]
) -> tuple[SearchRequest, Path]:
    """The request of a run that is to go on, and its folder."""
    if source:
        raise UsageError("--from is part of what the run was asked: leave it out to resume it")
    path = run_dir or _default_folder(options["board"], options["data"])
    folder = RunFolder.open(path)
    if "pick" in folder.read():
        raise RunFolderError(f"{path} is a pick, not a search: `{folder.going_on}` goes on with it")
    recorded = folder.request()
    for option, field in REQUEST_FIELDS.items():
        before, now = getattr(recorded, field), options[option]
        if _typed(context, option) and before != now:
            asked = "without" if before in (None, ()) else f"with {before}"
            raise RunFolderError(
                f"--{option.replace('_', '-')} {now}: the run was asked {asked}; leave the option out"
                " to resume it, or choose another --run"
            )
    return recorded, path


def _typed(context: click.Context, option: str) -> bool:
    return context.get_parameter_source(option) is click.core.ParameterSource.COMMANDLINE


def _default_folder(board: str | None, data: str | None) -> Path:
    if not (board and data):
        raise UsageError("--run DIR, or --board and --data, is needed to find the run folder")
    return Path("runs") / f"{board}-{Path(data).name}"


def _print_result(folder: RunFolder, as_json: bool) -> None:
    from mcu_nas.cli.winner import winner_summary
    from mcu_nas.report.search_picture import write_search_picture

    write_search_picture(folder)
    print(json.dumps(folder.read(), indent=2) if as_json else winner_summary(folder))
