"""progress.json: how far the stage at work has come, for whoever looks on while a search runs."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path
from typing import Any

from mcu_nas.files import write_text
from mcu_nas.search.listener import Figures, Remaining

SECONDS_BETWEEN_WRITES = 2.0


class ProgressFile:
    """A search's Listener that keeps the file; each write replaces it whole."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stage, self._remaining, self._written = "", Remaining(), 0.0

    def stage(self, name: str) -> None:
        """A stage begins."""
        self._stage, self._remaining = name, Remaining()
        self._write(0, 0, "", {}, None)

    def progress(self, done: int, total: int, detail: str, figures: Figures | None = None) -> None:
        """The stage has come so far: written now and then, and when it is done."""
        eta = self._remaining.seconds(done, total)
        if done == total or time.monotonic() - self._written > SECONDS_BETWEEN_WRITES:
            self._write(done, total, detail, figures or {}, eta)

    def note(self, text: str) -> None:
        """Left to run.json."""

    def _write(self, done: int, total: int, detail: str, figures: Figures, eta: float | None) -> None:
        self._written = time.monotonic()
        record = {
            "stage": self._stage,
            "done": done,
            "total": total,
            "detail": detail,
            "eta_seconds": eta,
            "unix_time": time.time(),
            "figures": dict(figures),
        }
        write_text(self._path, json.dumps(record, indent=2) + "\n")


def read_progress(path: Path) -> dict[str, Any] | None:
    """What the file says, or None where there is none that can be read."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) and _is_whole(record) else None


def _is_whole(record: dict[str, Any]) -> bool:
    """Whether a record has what ProgressFile writes."""
    eta = record.get("eta_seconds")
    return (
        all(isinstance(record.get(key), str) for key in ("stage", "detail"))
        and all(_is_number(record.get(key)) for key in ("done", "total", "unix_time"))
        and (eta is None or _is_number(eta))
    )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)
