"""What `mcu-nas search` is asked, from what was typed: a new search, one from a run, one that goes on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from mcu_nas.boards import load_board
from mcu_nas.errors import RunFolderError, UsageError
from mcu_nas.search.effort import EFFORTS
from mcu_nas.search.request import SearchRequest
from mcu_nas.search.run.board_runs import BoardRuns
from mcu_nas.search.run.run_folder import RunFolder

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


def request_of(options: Mapping[str, Any]) -> SearchRequest:
    """What a search with a supernet of its own is asked. A predictor screens where evaluations take long.

    Raises:
        UsageError: board or data are missing.
    """
    if not (options["board"] and options["data"]):
        raise UsageError("--board and --data are needed (or --run DIR --resume, or --from RUN)")
    fields = {field: options[name] for name, field in REQUEST_FIELDS.items()}
    if fields["predictor"] is None:
        fields["predictor"] = EFFORTS[options["effort"]].adaptation is not None
    return SearchRequest(**fields)


def request_from(context: click.Context, source: Path, options: Mapping[str, Any]) -> SearchRequest:
    """What is asked of the supernet of another run: that run's request, but for the limits, which are those
    given now, and for whatever else was typed. A predictor screens unless it is declined: with the supernet
    there already, evaluations are what takes time.

    Raises:
        RunFolderError: the run has no trained supernet.
        UsageError: an option that the supernet has settled.
    """
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
    if not _typed(context, "predictor"):
        fields["predictor"] = True
    return replace(earlier, **fields, source=supernet_source(folder))


def resumed(
    context: click.Context, source: Path | None, run_dir: Path | None, options: Mapping[str, Any]
) -> tuple[SearchRequest, Path]:
    """The request of a run that is to go on, and its folder.

    Raises:
        RunFolderError: no such run, or it was asked otherwise than is typed now.
    """
    if source:
        raise UsageError("--from is part of what the run was asked: leave it out to resume it")
    path = run_dir or default_folder(options["board"], options["data"])
    folder = RunFolder.open(path)
    if "pick" in folder.read():
        raise RunFolderError(f"{path} is a pick, not a search: `{folder.going_on}` goes on with it")
    recorded = folder.request()
    _refuse_changes(context, options, recorded)
    return recorded, path


def board_runs(
    context: click.Context,
    source: Path | None,
    run_dir: Path | None,
    resume: bool,
    options: Mapping[str, Any],
) -> BoardRuns:
    """The folder of a search for several boards, made now or found.

    Raises:
        BoardError: a board is unknown.
        RunFolderError: the folder is in use, or asked otherwise than is typed now.
        UsageError: boards or data that are missing or do not go together.
        NothingFitsError: no board has a space in which anything fits.
    """
    boards = options["boards"]
    if options["board"]:
        raise UsageError(f"--board {options['board']}: with several boards, --boards names them all")
    path = run_dir or _boards_folder(options["data"])
    if resume:
        runs = BoardRuns.open(path)
        if boards and boards != runs.boards:
            was = ",".join(runs.boards)
            raise RunFolderError(f"--boards {','.join(boards)}: the search was asked for {was}; leave it out")
        _refuse_changes(context, options, runs.requests[0])
        return runs
    if BoardRuns.exists(path):
        raise RunFolderError(f"{path} exists already: --resume continues it, --run names another folder")
    if len(set(boards)) != len(boards):
        raise UsageError(f"--boards {','.join(boards)}: a board is named twice")
    options = {**options, "board": boards[0]}
    request = request_from(context, source, options) if source else request_of(options)
    for board in boards:
        load_board(board)  # an unknown one is told before anything is written
    requests = [replace(request, board=board) for board in boards]
    return BoardRuns.create(path, requests, None if source else _trainer(requests))


def _trainer(requests: Sequence[SearchRequest]) -> str:
    from mcu_nas.search.several_boards import choose_trainer

    return choose_trainer(requests)


def _refuse_changes(context: click.Context, options: Mapping[str, Any], recorded: SearchRequest) -> None:
    """A search that goes on is the one that was asked for: an option that says otherwise is an error."""
    for option, field in REQUEST_FIELDS.items():
        before, now = getattr(recorded, field), options[option]
        if _typed(context, option) and before != now:
            asked = "without" if before in (None, ()) else f"with {before}"
            raise RunFolderError(
                f"--{option.replace('_', '-')} {now}: the run was asked {asked}; leave the option out"
                " to resume it, or choose another --run"
            )


def _typed(context: click.Context, option: str) -> bool:
    return context.get_parameter_source(option) is click.core.ParameterSource.COMMANDLINE


def default_folder(board: str | None, data: str | None) -> Path:
    """Where a run goes that was given no folder.

    Raises:
        UsageError: board or data are missing.
    """
    if not (board and data):
        raise UsageError("--run DIR, or --board and --data, is needed to find the run folder")
    return Path("runs") / f"{board}-{Path(data).name}"


def _boards_folder(data: str | None) -> Path:
    if not data:
        raise UsageError("--run DIR or --data is needed to find the folder of a search for several boards")
    return Path("runs") / f"boards-{Path(data).name}"
