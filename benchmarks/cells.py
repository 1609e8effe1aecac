"""Studies as cells: pieces of work that run once, one by one, and stay done.

A study is a function that says, from the rows of its results file, which cells can run now. Each cell is a
command of its own and appends one row; a study that was killed goes on with the cells that are missing.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch

Row = Mapping[str, Any]
Plan = Callable[[Mapping[str, Row]], Sequence[str]]  # rows by cell -> cells whose requirements are met

SAY_EVERY_S = 30.0  # between two lines of a training's progress
_POLL_S = 0.2
_HANDFUL = 4  # cells a process


@dataclass(frozen=True)
class Results:
    """A file with one JSON object a line, each the row of the cell that its key ``cell`` names."""

    path: Path

    def rows(self) -> dict[str, Row]:
        """All rows by cell. What a kill left of a last line does not count."""
        if not self.path.exists():
            return {}
        whole, _, _ = self.path.read_text(encoding="utf-8").rpartition("\n")
        rows = [json.loads(line) for line in whole.splitlines()]
        return {row["cell"]: row for row in rows}

    def append(self, cell: str, row: Row) -> None:
        """Adds a cell's row, unless another process did; a row is in the file whole or not at all."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            whole = file.read().rfind(b"\n") + 1
            file.truncate(whole)
            if cell not in self.rows():
                file.write(json.dumps({"cell": cell, **row}).encode() + b"\n")
                file.flush()
                os.fsync(file.fileno())


def study_parser(description: str) -> argparse.ArgumentParser:
    """The options that every study has."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--cell", help="run this cell alone, or several, separated by commas")
    parser.add_argument("--list", action="store_true", help="name the cells that can run now, run none")
    parser.add_argument("--smoke", action="store_true", help="seconds instead of hours: proves nothing")
    parser.add_argument("--jobs", type=int, default=1, help="processes at a time; 1: in this process")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="threads in all")
    parser.add_argument("--work", type=Path, help="folder of checkpoints and logs")
    parser.add_argument("--results", type=Path, help="the results file")
    return parser


def run_study(
    options: argparse.Namespace, results: Results, plan: Plan, run: Callable[[str], Row], again: Sequence[str]
) -> None:
    """What the options ask for: one cell, the list, or every cell that is missing.

    ``run`` makes a cell's row; ``again`` is the command line, without ``--cell``, that runs one.
    """
    torch.set_num_threads(options.threads)
    if options.list:
        print("\n".join(_missing(plan, results)))
    elif options.cell:
        for cell in options.cell.split(","):
            _run_here(cell, results, run)
    elif options.jobs == 1:
        while missing := _missing(plan, results):
            _run_here(missing[0], results, run)
    else:
        _run_in_processes(plan, results, again, options.jobs, options.threads)


class Cells(Protocol):
    """The cells of a study."""

    def plan(self, rows: Mapping[str, Row]) -> Sequence[str]:
        """Those that can run, given the rows there are."""

    def run(self, cell: str) -> Row:
        """The row of one."""


def run_whole_study(options: argparse.Namespace, script: Path, cells_in: Callable[[Path], Cells]) -> None:
    """What the options ask for of a study in a folder of its own: results.jsonl beside its ``script``,
    checkpoints below build/; of a smoke test, both there. ``cells_in``: its cells, given their folder."""
    name = script.parent.name
    work = options.work or script.parents[2] / "build" / (f"{name}-smoke" if options.smoke else name)
    path = options.results or (work if options.smoke else script.parent) / "results.jsonl"
    smoke = ["--smoke"] if options.smoke else []
    again = [str(script), "--work", str(work), "--results", str(path), *smoke]
    cells = cells_in(work)
    run_study(options, Results(path), cells.plan, cells.run, again)


def progress_line() -> Callable[[int, int, float], None]:
    """What says every half a minute where a training stands."""
    said = time.monotonic()

    def progress(done: int, total: int, loss: float) -> None:
        nonlocal said
        if time.monotonic() - said > SAY_EVERY_S:
            said = time.monotonic()
            print(f"  step {done:,} of {total:,}, loss {loss:.3f}", flush=True)

    return progress


def _missing(plan: Plan, results: Results) -> list[str]:
    rows = results.rows()
    return [cell for cell in plan(rows) if cell not in rows]


def _run_here(cell: str, results: Results, run: Callable[[str], Row]) -> None:
    began = time.monotonic()
    print(f"{time.strftime('%H:%M:%S')} {cell} …", flush=True)
    row = run(cell)
    seconds = round(time.monotonic() - began, 1)
    results.append(cell, {**row, "seconds": seconds, "threads": torch.get_num_threads()})
    print(f"{time.strftime('%H:%M:%S')} {cell} done in {seconds} s", flush=True)


def _run_in_processes(plan: Plan, results: Results, again: Sequence[str], jobs: int, threads: int) -> None:
    """A handful of cells in each process, which then starts up once for all of them; a cell that runs alone,
    as others wait for it, has all threads."""
    running: dict[tuple[str, ...], subprocess.Popen[bytes]] = {}
    try:
        while True:
            begun = {cell for cells in running for cell in cells}
            ready = [cell for cell in _missing(plan, results) if cell not in begun]
            share = max(1, threads // max(1, min(jobs, len(ready) + len(running))))
            handful = max(1, min(_HANDFUL, len(ready) // jobs))
            while ready and len(running) < jobs:
                cells, ready = tuple(ready[:handful]), ready[handful:]
                command = [sys.executable, *again, "--cell", ",".join(cells), "--threads", str(share)]
                running[cells] = subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": str(share)})
            if not running:
                return
            time.sleep(_POLL_S)
            for cells in [cells for cells, process in running.items() if process.poll() is not None]:
                if running.pop(cells).returncode:
                    sys.exit(f"{', '.join(cells)}: failed; the same command continues once its cause is gone")
    finally:
        for process in running.values():
            process.terminate()
