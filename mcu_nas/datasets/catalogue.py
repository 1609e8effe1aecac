"""Data sets by name or by path."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from mcu_nas.datasets import fashion_mnist
from mcu_nas.datasets.dataset import Dataset
from mcu_nas.errors import DataError, did_you_mean

_LOADERS: dict[str, Callable[[], Dataset]] = {fashion_mnist.NAME: fashion_mnist.load}


def dataset_names() -> list[str]:
    """The names that load_dataset knows."""
    return sorted(_LOADERS)


def load_dataset(name_or_path: str) -> Dataset:
    """A data set by its name, or from a folder with MNIST's four IDX files.

    Raises:
        DataError: an unknown name, a missing folder, or broken files.
    """
    if name_or_path in _LOADERS:
        return _LOADERS[name_or_path]()
    folder = Path(name_or_path).expanduser()
    if name_or_path and folder.is_dir():
        return fashion_mnist.load_idx_folder(folder, folder.resolve().name)
    raise DataError(
        f"unknown data set '{name_or_path}': {did_you_mean(name_or_path, _LOADERS)}"
        f"known: {', '.join(dataset_names())}, or a folder with train-images-idx3-ubyte and its siblings"
    )
