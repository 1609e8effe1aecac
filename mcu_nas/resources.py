"""Where the files that travel with the package lie: firmware sources and board files."""

from __future__ import annotations

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
