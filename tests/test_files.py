"""Files appear whole or not at all."""

from __future__ import annotations

import errno
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mcu_nas.files import staging, write_bytes, write_text


def test_file_is_replaced_and_nothing_stays_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file"
    write_text(path, "ä")
    write_bytes(path, b"second")
    assert path.read_bytes() == b"second"
    assert list(path.parent.iterdir()) == [path]


def test_staged_files_take_their_places_and_others_stay(tmp_path: Path) -> None:
    write_text(tmp_path / "kept", "kept")
    write_text(tmp_path / "sub" / "replaced", "old")
    with staging(tmp_path) as staged:
        (staged / "sub").mkdir()
        (staged / "sub" / "replaced").write_text("new")
        assert (tmp_path / "sub" / "replaced").read_text() == "old"
    assert {path.name for path in tmp_path.iterdir()} == {"kept", "sub"}
    assert (tmp_path / "sub" / "replaced").read_text() == "new"


def test_interrupted_staging_leaves_the_folder_as_it_was(tmp_path: Path) -> None:
    write_text(tmp_path / "file", "old")

    def interrupted() -> None:
        with staging(tmp_path) as staged:
            (staged / "file").write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_text() == "old"


def test_folder_in_a_files_place_is_found_before_anything_is_moved(tmp_path: Path) -> None:
    write_text(tmp_path / "a", "old")
    (tmp_path / "b").mkdir()

    def staged() -> None:
        with staging(tmp_path) as folder:
            (folder / "a").write_text("new")
            (folder / "b").write_text("new")

    with pytest.raises(FileExistsError, match="b is a folder"):
        staged()
    assert (tmp_path / "a").read_text() == "old"
    assert {path.name for path in tmp_path.iterdir()} == {"a", "b"}


def test_folders_made_for_what_failed_go_again(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), staging(tmp_path / "new" / "deep"):
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """As on a full disk, what is written beyond ``size`` bytes of a file is refused."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_full_disk_names_the_folder_and_leaves_nothing(tmp_path: Path) -> None:
    out = tmp_path / "out"

    def staged() -> None:
        with files_of_at_most(100), staging(out) as folder:
            (folder / "small").write_bytes(bytes(100))
            (folder / "large").write_bytes(bytes(101))

    with pytest.raises(OSError, match="File too large") as caught:
        staged()
    assert (caught.value.errno, caught.value.filename) == (errno.EFBIG, str(out))
    assert not out.exists()


def test_full_disk_names_the_file_and_keeps_the_old_one(tmp_path: Path) -> None:
    write_bytes(tmp_path / "file", b"old")
    with pytest.raises(OSError, match="File too large") as caught, files_of_at_most(100):
        write_bytes(tmp_path / "file", bytes(101))
    assert caught.value.filename == str(tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == b"old"
