"""Progress on stderr: bars in a terminal, a line now and then in a pipe."""

from __future__ import annotations

import sys
import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from mcu_nas.search.listener import Figures, Remaining
from mcu_nas.units import format_duration

_SECONDS_BETWEEN_LINES = 20.0


class Bars:
    """A search's Listener on stderr; a context manager."""

    def __init__(self) -> None:
        self._console = Console(file=sys.stderr, highlight=False)
        self._progress = Progress(
            TextColumn("{task.description:<14}"),
            BarColumn(bar_width=30),
            TextColumn("{task.completed:,.0f}/{task.total:,.0f}"),
            TextColumn("{task.fields[detail]}"),
            TimeElapsedColumn(),
            TextColumn("ETA"),
            TimeRemainingColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._stage = ""
        self._task: TaskID | None = None
        self._last_line = 0.0
        self._remaining = Remaining()

    def __enter__(self) -> Bars:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def stage(self, name: str) -> None:
        """A stage begins; its bar appears with its first progress."""
        self._stage, self._task, self._last_line = name, None, time.monotonic()
        self._remaining = Remaining()
        if not self._console.is_terminal:
            self._console.print(f"{name} ...")

    def progress(self, done: int, total: int, detail: str, figures: Figures | None = None) -> None:
        """The bar, or every twenty seconds a line."""
        eta = self._remaining.seconds(done, total)
        if self._console.is_terminal:
            if self._task is None:
                self._task = self._progress.add_task(self._stage, total=total, detail=detail)
            self._progress.update(self._task, completed=done, detail=detail)
        elif time.monotonic() - self._last_line > _SECONDS_BETWEEN_LINES:
            self._last_line = time.monotonic()
            left = "" if eta is None else f", ETA {format_duration(eta)}"
            self._console.print(f"{self._stage}: {done:,}/{total:,} {detail}{left}", markup=False)

    def note(self, text: str) -> None:
        """A result of the stage, above the bars."""
        self._progress.console.print(f"{self._stage}: {text}", markup=False)
