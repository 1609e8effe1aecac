"""Data sets by name or by path, whatever their form."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from mcu_nas.datasets import fashion_mnist, npz
from mcu_nas.datasets.channels import Channels, to_channels
from mcu_nas.datasets.dataset import Dataset
from mcu_nas.datasets.inspection import Inspection, inspect
from mcu_nas.datasets.progress import Progress, unseen
from mcu_nas.errors import DataError, did_you_mean

_LOADERS: dict[str, Callable[[], Dataset]] = {fashion_mnist.NAME: fashion_mnist.load}


@dataclass(frozen=True)
class DataOptions:
    """How data are to be taken: grey or in colour, image files at which size in px, and whether an image
    mirrored left to right keeps its label. None: what suits the data.
    """

    channels: Channels | None = None
    image_px: int | None = None
    mirror: bool | None = None


def dataset_names() -> list[str]:
    """The names that load_dataset knows."""
    return sorted(_LOADERS)


def load_dataset(
    name_or_path: str, options: DataOptions = DataOptions(), progress: Progress = unseen
) -> Dataset:
    """A data set by its name; or a folder of images, a folder with MNIST's four IDX files, or an .npz file.

    ``progress`` is told (images read, images) where that takes a while.

    Raises:
        DataError: an unknown name, nothing there, broken files, or data that cannot be learned from.
    """
    return inspect_dataset(name_or_path, options, progress).usable(name_or_path)


def inspect_dataset(
    name_or_path: str, options: DataOptions = DataOptions(), progress: Progress = unseen
) -> Inspection:
    """As load_dataset, but errors in the data are findings beside the others.

    Raises:
        DataError: an unknown name, nothing there, or files that do not belong together.
    """
    found = _inspect(name_or_path, options, progress)
    if found.dataset is None or options.mirror is None:
        return found
    return replace(found, dataset=replace(found.dataset, mirrorable=options.mirror))


def _inspect(name_or_path: str, options: DataOptions, progress: Progress) -> Inspection:
    path = _path(name_or_path)
    if name_or_path and name_or_path not in _LOADERS and path.is_dir() and not fashion_mnist.holds_idx(path):
        from mcu_nas.datasets.image_dataset import inspect_image_folder  # brings Pillow

        return inspect_image_folder(path, options.channels, options.image_px, progress)
    dataset = _arrays(name_or_path, path)
    images = [
        to_channels(part, options.channels, name_or_path)
        for part in (dataset.train_images, dataset.test_images)
    ]
    dataset = replace(dataset, train_images=images[0], test_images=images[1])
    if options.image_px is not None:
        raise DataError(
            f"{name_or_path}: --image-px is for folders of image files: choose --resolutions instead"
        )
    if name_or_path in _LOADERS:  # published, and checked against its checksums
        return Inspection(dataset, dataset.findings)
    names = [
        [f"{part} image {index}" for index in range(count)]
        for part, count in (("training", len(images[0])), ("test", len(images[1])))
    ]
    return inspect(dataset, *names)


def _path(name_or_path: str) -> Path:
    path = Path(name_or_path)
    try:
        return path.expanduser()
    except RuntimeError:  # ~somebody who has no account here
        return path


def _arrays(name_or_path: str, path: Path) -> Dataset:
    """A data set that is stored as arrays."""
    if name_or_path in _LOADERS:
        return _LOADERS[name_or_path]()
    if name_or_path and path.is_dir():
        return fashion_mnist.load_idx_folder(path, path.resolve().name)
    if path.is_file() and path.suffix.lower() == ".npz":
        return npz.load_npz(path)
    raise DataError(
        f"unknown data set '{name_or_path}': {did_you_mean(name_or_path, _LOADERS)}"
        f"known: {', '.join(dataset_names())}, or a folder of images (train/<class>/, test/<class>/),"
        " a folder with train-images-idx3-ubyte and its siblings, or an .npz file"
    )
