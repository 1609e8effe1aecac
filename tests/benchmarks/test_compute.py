"""The compute that budgets are made of: counted in passes, whoever makes them, and kept over a kill."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.search_quality.compute import Meter, evaluation_macs, metering, steps_within
from mcu_nas.cost.macs import network_macs
from mcu_nas.spaces.space import Space, mbconv_space
from mcu_nas.supernet import training
from mcu_nas.supernet.feed import Feed
from mcu_nas.supernet.schedule import Schedule
from mcu_nas.supernet.supernet import Supernet
from mcu_nas.supernet.torch_network import TorchNetwork
from mcu_nas.supernet.training import train_network

SCHEDULE = Schedule(steps=6, batch=8, learning_rate=0.01, warmup_steps=1)


@pytest.fixture(scope="module")
def space() -> Space:
    return mbconv_space(12, 1, 10, resolutions=[12], widths=[0.2])


@pytest.fixture(scope="module")
def feed() -> Feed:
    rng = np.random.default_rng(0)
    return Feed(rng.integers(0, 256, (40, 12, 12, 1), dtype=np.uint8), np.arange(40) % 10, 1, False)


class KilledError(Exception):
    """Stands for the kill, where it strikes between two steps."""


def train(space: Space, feed: Feed, folder: Path, die_after: int = 0) -> Meter:
    meter = Meter(folder / "compute.json")
    network = TorchNetwork(space.lower(space.smallest()), seed=1)

    def progress(done: int, total: int, loss: float) -> None:
        meter.progress(done, total, "")
        if done == die_after:
            raise KilledError

    with metering(meter):
        meter.stage("training")
        train_network(network, feed, SCHEDULE, checkpoint=folder / "network.pt", progress=progress)
    return meter


def test_training_counts_three_passes_an_image(space: Space, feed: Feed, tmp_path: Path) -> None:
    macs = network_macs(space.lower(space.smallest()))
    assert train(space, feed, tmp_path).macs() == {"training": 3 * macs * SCHEDULE.batch * SCHEDULE.steps}


@pytest.mark.parametrize("die_after", [2, 3, 4])
def test_a_kill_changes_nothing_in_the_count(
    space: Space, feed: Feed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, die_after: int
) -> None:
    monkeypatch.setattr(training, "CHECKPOINT_EVERY", 3)
    with pytest.raises(KilledError):
        train(space, feed, tmp_path, die_after)
    macs = network_macs(space.lower(space.smallest()))
    assert train(space, feed, tmp_path).macs() == {"training": 3 * macs * SCHEDULE.batch * SCHEDULE.steps}


def test_each_subnet_of_a_supernet_counts_its_own_and_a_teacher_one_pass(
    space: Space, tmp_path: Path
) -> None:
    supernet, meter = Supernet(space, seed=1), Meter(tmp_path / "compute.json")
    pixels = torch.zeros(2, 1, 12, 12)
    with metering(meter):
        meter.stage("supernet")
        supernet(pixels, space.smallest())
        with torch.no_grad():
            supernet(pixels, architecture=space.largest())
        meter.progress(1, 1, "")
    small, large = (network_macs(space.lower(a)) for a in (space.smallest(), space.largest()))
    assert meter.macs() == {"supernet": 2 * (3 * small + large)}


def test_nothing_is_counted_after_the_block(space: Space, tmp_path: Path) -> None:
    meter = Meter(tmp_path / "compute.json")
    meter.stage("training")
    with metering(meter):
        pass
    TorchNetwork(space.lower(space.smallest()), seed=1)(torch.zeros(1, 1, 12, 12))
    meter.progress(1, 1, "")
    assert meter.macs() == {}


def test_steps_spend_the_budget_and_no_more() -> None:
    steps = steps_within(10_000_000, network=1_000, batch=32)
    assert steps * 3 * 1_000 * 32 <= 10_000_000 < (steps + 1) * 3 * 1_000 * 32
    assert steps_within(1, network=1_000, batch=32) == 1
    assert evaluation_macs(1_000, 10, 20) == 30_000
