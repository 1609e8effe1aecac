"""``mcu-nas show``: how a run stands, at any time, also while it is going on."""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from mcu_nas.cli.board_table import print_board_table
from mcu_nas.cli.options import PATH, json_option
from mcu_nas.cli.table import text_table
from mcu_nas.cli.winner import next_command, story
from mcu_nas.search.exploration.history import Evaluation
from mcu_nas.search.run.board_runs import BoardRuns
from mcu_nas.search.run.run_folder import RunFolder
from mcu_nas.search.run.run_state import RunState, state_of
from mcu_nas.units import format_duration

_MOST_ROWS = 12  # of the front


@click.command(
    epilog="""\b
Examples:
  mcu-nas show runs/stm32f746g-disco-fashion-mnist
  watch mcu-nas show runs/stm32f746g-disco-fashion-mnist"""
)
@click.argument("run", metavar="RUN", type=PATH)
@json_option
def command(run: Path, as_json: bool) -> None:
    """Show how a run stands: what was asked, what it has found, and what it is doing.

    Reads the folder only, so that it can be typed at any time, also while the search is at work. Of a search
    for several boards, the table of what they have got so far.
    """
    if BoardRuns.exists(run):
        print_board_table(BoardRuns.open(run), as_json)
        return
    folder = RunFolder.open(run)
    folder.request()  # raises where a later command would
    state = state_of(folder)
    with folder.understood():
        if as_json:
            text = json.dumps(_record(folder, state), indent=2)
        else:
            parts = [*_head(folder, state.run["request"], state), story(state.run), *_log(state)]
            text = "\n\n".join(part for part in parts if part) + f"\n\nnext: {_next(folder, state)}"
    print(text)


def _head(folder: RunFolder, request: Mapping[str, Any], state: RunState) -> Iterator[str]:
    asked = f"{request['data']} on {request['board']}, effort {request['effort']}, seed {request['seed']}"
    yield f"{folder.path}: {asked}\n{_doing(state)}"


def _doing(state: RunState) -> str:
    if state.state == "finished":
        return "finished"
    progress = state.progress
    if progress is None:
        return f"{state.state}: nothing done yet"
    come = f"{progress['done']:,}/{progress['total']:,}" if progress["total"] else ""
    where = ", ".join(filter(None, (f"{progress['stage']} {come}".strip(), progress["detail"])))
    if state.state == "stopped":
        return f"stopped at {where}"
    left = progress["eta_seconds"]
    eta = f", ETA {format_duration(left)}" if left is not None else ""
    return f"running: {where}{eta} ({max(0, time.time() - progress['unix_time']):.0f} s ago)"


def _log(state: RunState) -> Iterator[str]:
    leader, members = state.leader, state.front
    if leader is None:
        return
    head = ("number", "loss", "accuracy", "M MACs", "M instructions", "arena B", "flash B", "weights B")
    lines = [
        f"{len(state.log)} subnets evaluated, the best with loss {leader.loss:.4f} and accuracy"
        f" {leader.accuracy:.2%} on validation data",
        f"front: {len(members)} that no other beats in loss, instructions, arena and flash at once",
        "",
        text_table(head, [_row(number, e) for number, e in members[:_MOST_ROWS]], right=range(len(head))),
    ]
    if any(e.partial for _, e in members[:_MOST_ROWS]):
        lines.append("* on a part of the validation images: rejected early")
    if len(members) > _MOST_ROWS:
        lines.append(f"and {len(members) - _MOST_ROWS} more: --json lists all")
    yield "\n".join(lines)


def _row(number: int, e: Evaluation) -> tuple[str, ...]:
    return (
        str(number),
        f"{e.loss:.4f}",
        f"{e.accuracy:.2%}" + ("*" if e.partial else ""),
        f"{e.macs / 1e6:.2f}",
        f"{e.instructions / 1e6:.2f}",
        f"{e.peak_bytes:,}",
        f"{e.flash_bytes:,}",
        f"{e.weights_bytes:,}",
    )


def _next(folder: RunFolder, state: RunState) -> str:
    if state.state == "running":
        return f"mcu-nas show {shlex.quote(str(folder.path))}"
    if state.state == "stopped":
        return folder.going_on
    return next_command(folder, state.run)


def _record(folder: RunFolder, state: RunState) -> dict[str, Any]:
    leader = state.leader
    return {
        "run": str(folder.path),
        "state": state.state,
        "progress": state.progress,
        "evaluations": len(state.log),
        "best": _evaluation(state.log.index(leader), leader) if leader else None,
        "front": [_evaluation(number, e) for number, e in state.front],
        "sections": state.run,
        "next": _next(folder, state),
    }


def _evaluation(number: int, e: Evaluation) -> dict[str, Any]:
    return {
        "number": number,
        "strategy": e.strategy,
        "architecture": dict(e.architecture.choices),
        "loss": e.loss,
        "accuracy": e.accuracy,
        "partial": e.partial,
        "macs": e.macs,
        "instructions": e.instructions,
        "weights_bytes": e.weights_bytes,
        "peak_bytes": e.peak_bytes,
        "flash_bytes": e.flash_bytes,
    }
