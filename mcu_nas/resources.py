"""Where the files that travel with the package lie (firmware sources, board files), and where it keeps its
own.
"""

from __future__ import annotations

import os
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def resource_dir(name: str) -> Path:
    """The folder ``firmware`` or ``boards``: inside an installed package, else beside it in a checkout."""
    installed = _PACKAGE / "_resources" / name
    return installed if installed.is_dir() else _PACKAGE.parent / name


def firmware_dir() -> Path:
    """The C sources: kernels/, harness/, cortex_m/, ports/; host/ for this computer."""
    return resource_dir("firmware")


def boards_dir() -> Path:
    """The shipped board files and core profiles."""
    return resource_dir("boards")


def cache_folder() -> Path:
    """Where what can be made or fetched again is kept: $XDG_CACHE_HOME/mcu-nas, ~/.cache/mcu-nas by
    default.
    """
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "mcu-nas"
