"""The commands that ask for a recorded search, or for a pick of its front, again."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import click

from mcu_nas.cli.options import Milliseconds
from mcu_nas.cli.search import command as search
from mcu_nas.cli.search_request import REQUEST_FIELDS
from mcu_nas.report.card import searched_in
from mcu_nas.search.request import SearchRequest
from mcu_nas.search.run.run_folder import RunFolder


def run_lines(folder: RunFolder) -> list[str]:
    """What makes a run folder: its search, or the search of the run that it is a pick of, and the pick."""
    pick, origin = folder.read().get("pick"), searched_in(folder)
    picked = ["mcu-nas", "export", str(origin.path), "--pick", str(pick["number"])] if pick else []
    return [*search_lines(folder.request(), origin.path), *([shlex.join(picked)] if picked else [])]


def search_lines(request: SearchRequest, run: Path) -> list[str]:
    """``mcu-nas search`` with everything that was asked, into the folder ``run``; before it the search of the
    run whose supernet it takes, if it takes one.
    """
    before = search_lines(request.source.request, Path(request.source.run)) if request.source else []
    words = ["mcu-nas", "search"]
    for option in search.params:
        value = getattr(request, REQUEST_FIELDS[option.name], None) if option.name in REQUEST_FIELDS else None
        words += _typed(option, value)
    if request.source:
        words += ["--from", request.source.run]
    return [*before, shlex.join([*words, "--run", str(run)])]


def _typed(option: click.Parameter, value: Any) -> list[str]:
    """An option as one types it; nothing where it was not given."""
    name = option.opts[-1]
    if value is None or value == ():
        return []
    if isinstance(value, bool):
        return [name] if value else option.secondary_opts[-1:]
    if isinstance(value, tuple):
        return [name, ",".join(map(_number, value))]
    return [name, _number(value) + ("ms" if isinstance(option.type, Milliseconds) else "")]


def _number(value: Any) -> str:
    """40.0 as 40; everything else as Python shows it."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
