"""Writing files so that nobody ever sees half of one."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside ``path`` that takes its place when the block ends without an exception."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with _naming(path):
            yield temporary
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def staging(folder: Path) -> Iterator[Path]:
    """A temporary folder inside ``folder`` whose files take their places in it when the block ends without
    an exception: none before all of them were written.

    Files of ``folder`` that the block did not write stay. Both folders lie on one file system, so that each
    file takes its place in one step. A folder that had to be made goes again where the block fails.
    """
    with _naming(folder), _made(folder), tempfile.TemporaryDirectory(prefix=".writing-", dir=folder) as name:
        staged = Path(name)
        yield staged
        places = {path: folder / path.relative_to(staged) for path in sorted(staged.rglob("*"))}
        for path, place in places.items():
            if place.exists() and place.is_dir() != path.is_dir():
                found = "a folder" if place.is_dir() else "no folder"
                raise FileExistsError(errno.EEXIST, f"{place.relative_to(folder)} is {found}", str(place))
        for path, place in places.items():
            if path.is_dir():
                place.mkdir(exist_ok=True)
            else:
                path.replace(place)


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Says where an error happened that does not say so itself, as that of a full disk."""
    try:
        yield
    except OSError as error:
        if error.errno is not None and error.filename is None:
            error.filename = str(path)
        raise


@contextmanager
def _made(folder: Path) -> Iterator[None]:
    """Makes a folder and its missing parents, and removes those that are still empty after an exception."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except BaseException:
        for path in missing:
            with suppress(OSError):
                path.rmdir()
        raise


def write_text(path: Path, text: str) -> None:
    """Replace a text file in one step."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_bytes(path: Path, data: bytes) -> None:
    """Replace a binary file in one step."""
    with replacing(path) as temporary:
        temporary.write_bytes(data)
