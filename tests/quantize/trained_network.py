"""A small network after a few seconds of training on real images, for the tests of quantization."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from mcu_nas.datasets import resize
from mcu_nas.supernet.batch_norm import recalibrate
from mcu_nas.supernet.feed import Feed
from mcu_nas.supernet.schedule import Schedule
from mcu_nas.supernet.torch_network import TorchNetwork
from mcu_nas.supernet.training import train_network
from tests.fashion import fashion
from tests.supernet.small_training import small_space

PX = 12


def images(count: int, px: int = PX) -> np.ndarray:
    """Test images uint8 (count, px, px, 1)."""
    return resize(fashion().test_images[:count], px)


def calibration_images(count: int = 256) -> np.ndarray:
    """Training images uint8 (count, PX, PX, 1)."""
    return resize(fashion().train_images[:count], PX)


@lru_cache(maxsize=1)
def feed() -> Feed:
    """4,000 training images."""
    train = calibration_images(4000)
    return Feed(train, fashion().train_labels[:4000], seed=0, mirrorable=True)


@lru_cache(maxsize=1)
def trained() -> TorchNetwork:
    """Two thirds right."""
    network = TorchNetwork(small_space().lower(small_space().smallest()))
    train_network(network, feed(), Schedule(steps=120, batch=64, learning_rate=0.4, warmup_steps=10))
    recalibrate(network, calibration_images(512))
    return network
