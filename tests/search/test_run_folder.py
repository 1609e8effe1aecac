"""The run folder: refuses what is not its own, never shows half a file, keeps a second search out."""

from __future__ import annotations

from pathlib import Path

import pytest

from mcu_nas.errors import RunFolderError
from mcu_nas.search.exploration.history import History
from mcu_nas.search.run.run_folder import RunFolder


def test_sections_are_replaced_whole_and_others_stay(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "run", {"board": "b"})
    folder.record("stage_one", {"width": 0.5})
    folder.record("stage_one", {"width": 0.3})
    assert RunFolder.open(tmp_path / "run").read() == {
        "schema": 2,
        "request": {"board": "b"},
        "stage_one": {"width": 0.3},
    }


def test_folder_in_use_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(RunFolderError, match="is not empty: --run names a new folder"):
        RunFolder.create(tmp_path, {})


def test_run_that_was_begun_is_not_begun_again(tmp_path: Path) -> None:
    RunFolder.create(tmp_path, {})
    with pytest.raises(RunFolderError, match="exists already: --resume continues it"):
        RunFolder.create(tmp_path, {})


def test_creation_that_was_cut_off_can_be_repeated(tmp_path: Path) -> None:
    (tmp_path / ".run.json.123.part").write_text('{"schema"')
    assert RunFolder.create(tmp_path, {"seed": 1}).section("request") == {"seed": 1}


def test_folder_without_run_json_is_named(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match=r"is not a run folder: run\.json is missing"):
        RunFolder.open(tmp_path)


@pytest.mark.parametrize("text", ["{", "[]", "\x00"])
def test_broken_run_json_is_an_error(text: str, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(RunFolderError, match=r"run\.json"):
        RunFolder.open(tmp_path)


def test_other_schema_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text('{"schema": 99}')
    with pytest.raises(RunFolderError, match="schema 99, this version reads 2"):
        RunFolder.open(tmp_path)


def test_missing_section_says_how_to_go_on(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "run", {})
    with pytest.raises(RunFolderError, match=r"unfinished \('winner' is missing .* --resume"):
        folder.section("winner")


def test_second_search_in_one_folder_is_refused(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "run", {})
    with folder.locked(), pytest.raises(RunFolderError, match="another search is running"), folder.locked():
        pass


def test_broken_log_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "search.sqlite").write_text("not a database, but long enough to be taken for one" * 20)
    with pytest.raises(RunFolderError, match="not a search log"):
        History(tmp_path / "search.sqlite")
