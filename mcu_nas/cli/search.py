"""``mcu-nas search``: from a board and a data set to an exported winner in a run folder."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mcu_nas.cli.options import (
    DATA_HELP,
    NAMES,
    PATH,
    WORKERS,
    data_options,
    json_option,
    limit_options,
    seed_option,
    space_options,
)
from mcu_nas.cli.progress import Bars
from mcu_nas.cli.reading import print_warnings, reading
from mcu_nas.cli.search_request import board_runs, default_folder, request_from, request_of, resumed
from mcu_nas.errors import Interrupted, NothingFitsError, RunFolderError
from mcu_nas.extras import require
from mcu_nas.search.request import SearchRequest
from mcu_nas.search.run.board_runs import BoardRuns
from mcu_nas.search.run.run_folder import RunFolder

if TYPE_CHECKING:
    from mcu_nas.search.pipeline import Search


class _Search(click.Command):
    """Takes `--boards A B C` for `--boards A,B,C`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if "--boards" in args:
            # what begins with a hyphen is the next option, never a board
            first = last = args.index("--boards") + 1
            while last < len(args) and not args[last].startswith("-"):
                last += 1
            if last == first:
                raise click.UsageError("Option '--boards' requires an argument.", ctx)
            args = [*args[:first], ",".join(args[first:last]), *args[last:]]
        return super().parse_args(ctx, args)


@click.command(
    cls=_Search,
    epilog="""\b
Examples:
  mcu-nas search --board stm32f746g-disco --data fashion-mnist --latency 10ms
  mcu-nas search --board stm32f746g-disco --data fashion-mnist --effort standard --run runs/long
  mcu-nas search --run runs/long --resume
  mcu-nas search --from runs/long --board qemu-cortex-m4 --sram 64KiB --run runs/smaller
  mcu-nas search --boards stm32f746g-disco qemu-cortex-m4 --data fashion-mnist --run runs/two""",
)
@click.option("--board", metavar="B", help="Board, see `mcu-nas boards`.")
@click.option(
    "--boards",
    type=NAMES,
    metavar="A,B,...",
    help="Several boards from one supernet, each with a run folder DIR/<board>, and a table at the end. The"
    " supernet is trained for the board whose space serves them all, of equals the first; with --from it is"
    " there already.",
)
@click.option("--data", metavar="D", help=DATA_HELP)
@data_options
@click.option(
    "--from",
    "source",
    type=PATH,
    metavar="RUN",
    help="Search the trained supernet of RUN again, for another board or other limits, on RUN's data. Limits"
    " that are not given are the board's own. --predictor is the default then.",
)
@limit_options
@space_options
@click.option(
    "--effort",
    type=click.Choice(["quick", "thorough", "standard"]),
    default="quick",
    show_default=True,
    help="quick: some minutes on two cores. thorough: two and a half hours. standard: the papers' numbers,"
    " many hours.",
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
    default=None,
    show_default="for thorough, and with --from",
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

    Stage one, supernet, exploration, fine-tuning, int8 .tflite, C, firmware for the board and for an emulated
    one with its core. Everything lands in one run folder (docs/run_folder.md); a run that was cut off goes
    on with --resume and ends with the same result.
    """
    from mcu_nas.cli.winner import winner_summary

    require("torch", "search")
    if options["workers"] != 1:
        require("ray", f"--workers {options['workers']}")
    workers = options["workers"]
    if isinstance(workers, str):
        from mcu_nas.search.evaluation.ray_workers import require_cluster

        require_cluster(workers)
    if options["boards"] or (run_dir and BoardRuns.exists(run_dir)):
        _search_boards(context, board_runs(context, source, run_dir, resume, options), workers, as_json)
        return
    if resume:
        request, path = resumed(context, source, run_dir, options)
    else:
        request = request_from(context, source, options) if source else request_of(options)
        path = run_dir or default_folder(request.board, request.data)
    folder = RunFolder(path)
    with Bars() as bars, _interruptible(path):
        _run(folder, request, resume, workers, bars)
    print(json.dumps(folder.read(), indent=2) if as_json else winner_summary(folder))


def _search_boards(context: click.Context, runs: BoardRuns, workers: Any, as_json: bool) -> None:
    """Every board's run in turn, those that are finished left alone; exit code 1 where one gets nothing."""
    from mcu_nas.cli.board_table import print_board_table
    from mcu_nas.search.several_boards import request_in

    obstacles = {}
    with Bars() as bars, _interruptible(runs.path):
        for request in runs.in_turn():
            folder = runs.folder(request.board)
            bars.stage(request.board)
            bars.note(str(folder.path))
            begun = folder.is_begun()
            if begun and "finished" in folder.read():
                continue
            try:
                _run(folder, request_in(runs, request), begun, workers, bars)
            except NothingFitsError as error:
                obstacles[request.board] = str(error)
    print_board_table(runs.facing(obstacles), as_json)
    context.exit(1 if obstacles else 0)


@contextmanager
def _interruptible(path: Path) -> Iterator[None]:
    """Ctrl-C says how to go on, once there is what one can go on with."""
    try:
        yield
    except KeyboardInterrupt:
        if not (RunFolder(path).is_begun() or BoardRuns.exists(path)):
            raise
        raise Interrupted(
            f"interrupted: `mcu-nas search --resume --run {shlex.quote(str(path))}` goes on"
        ) from None


def _run(folder: RunFolder, request: SearchRequest, resume: bool, workers: Any, bars: Bars) -> None:
    """One search, begun or gone on with, to its end and its picture."""
    from mcu_nas.report.search_picture import write_search_picture

    search = replace(_prepared(folder, request, bars), workers=workers)
    if not resume:
        RunFolder.create(folder.path, request.to_record())
    with folder.locked():
        search.run()
    write_search_picture(folder)


def _prepared(folder: RunFolder, request: SearchRequest, bars: Bars) -> Search:
    """The search, once all that it needs was found: board, data, tools, and a space in which something fits.

    Nothing is written before that.
    """
    from mcu_nas.search.listener import Together
    from mcu_nas.search.pipeline import Search
    from mcu_nas.search.run.progress_file import ProgressFile
    from mcu_nas.search.task import task_of

    if request.strategy == "nsga2":
        require("pymoo", "--strategy nsga2")
    try:
        task = task_of(request, on_reading=reading(bars))
    except RunFolderError as error:
        raise RunFolderError(f"{folder.path}/run.json: {error}") from None
    task.check_supernet(folder)
    task.check()
    print_warnings(task.dataset.findings)
    return Search(folder, task, Together(bars, ProgressFile(folder.progress)))
