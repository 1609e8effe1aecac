"""Real images for tests that train or calibrate; they skip where the data set's package is absent."""

from __future__ import annotations

from functools import lru_cache

import pytest

from mcu_nas.datasets import fashion_mnist
from mcu_nas.datasets.dataset import Dataset

needs_fashion_mnist = pytest.mark.skipif(
    not (fashion_mnist.DEBIAN_FOLDER / "train-images-idx3-ubyte.gz").is_file(),
    reason="Fashion-MNIST is not installed: apt install dataset-fashion-mnist",
)


@lru_cache(maxsize=1)
def fashion() -> Dataset:
    """The data set, read once a test process."""
    return fashion_mnist.load()
