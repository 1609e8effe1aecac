"""How a run stands, seen from outside: nothing is written, and nothing of torch is needed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mcu_nas.search.exploration.history import Evaluation, best, read_log
from mcu_nas.search.exploration.pareto import Numbered, front
from mcu_nas.search.run.progress_file import read_progress
from mcu_nas.search.run.run_folder import RunFolder


@dataclass(frozen=True)
class RunState:
    """``state``: running (a process is at work in the folder), finished, or stopped. ``run``: run.json.
    ``progress``: of the stage at work, or of the last one; None where no stage began."""

    state: str
    run: Mapping[str, Any]
    progress: Mapping[str, Any] | None
    log: tuple[Evaluation, ...]

    @property
    def leader(self) -> Evaluation | None:
        """The best evaluation so far."""
        return best(self.log, 1)[0] if self.log else None

    @property
    def front(self) -> list[Numbered]:
        """The front so far, by rising loss."""
        return front(self.log) if self.log else []


def state_of(folder: RunFolder) -> RunState:
    """How a run stands at this moment.

    Raises:
        RunFolderError: run.json or the log is broken.
    """
    running = folder.is_locked()  # asked first: what it finishes meanwhile is read, at worst twice
    run = folder.read()
    state = "running" if running else "finished" if run.get("finished") else "stopped"
    return RunState(state, run, read_progress(folder.progress), tuple(read_log(folder.search_log)))
