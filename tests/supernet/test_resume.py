"""A training that was killed goes on as if nothing had happened."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from mcu_nas.errors import RunFolderError
from mcu_nas.supernet.schedule import Schedule
from mcu_nas.supernet.torch_network import TorchNetwork
from mcu_nas.supernet.training import train_network
from tests.fashion import needs_fashion_mnist
from tests.supernet.small_training import (
    LARGEST,
    STEPS,
    digest,
    small_feed,
    small_space,
    train_small_supernet,
)

pytestmark = needs_fashion_mnist


@pytest.fixture(scope="module")
def uninterrupted() -> str:
    return digest(train_small_supernet(checkpoint=None))


def start(checkpoint: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.supernet.small_training", str(checkpoint)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize("killed_at", [7, LARGEST.steps, 18])
def test_killed_training_resumes_to_the_same_bits(killed_at: int, uninterrupted: str, tmp_path: Path) -> None:
    checkpoint = tmp_path / "supernet.pt"
    with start(checkpoint) as process:
        assert process.stdout
        for line in process.stdout:
            if int(line) == killed_at:
                process.kill()
                break
    steps: list[int] = []
    resumed = train_small_supernet(checkpoint, lambda step, total, loss: steps.append(step))
    assert 1 < steps[0] <= killed_at + 2
    assert steps[-1] == STEPS
    assert digest(resumed) == uninterrupted


def test_finished_training_is_loaded_without_a_step(uninterrupted: str, tmp_path: Path) -> None:
    checkpoint = tmp_path / "supernet.pt"
    train_small_supernet(checkpoint)
    steps: list[int] = []
    again = train_small_supernet(checkpoint, lambda step, total, loss: steps.append(step))
    assert steps == []
    assert digest(again) == uninterrupted


def test_checkpoint_of_another_training_is_refused(tmp_path: Path) -> None:
    network = TorchNetwork(small_space().lower(small_space().smallest()))
    checkpoint = tmp_path / "tune.pt"
    train_network(network, small_feed(), Schedule(2, 8, 0.1), checkpoint=checkpoint)
    with pytest.raises(RunFolderError, match=r"tune\.pt: belongs to a training with other settings"):
        train_network(network, small_feed(), Schedule(2, 8, 0.2), checkpoint=checkpoint)


@pytest.mark.parametrize(
    "damaged",
    [
        lambda whole: whole[:1000],
        lambda whole: b"",
        lambda whole: b"rubbish" * 99,  # torch's unpickler ends in an IndexError
        lambda whole: b"\x80\x02]q\x00.",  # a pickled list
    ],
    ids=["torn", "empty", "rubbish", "list"],
)
def test_damaged_checkpoint_is_an_error_not_a_fresh_start(
    tmp_path: Path, damaged: Callable[[bytes], bytes]
) -> None:
    checkpoint = tmp_path / "supernet.pt"
    train_small_supernet(checkpoint)
    checkpoint.write_bytes(damaged(checkpoint.read_bytes()))
    with pytest.raises(RunFolderError, match=r"supernet\.pt: is not a readable checkpoint"):
        train_small_supernet(checkpoint)


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_number_of_threads_does_not_change_a_bit(threads: int, uninterrupted: str) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        assert digest(train_small_supernet(checkpoint=None)) == uninterrupted
    finally:
        torch.set_num_threads(before)
