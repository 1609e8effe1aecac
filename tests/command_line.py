"""Runs ``mcu-nas`` in this process and says what a user would see."""

from __future__ import annotations

import contextlib
import io
from dataclasses import dataclass

from mcu_nas.cli import main


@dataclass(frozen=True)
class Outcome:
    """Exit code and both streams of one command."""

    code: int
    out: str
    err: str


def mcu_nas(*arguments: str) -> Outcome:
    """One command, from its arguments to its exit code."""
    out, err = io.StringIO(), io.StringIO()
    code: object = None
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main(list(arguments))
        except SystemExit as end:
            code = end.code
    return Outcome(int(code or 0), out.getvalue(), err.getvalue())  # type: ignore[call-overload]
