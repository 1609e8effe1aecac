"""A GPU is used where there is one, and needed nowhere."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from mcu_nas.supernet.device import compute_device
from mcu_nas.supernet.torch_network import TorchNetwork, predict, to_pixels
from mcu_nas.supernet.training import train_network
from tests.fashion import fashion, needs_fashion_mnist
from tests.supernet.small_training import LARGEST, small_feed, small_space

WITHOUT_GPU = """
import torch
torch.cuda.is_available = lambda: False
from mcu_nas.supernet.device import compute_device
assert compute_device().type == "cpu"
"""


def test_without_a_gpu_everything_is_on_the_cpu() -> None:
    subprocess.run([sys.executable, "-c", WITHOUT_GPU], check=True)


@needs_fashion_mnist
def test_weights_and_images_meet_on_the_compute_device() -> None:
    network = TorchNetwork(small_space().lower(small_space().smallest()), seed=0)
    assert {parameter.device.type for parameter in network.parameters()} == {compute_device().type}
    images = fashion().train_images[:8, :12, :12].copy()
    assert to_pixels(images).device.type == compute_device().type
    train_network(network, small_feed(), LARGEST)
    assert predict(network, images).device.type == "cpu"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
@needs_fashion_mnist
def test_gpu_trains_as_the_cpu_does() -> None:
    network = TorchNetwork(small_space().lower(small_space().smallest()), seed=0)
    losses: list[float] = []
    train_network(network, small_feed(), LARGEST, progress=lambda step, total, loss: losses.append(loss))
    assert compute_device().type == "cuda"
    assert losses[-1] < losses[0]
