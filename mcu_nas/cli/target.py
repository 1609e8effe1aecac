"""MODEL.tflite or RUN: the argument of every command that works on a finished model."""

from __future__ import annotations

from pathlib import Path

from mcu_nas.errors import UsageError
from mcu_nas.search.run.run_folder import RunFolder


def model_path(target: Path) -> Path:
    """The .tflite file that a command's argument means: itself, or the winner of a run folder.

    Raises:
        UsageError: neither a file nor a run folder with a winner.
    """
    if target.is_file():
        return target
    winner = RunFolder(target).model
    if winner.is_file():
        return winner
    if not target.exists():
        raise UsageError(f"{target}: no such file or folder; give a .tflite file or a run folder")
    if (target / "run.json").is_file():
        going_on = RunFolder(target).going_on
        raise UsageError(f"{target}: the run has no winner yet; `{going_on}` goes on with it")
    raise UsageError(f"{target}: neither a .tflite file nor a run folder of `mcu-nas search`")
