"""Fashion-MNIST: 60,000 + 10,000 images of 28×28×1 in ten classes. Xiao et al., arXiv:1708.07747.

Read from Debian's package where it is installed, else from a cache folder that is filled by download.
The checksums are of the uncompressed files: Debian's are compressed differently from the originals.
"""

from __future__ import annotations

import gzip
import hashlib
import urllib.error
import urllib.request
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np

from mcu_nas.datasets.dataset import Dataset
from mcu_nas.datasets.idx import read_idx
from mcu_nas.errors import DataError
from mcu_nas.files import write_bytes
from mcu_nas.resources import cache_folder

NAME = "fashion-mnist"
LABELS = (
    "T-shirt/top",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle boot",
)
DEBIAN_FOLDER = Path("/usr/share/datasets/fashion-mnist")
DOWNLOAD_FROM = "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/"
_DOWNLOAD_TIMEOUT_S = 30
SHA256 = {
    "train-images-idx3-ubyte.gz": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte.gz": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "t10k-images-idx3-ubyte.gz": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte.gz": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}


def load() -> Dataset:
    """The data set, downloaded into the cache folder if no copy is on this machine.

    Raises:
        DataError: no copy and no download, or a copy that is broken.
    """
    folder = DEBIAN_FOLDER if _holds_all(DEBIAN_FOLDER) else cache_folder() / NAME
    if not _holds_all(folder):
        _download(folder)
    return replace(load_idx_folder(folder, NAME, LABELS), mirrorable=True)


def _holds_all(folder: Path) -> bool:
    return all((folder / name).is_file() for name in SHA256)


def holds_idx(folder: Path) -> bool:
    """Whether a folder has any of MNIST's four files."""
    return any((folder / name).exists() or (folder / name.removesuffix(".gz")).exists() for name in SHA256)


def load_idx_folder(folder: Path, name: str, labels: tuple[str, ...] | None = None) -> Dataset:
    """A folder with MNIST's four files; classes are called by their number where ``labels`` is None.

    Raises:
        DataError: a file is missing or broken, or the files do not belong together.
    """
    train_images, train_labels = _read_part(folder, "train")
    test_images, test_labels = _read_part(folder, "t10k")
    if train_images.shape[1:] != test_images.shape[1:]:
        raise DataError(f"{folder}: training and test images differ in size: they do not belong together")
    classes = 1 + int(max(train_labels.max(), test_labels.max()))
    labels = labels or tuple(map(str, range(classes)))
    if classes > len(labels):
        raise DataError(f"{folder}: label {classes - 1} found, {name} has {len(labels)} classes")
    return Dataset(name, train_images, train_labels, test_images, test_labels, labels)


def _read_part(folder: Path, part: str) -> tuple[np.ndarray, np.ndarray]:
    """Images uint8 (N, H, W, 1) and labels int64 (N,)."""
    images_file = _plain_or_gzipped(folder, f"{part}-images-idx3-ubyte")
    images = read_idx(images_file, axes=3)
    labels = read_idx(_plain_or_gzipped(folder, f"{part}-labels-idx1-ubyte"), axes=1)
    if len(images) != len(labels) or len(images) == 0:
        raise DataError(f"{images_file}: {len(images):,} images and {len(labels):,} labels: broken copy")
    return images[..., np.newaxis], labels.astype(np.int64)


def _plain_or_gzipped(folder: Path, stem: str) -> Path:
    plain = folder / stem
    return plain if plain.is_file() else folder / f"{stem}.gz"


def _download(folder: Path) -> None:
    """Fills ``folder``; a file is there whole and checked, or not at all."""
    for name, expected in SHA256.items():
        if not (folder / name).is_file():
            data = _fetch(DOWNLOAD_FROM + name)
            if content_hash(data) != expected:
                raise DataError(
                    f"{DOWNLOAD_FROM}{name}: checksum differs from the published file: "
                    "try again, or apt install dataset-fashion-mnist"
                )
            write_bytes(folder / name, data)


def _fetch(address: str) -> bytes:
    try:
        with urllib.request.urlopen(address, timeout=_DOWNLOAD_TIMEOUT_S) as response:
            data: bytes = response.read()
            return data
    except (urllib.error.URLError, OSError) as error:
        reason = getattr(error, "reason", None) or error
        raise DataError(
            f"{NAME} is not on this machine and {address} cannot be fetched ({reason}): "
            "apt install dataset-fashion-mnist"
        ) from error


def content_hash(compressed: bytes) -> str:
    """SHA-256 of what a gzip file holds, in hex."""
    try:
        return hashlib.sha256(gzip.decompress(compressed)).hexdigest()
    except (OSError, EOFError, zlib.error):
        return "not gzip"
