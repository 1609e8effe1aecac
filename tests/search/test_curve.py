"""Accuracy against time, recorded while a network trains, cut off or not."""

from __future__ import annotations

from pathlib import Path

import pytest

from mcu_nas.search.run.curve import Curve
from mcu_nas.search.run.run_folder import RunFolder


class Clock:
    """Seconds that pass when told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder.create(tmp_path / "run", {})


def train(folder: RunFolder, first: int, last: int, *, measuring: float = 0.0) -> Curve:
    """Steps of two seconds each, of a training of ten with 32 images a step."""
    clock = Clock()

    def measure() -> float:
        clock.now += measuring
        return clock.now % 1.0

    curve = Curve(folder, measure, every=4, batch=32, clock=clock)
    for step in range(first, last + 1):
        clock.now += 2.0
        curve(step, 10)
    return curve


def points(folder: RunFolder) -> list[tuple[float | None, int]]:
    return [(point["seconds"], point["images"]) for point in folder.section("curve")]


def test_points_are_taken_at_every_so_many_steps_and_at_the_end(folder: RunFolder) -> None:
    train(folder, 1, 10)
    assert points(folder) == [(8.0, 128), (16.0, 256), (20.0, 320)]


def test_measuring_takes_no_time_of_the_training(folder: RunFolder) -> None:
    train(folder, 1, 10, measuring=100.0)
    assert [seconds for seconds, _ in points(folder)] == [8.0, 16.0, 20.0]


def test_points_are_in_the_folder_while_training_goes_on(folder: RunFolder) -> None:
    train(folder, 1, 5)
    assert points(folder) == [(8.0, 128)]


def test_resumed_training_takes_points_beyond_its_checkpoint_again(folder: RunFolder) -> None:
    train(folder, 1, 9)  # killed; the checkpoint is that of step 6
    train(folder, 7, 10)
    assert points(folder) == [(8.0, 128), (12.0, 256), (16.0, 320)]


def test_training_that_begins_anew_forgets_the_points(folder: RunFolder) -> None:
    train(folder, 1, 10)
    train(folder, 1, 4)
    assert points(folder) == [(8.0, 128)]


def test_finished_training_took_the_seconds_of_its_last_point(folder: RunFolder) -> None:
    assert train(folder, 1, 10).finish(10) == 20.0
    assert points(folder) == [(8.0, 128), (16.0, 256), (20.0, 320)]


def test_last_point_that_a_kill_lost_is_taken_without_its_seconds(folder: RunFolder) -> None:
    train(folder, 1, 9)  # killed after the checkpoint of step 10
    assert train(folder, 1, 0).finish(10) is None
    assert points(folder) == [(8.0, 128), (16.0, 256), (None, 320)]
