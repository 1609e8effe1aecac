"""The errors a user can meet, as one tree; the exit code belongs to the class.

    McuNasError
    ├── UsageError            exit 2: the command, a file or the installation must change
    │   ├── BoardError        an unknown board, or a board file that breaks its schema
    │   ├── DataError         a data set that is missing, broken, or cannot serve what was asked
    │   ├── ModelError        a model file that cannot be read
    │   │   └── UnsupportedError   ... or is sound, but holds what this version cannot compile
    │   ├── RunFolderError    a run folder that is missing, unfinished, or belongs to another command
    │   └── ToolError         a tool or package that must be installed first
    ├── JobError              exit 1: the command was right, the job failed
    │   ├── NothingFitsError  no network meets the constraints
    │   ├── DeviceError       a device or emulator that stays silent, resets, or answers nonsense
    │   └── BuildError        the C compiler or linker refused the firmware
    └── Interrupted           exit 130, as shells report it: Ctrl-C

Each message is one line: what was wrong, where (file, key, layer), what to do.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class McuNasError(Exception):
    """Base of every error that ends in one line on stderr instead of a traceback."""

    exit_code = 1


class UsageError(McuNasError):
    """The command, a file or the installation must change."""

    exit_code = 2


class BoardError(UsageError):
    """An unknown board, or a board file that breaks its schema."""


class DataError(UsageError):
    """A data set that is missing, broken, or cannot serve what was asked."""


class ModelError(UsageError):
    """A model file that cannot be read."""


class UnsupportedError(ModelError):
    """A sound model that holds an operator, type or attribute this version cannot compile."""


class RunFolderError(UsageError):
    """A run folder that is missing, unfinished, or belongs to another command."""


class ToolError(UsageError):
    """A tool or package that must be installed first."""


class JobError(McuNasError):
    """The command was right; the job failed."""


class NothingFitsError(JobError):
    """No network meets the constraints."""


class DeviceError(JobError):
    """A device or emulator that stays silent, resets, or answers nonsense."""


class BuildError(JobError):
    """The C compiler or linker refused the firmware."""


class Interrupted(McuNasError):  # noqa: N818 - what a user does is no error
    """Ctrl-C; the message may say how to go on."""

    exit_code = 130


def did_you_mean(wrong: str, known: Iterable[str]) -> str:
    """A phrase ``did you mean 'x'?`` for the nearest known names, or an empty string.

    Near is what differs in few letters, whatever their case, or begins in the same way.
    """
    names = list(known)
    near = difflib.get_close_matches(wrong.lower(), names, n=2, cutoff=0.5)
    if not near and len(wrong) > 1:
        near = [name for name in names if name.startswith(wrong.lower())][:2]
    return f"did you mean {' or '.join(repr(name) for name in near)}? " if near else ""
