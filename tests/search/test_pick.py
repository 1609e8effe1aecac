"""Picks: other members of a run's front than its winner, taken to firmware."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from mcu_nas.cli.target import model_path
from mcu_nas.errors import RunFolderError, UsageError
from mcu_nas.network import Network
from mcu_nas.search import effort
from mcu_nas.search.listener import Figures, Silence
from mcu_nas.search.pick import finish_pick, is_winner, pick_folder, pick_from
from mcu_nas.search.run.run_folder import RunFolder
from mcu_nas.spaces.architecture import Architecture
from mcu_nas.tflite.reader import read_tflite
from tests.command_line import mcu_nas
from tests.fashion import needs_fashion_mnist
from tests.search.small_search import EFFORTS

pytestmark = needs_fashion_mnist


class StoppedError(Exception):
    """Thrown in the middle of a stage."""


class StopIn(Silence):
    """Stops at the given step of a stage."""

    def __init__(self, stage: str, step: int) -> None:
        self._stop, self._at = (stage, step), ""

    def stage(self, name: str) -> None:
        self._at = name

    def progress(self, done: int, total: int, detail: str, figures: Figures | None = None) -> None:
        if (self._at, done) == self._stop:
            raise StoppedError


def copy_of(run: RunFolder, path: Path) -> RunFolder:
    """A run without its winner's firmware, as picks need none of it."""
    shutil.copytree(run.path, path, ignore=shutil.ignore_patterns("winner", "picks"))
    return RunFolder(path)


def other_number(run: RunFolder) -> int:
    """A member of the front that is not the winner."""
    return int(run.section("front")[-1]["number"])


@pytest.fixture(scope="module")
def picked(finished: RunFolder, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    run = copy_of(finished, tmp_path_factory.mktemp("picked") / "run")
    return finish_pick(run, pick_from(run, str(other_number(run))), Silence(), EFFORTS)


def lowered(folder: RunFolder) -> Network:
    return read_tflite(folder.model).network


def test_pick_is_another_network_than_the_winner(picked: RunFolder, finished: RunFolder) -> None:
    assert lowered(picked) != lowered(finished)
    record, winner = picked.read(), finished.section("winner")
    assert record["winner"]["architecture"] != winner["architecture"]
    assert not is_winner(finished, Architecture(tuple(record["winner"]["architecture"].items())))
    assert record["pick"] == {"number": other_number(finished)}


def test_pick_is_taken_as_far_as_a_winner(picked: RunFolder, finished: RunFolder) -> None:
    record = picked.read()
    assert record["accuracy"]["images"] == finished.section("accuracy")["images"]
    assert record["accuracy"]["differing"] == 0
    assert set(record["firmware"]) == set(finished.section("firmware"))
    assert record["emulated"]["equals_host"]
    assert any(picked.sources.glob("*.h"))


def test_pick_has_the_costs_that_the_front_says(picked: RunFolder, finished: RunFolder) -> None:
    member, winner = finished.section("front")[-1], picked.section("winner")
    for key in ("macs", "weights_bytes", "peak_bytes", "flash_bytes", "instructions"):
        assert winner[key] == member[key]
    assert winner["latency"]["central_ms"] == member["latency_ms"]


def test_commands_take_a_pick_as_they_take_a_run(picked: RunFolder) -> None:
    assert model_path(picked.path) == picked.model


def test_pick_that_was_cut_off_goes_on_to_the_same_network(
    picked: RunFolder, finished: RunFolder, tmp_path: Path
) -> None:
    run = copy_of(finished, tmp_path / "run")
    chosen = pick_from(run, str(other_number(run)))
    with pytest.raises(StoppedError):
        finish_pick(run, chosen, StopIn("fine-tune", 4), EFFORTS)
    cut = pick_folder(run, chosen[0])
    with pytest.raises(UsageError, match=rf"no winner yet; `mcu-nas export .*/run --pick {chosen[0]}` goes"):
        model_path(cut.path)
    assert finish_pick(run, chosen, Silence(), EFFORTS).model.read_bytes() == picked.model.read_bytes()


def test_finished_pick_is_not_made_again(picked: RunFolder) -> None:
    before = picked.model.stat().st_mtime_ns
    run = RunFolder(picked.path.parent.parent)
    finish_pick(run, pick_from(run, picked.path.name), StopIn("supernet", 1), EFFORTS)
    assert picked.model.stat().st_mtime_ns == before


def test_pick_without_the_supernet_is_an_error_instead_of_a_new_training(
    finished: RunFolder, tmp_path: Path
) -> None:
    run = copy_of(finished, tmp_path / "run")
    run.supernet.unlink()
    with pytest.raises(RunFolderError, match="is missing"):
        finish_pick(run, pick_from(run, str(other_number(run))), Silence(), EFFORTS)
    assert not (run.path / "picks").exists()


def test_nothing_is_picked_from_a_search_that_has_not_ended(tmp_path: Path) -> None:
    run = RunFolder.create(tmp_path / "run", {})
    with pytest.raises(RunFolderError, match=r"unfinished \('winner' is missing"):
        pick_from(run, "knee")


def test_pick_is_not_searched_in(picked: RunFolder) -> None:
    done = mcu_nas("search", "--resume", "--run", str(picked.path))
    assert done.code == 2
    assert f"is a pick, not a search: `{picked.going_on}` goes on with it" in done.err


def test_export_of_the_winner_by_its_number_exports_the_winner(finished: RunFolder, tmp_path: Path) -> None:
    architecture = finished.section("winner")["architecture"]
    number = next(
        member["number"]
        for member in finished.section("front")
        if member["loss"] == finished.section("winner")["validation_loss"]
    )
    done = mcu_nas("export", str(finished.path), "--pick", str(number), "--out", str(tmp_path / "out"))
    assert done.code == 0, done.err
    assert is_winner(finished, Architecture(tuple(architecture.items())))
    assert (tmp_path / "out" / "model.tflite").read_bytes() == finished.model.read_bytes()
    assert "the winner: int8 test accuracy" in done.out


def test_export_of_a_pick_says_what_it_is_worth(
    picked: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(effort.EFFORTS, "tiny", EFFORTS["tiny"])
    run, number = picked.path.parent.parent, picked.path.name
    done = mcu_nas("export", str(run), "--pick", number, "--out", str(tmp_path / "out"), "--json")
    assert done.code == 0, done.err
    record = json.loads(done.out)
    assert record["number"] == int(number)
    assert record["run"] == str(picked.path)
    assert record["accuracy"] == picked.section("accuracy")
    assert (tmp_path / "out" / "model.tflite").read_bytes() == picked.model.read_bytes()


def test_export_of_a_pick_that_is_not_there_names_what_is(finished: RunFolder) -> None:
    done = mcu_nas("export", str(finished.path), "--pick", "best")
    assert done.code == 2
    assert "--pick best: knee, fastest, smallest, or the number of an evaluation" in done.err
