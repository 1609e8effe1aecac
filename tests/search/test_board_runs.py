"""The folder of a search for several boards: what was asked for all, and in which order it is done."""

from __future__ import annotations

from pathlib import Path

import pytest

from mcu_nas.errors import RunFolderError
from mcu_nas.search.request import SearchRequest
from mcu_nas.search.run.board_runs import BoardRuns, board_row
from mcu_nas.search.run.run_folder import RunFolder


def requests(*boards: str) -> list[SearchRequest]:
    return [SearchRequest(board, "d", "quick", seed=0, threads=1, latency_ms=3.0) for board in boards]


def test_what_was_asked_is_what_is_found_again(tmp_path: Path) -> None:
    made = BoardRuns.create(tmp_path / "two", requests("a", "b"), "b")
    assert BoardRuns.open(tmp_path / "two") == made
    met = made.facing({"a": "nothing fits"})
    assert BoardRuns.open(tmp_path / "two") == met
    assert (met.boards, met.obstacles) == (("a", "b"), {"a": "nothing fits"})


def test_board_that_trains_is_searched_first_and_the_others_in_their_order(tmp_path: Path) -> None:
    runs = BoardRuns.create(tmp_path / "three", requests("a", "b", "c"), "b")
    assert [request.board for request in runs.in_turn()] == ["b", "a", "c"]
    assert runs.supernet_of == str(tmp_path / "three" / "b")
    assert [request.board for request in runs.requests] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "boards.json"),
        ("[]", "boards.json"),
        ('{"schema": 2}', "schema 2, this version reads 1"),
        ('{"schema": 1}', "'requests'"),
        ('{"schema": 1, "trainer": null, "obstacles": {}, "requests": [{"board": 1}]}', "request."),
    ],
)
def test_broken_file_is_named(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "boards.json").write_text(text)
    with pytest.raises(RunFolderError, match="start the search anew") as refused:
        BoardRuns.open(tmp_path)
    assert message in str(refused.value)


def test_folder_in_use_is_not_overwritten(tmp_path: Path) -> None:
    BoardRuns.create(tmp_path / "two", requests("a"), "a")
    with pytest.raises(RunFolderError, match="exists already: --resume continues it"):
        BoardRuns.create(tmp_path / "two", requests("a"), "a")
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(RunFolderError, match="is not empty: --run names a new folder"):
        BoardRuns.create(tmp_path, requests("a"), "a")
    with pytest.raises(RunFolderError, match="is not a folder"):
        BoardRuns.create(tmp_path / "thesis.txt", requests("a"), "a")


def test_row_of_a_board_says_what_is_known_so_far(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "a")
    unknown = dict.fromkeys(("accuracy", "latency_ms", "peak_bytes", "flash_bytes", "macs"))
    assert board_row(folder, "a") == {"board": "a", "run": str(folder.path), "finished": False, **unknown}
    RunFolder.create(folder.path, requests("a")[0].to_record())
    folder.record("winner", {"macs": 5, "peak_bytes": 6, "flash_bytes": 7, "latency": {"central_ms": 1.5}})
    row = board_row(folder, "a")
    assert (row["macs"], row["latency_ms"], row["accuracy"], row["finished"]) == (5, 1.5, None, False)
