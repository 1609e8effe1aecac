"""Writing files so that nobody ever sees half of one."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside ``path`` that takes its place when the block ends without an exception."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def staging(folder: Path) -> Iterator[Path]:
    """A temporary folder inside ``folder`` whose files take their places in it when the block ends without
    an exception: none before all of them were written.

    Files of ``folder`` that the block did not write stay. Both folders lie on one file system, so that each
    file takes its place in one step.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".writing-", dir=folder) as name:
        staged = Path(name)
        yield staged
        for path in sorted(staged.rglob("*")):
            place = folder / path.relative_to(staged)
            if path.is_dir():
                place.mkdir(exist_ok=True)
            else:
                path.replace(place)


def write_text(path: Path, text: str) -> None:
    """Replace a text file in one step."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_bytes(path: Path, data: bytes) -> None:
    """Replace a binary file in one step."""
    with replacing(path) as temporary:
        temporary.write_bytes(data)
