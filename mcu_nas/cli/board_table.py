"""The table of a search for several boards: what each got from the one supernet."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from typing import Any

from mcu_nas.cli.table import text_table
from mcu_nas.cli.winner import next_command
from mcu_nas.search.run.board_runs import BoardRuns, board_row

_HEAD = ("board", "int8 accuracy", "ms estimated", "arena B", "flash B", "M MACs", "run")


def print_board_table(runs: BoardRuns, as_json: bool) -> None:
    """A row a board, as far as its run has come; below it why a board gets nothing, and the next command."""
    rows = [{**board_row(runs.folder(b), b), "obstacle": runs.obstacles.get(b)} for b in runs.boards]
    following = _next(runs, rows)
    if as_json:
        print(json.dumps({"boards": rows, "supernet_of": runs.supernet_of, "next": following}, indent=2))
        return
    print(text_table(_HEAD, [_cells(row) for row in rows], right=range(1, 6)))
    print(f"\none supernet for all, that of {runs.supernet_of}; accuracy on the test set")
    for board, obstacle in runs.obstacles.items():
        print(f"{board}: {obstacle}")
    print(f"next: {following}")


def _cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    formats = {
        "accuracy": "{:.2%}",
        "latency_ms": "{:,.1f}",
        "peak_bytes": "{:,}",
        "flash_bytes": "{:,}",
    }
    cells = ["-" if row[key] is None else form.format(row[key]) for key, form in formats.items()]
    macs = "-" if row["macs"] is None else f"{row['macs'] / 1e6:.2f}"
    state = row["run"] if row["finished"] else "nothing fits" if row["obstacle"] else "unfinished"
    return (row["board"], *cells, macs, state)


def _next(runs: BoardRuns, rows: list[dict[str, Any]]) -> str:
    if any(not row["finished"] and not row["obstacle"] for row in rows):
        return f"mcu-nas search --resume --run {shlex.quote(str(runs.path))}"
    for row in rows:
        if row["finished"]:
            folder = runs.folder(row["board"])
            return next_command(folder, folder.read())
    return "mcu-nas boards"
