"""A trained supernet searched again, for another board or other limits."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mcu_nas.cost.constraints import Constraints
from mcu_nas.errors import NothingFitsError, RunFolderError
from mcu_nas.search.exploration.history import History
from mcu_nas.search.reuse import space_within, supernet_source, take_supernet
from mcu_nas.search.run.run_folder import RunFolder
from mcu_nas.search.task import task_of
from tests.fashion import needs_fashion_mnist
from tests.search.small_search import EFFORTS, request_from, run
from tests.search.test_pipeline import lasting

pytestmark = needs_fashion_mnist


@pytest.fixture(scope="module")
def other(finished: RunFolder, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """The finished run's supernet, searched for another board."""
    path = tmp_path_factory.mktemp("runs") / "other"
    run(path, request_from(finished.path))
    return RunFolder(path)


def test_search_from_a_run_takes_its_supernet_and_data(finished: RunFolder, other: RunFolder) -> None:
    before, now = finished.request(), other.request()
    assert now.board == "qemu-cortex-m4"
    assert (now.data, now.seed, now.latency_ms) == (before.data, before.seed, None)
    assert now.source is not None
    assert (now.source.run, now.source.request) == (str(finished.path), before)
    assert other.supernet.read_bytes() == finished.supernet.read_bytes()
    assert other.read()["stage_one"]["resolution"] == finished.read()["stage_one"]["resolution"]
    assert other.read()["firmware"].keys() == {"qemu-cortex-m4"}
    assert other.read()["emulated"]["equals_host"]


def test_every_subnet_of_a_search_from_a_run_is_of_its_supernet(
    finished: RunFolder, other: RunFolder
) -> None:
    space = task_of(finished.request(), EFFORTS).space
    history = History(other.search_log)
    for evaluation in history:
        active = space.active(evaluation.architecture)
        assert all(evaluation.architecture[name] in space.options[name] for name in active)
    history.close()


@pytest.mark.parametrize("kill_at", [2, 30])
def test_killed_search_from_a_run_resumes_to_the_same_result_without_that_run(
    kill_at: int, finished: RunFolder, other: RunFolder, data: Path, tmp_path: Path
) -> None:
    path, source = tmp_path / "killed", tmp_path / "source"
    shutil.copytree(finished.path, source)
    command = [sys.executable, "-m", "tests.search.small_search", str(path), str(data)]
    killed = subprocess.run(
        [*command, str(kill_at), str(source)], capture_output=True, text=True, check=False
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    if RunFolder(path).supernet.exists():
        shutil.rmtree(source)
    run(path, RunFolder(path).request())
    assert RunFolder(path).model.read_bytes() == other.model.read_bytes()
    before, now = lasting(other), lasting(RunFolder(path))
    for record in (before, now):
        record["request"]["source"]["run"] = record["stage_one"]["reason"] = ""
    assert now == before


def test_supernet_of_a_run_that_took_it_from_another_is_that_ones(
    other: RunFolder, finished: RunFolder
) -> None:
    again = supernet_source(other)
    assert again.run == str(other.path)
    assert again.request == finished.request()
    assert again.sha256 == supernet_source(finished).sha256


def test_limits_that_only_the_smallest_networks_meet_leave_a_space_of_those(finished: RunFolder) -> None:
    task = task_of(request_from(finished.path), EFFORTS)
    space, loose = task.trainer.space, task.constraints
    smallest = loose.cost(space.lower(space.smallest()))
    tight = replace(loose, weights_bytes=smallest.weights_bytes)
    found = space_within(space, tight, seed=0, samples=20, run="r")
    assert found.chosen.fitting
    assert found.space.count() < space.count()
    assert tight.fits(tight.cost(found.space.lower(found.space.smallest())))


@pytest.mark.parametrize(
    ("limit", "named"),
    [
        ({"sram_bytes": 500}, "B of SRAM (limit 500 B); its peak is"),
        ({"flash_bytes": 600}, "B of flash (limit 600 B); its peak is"),
        ({"latency_ms": 0.01}, "ms estimated (limit 0.0 ms); its peak is"),
    ],
)
def test_board_that_no_subnet_fits_is_told_the_limit_and_the_smallest(
    limit: dict[str, float], named: str, finished: RunFolder
) -> None:
    task = task_of(replace(request_from(finished.path), **limit), EFFORTS)
    with pytest.raises(NothingFitsError) as refused:
        task.check()
    assert f"no subnet of the supernet of {finished.path} fits: the smallest needs" in str(refused.value)
    assert named in str(refused.value)


def test_smallest_network_is_smallest_by_every_limit(finished: RunFolder) -> None:
    task = task_of(request_from(finished.path), EFFORTS)
    space, constraints = task.trainer.space, replace(task.constraints, sram_bytes=0)  # the memory plan's peak
    least = needs(constraints, space.lower(space.smallest()))
    rng = np.random.default_rng(0)
    for _ in range(25):
        assert np.all(needs(constraints, space.lower(space.sample(rng))) >= least)


def needs(constraints: Constraints, network: object) -> np.ndarray:
    cost = constraints.cost(network)  # type: ignore[arg-type]
    return np.array([cost.peak_bytes, cost.flash_bytes(constraints.profile), cost.instructions])


def test_run_whose_supernet_is_not_trained_is_no_source(finished: RunFolder, tmp_path: Path) -> None:
    begun = RunFolder.create(tmp_path / "begun", finished.request().to_record())
    with pytest.raises(
        RunFolderError, match=r"not trained yet: `mcu-nas search --resume --run .*begun` trains"
    ):
        supernet_source(begun)
    with begun.locked(), pytest.raises(RunFolderError, match="not trained yet: its search is running"):
        supernet_source(begun)


def test_source_without_its_checkpoint_is_named(finished: RunFolder, tmp_path: Path) -> None:
    copy = RunFolder(shutil.copytree(finished.path, tmp_path / "copy"))
    copy.supernet.unlink()
    with pytest.raises(RunFolderError, match=r"supernet\.pt is missing"):
        supernet_source(copy)


def test_supernet_of_other_data_is_refused(finished: RunFolder, tmp_path: Path) -> None:
    copy = RunFolder(shutil.copytree(finished.path, tmp_path / "copy"))
    record = copy.read()["request"]
    images = shutil.copytree(record["data"], tmp_path / "data")
    shutil.copy(images / "t10k-images-idx3-ubyte.gz", images / "train-images-idx3-ubyte.gz")
    shutil.copy(images / "t10k-labels-idx1-ubyte.gz", images / "train-labels-idx1-ubyte.gz")
    copy.record("request", {**record, "data": str(images)})
    effort = replace(EFFORTS["tiny"], validation_images=20, holdout_images=20, recalibration_images=20)
    task = task_of(request_from(copy.path), {"tiny": effort})
    with pytest.raises(RunFolderError, match=r"trained on other data than .* now holds, or by"):
        task.check_supernet(RunFolder(tmp_path / "new"))


def test_source_that_was_trained_anew_meanwhile_is_refused(finished: RunFolder, tmp_path: Path) -> None:
    copy = RunFolder(shutil.copytree(finished.path, tmp_path / "copy"))
    source = supernet_source(copy)
    copy.supernet.write_bytes(b"another")
    with pytest.raises(RunFolderError, match="is not the supernet that this search began with"):
        take_supernet(RunFolder(tmp_path / "new"), source)
    mixed = RunFolder(tmp_path / "mixed")
    mixed.checkpoints.mkdir(parents=True)
    mixed.supernet.write_bytes(b"another")
    with pytest.raises(RunFolderError, match="is not the supernet that was taken from"):
        take_supernet(mixed, source)
