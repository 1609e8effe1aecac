"""Workers on Ray: the same scores, in the same order, as one process gives."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from mcu_nas.errors import JobError, UsageError
from mcu_nas.search.evaluation.adaptation import Adaptation
from mcu_nas.search.evaluation.evaluator import Race, SharedWeights
from mcu_nas.search.exploration.history import History
from mcu_nas.search.listener import Silence
from mcu_nas.search.pipeline import Search
from mcu_nas.search.run.run_folder import RunFolder
from mcu_nas.search.run.versions import versions
from mcu_nas.search.task import task_of
from mcu_nas.spaces.space import mbconv_space
from mcu_nas.supernet.schedule import Schedule
from mcu_nas.supernet.supernet import Supernet
from tests.command_line import mcu_nas
from tests.fashion import needs_fashion_mnist
from tests.search.small_search import EFFORTS

ray = pytest.importorskip("ray", reason="the extra ray is not installed")

from mcu_nas.search.evaluation.ray_workers import RayWorkers, ray_workers, require_own_versions  # noqa: E402 - ray


def evaluator() -> SharedWeights:
    rng = np.random.default_rng(0)
    space = mbconv_space(16, 1, 4, resolutions=(12,), widths=(0.3,))
    pixels = rng.integers(0, 256, (700, 16, 16, 1), dtype=np.uint8)
    labels = rng.integers(0, 4, 636)
    brief = Schedule(steps=2, batch=32, learning_rate=0.1, warmup_steps=1)
    adaptation = Adaptation(brief, pixels[:64], labels[:64], 0, False)
    return SharedWeights(Supernet(space, seed=1), pixels[:64], pixels[64:], labels, adaptation)


def races(count: int) -> list[Race]:
    space, rng = evaluator().supernet.space, np.random.default_rng(1)
    sampled = [space.sample(rng) for _ in range(count)]
    return [(sampled[0], None), *((architecture, sampled[0]) for architecture in sampled[1:])]


class StopAtHoldout(Silence):
    """Stops a search once its log is complete."""

    def stage(self, name: str) -> None:
        if name == "holdout":
            raise StoppedError


class StoppedError(Exception):
    """Thrown by StopAtHoldout."""


@needs_fashion_mnist
def test_search_with_two_workers_writes_the_log_of_one(finished: RunFolder, tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "run", finished.request().to_record())
    folder.checkpoints.mkdir()
    shutil.copy(finished.supernet, folder.supernet)
    search = Search(folder, task_of(finished.request(), EFFORTS), StopAtHoldout(), workers=2)
    with pytest.raises(StoppedError):
        search.run()
    assert list(History(folder.search_log)) == list(History(finished.search_log))


@pytest.fixture(scope="module")
def workers() -> Iterator[RayWorkers]:
    with ray_workers(evaluator(), 2) as found:
        yield found


def test_scores_and_their_order_are_those_of_one_process(workers: RayWorkers) -> None:
    here = list(evaluator().scores(races(8)))
    assert list(workers.scores(races(8))) == here
    assert any(score.partial for score in here)


def test_worker_asked_again_gives_the_same(workers: RayWorkers) -> None:
    assert list(workers.scores(races(4))) == list(workers.scores(races(4)))


@pytest.mark.parametrize("given", ["0", "-1", "many", "ray:/head", "1.5"])
def test_what_is_neither_number_nor_address_is_refused(given: str) -> None:
    done = mcu_nas("search", "--board", "b", "--data", "d", "--workers", given)
    assert done.code == 2
    assert f"'{given}' is neither a number of processes nor a ray:// address" in done.err


def test_worker_with_other_versions_is_refused() -> None:
    with pytest.raises(UsageError, match=r"a worker has torch 0\.1, this computer .*: install the same"):
        require_own_versions({**versions(), "torch": "0.1"})


def test_worker_that_dies_ends_the_search_with_how_to_go_on(workers: RayWorkers) -> None:
    for worker in workers._workers:  # the last test, as it needs the session's two cores
        ray.kill(worker)
    with pytest.raises(JobError, match=r"an evaluation on Ray failed: .* --resume` goes on"):
        list(workers.scores(races(2)))
