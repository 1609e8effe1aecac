"""NumPy's .npz files with images and labels.

Images are uint8 (N, H, W) or (N, H, W, C) under x_train and x_test (or train_images and test_images),
labels under y_train and y_test (train_labels, test_labels): whole numbers from 0, or names. A file with x
and y (images and labels) alone is split. ``class_names`` may name the classes.
"""

from __future__ import annotations

import tokenize
import zipfile
import zlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mcu_nas.datasets.dataset import Dataset
from mcu_nas.datasets.findings import Finding
from mcu_nas.datasets.image_folder import SPLIT_SEED, TEST_SHARE
from mcu_nas.datasets.memory import require_memory
from mcu_nas.datasets.splits import hold_out
from mcu_nas.errors import DataError

_WITH_TEST = (
    ("x_train", "y_train", "x_test", "y_test"),
    ("train_images", "train_labels", "test_images", "test_labels"),
)
_ALONE = (("x", "y"), ("images", "labels"))
_CLASS_NAMES = "class_names"
# What NumPy raises on damaged files, by what flipping their bits finds; RuntimeError: an encrypted member.
_DAMAGE = (
    OSError,
    ValueError,
    EOFError,
    MemoryError,
    RuntimeError,
    NotImplementedError,
    SyntaxError,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)


def load_npz(path: Path) -> Dataset:
    """The data set in an .npz file.

    Raises:
        DataError: not an .npz file, or arrays that are missing or of another kind.
    """
    keys, arrays = _arrays(path)
    images = [_images(path, key, arrays[key]) for key in keys[::2]]
    labels = [_plain_labels(path, key, arrays[key]) for key in keys[1::2]]
    for key, some, classes in zip(keys[::2], images, labels, strict=True):
        if len(some) != len(classes):
            raise DataError(f"{path}: {key} has {len(some):,} images, {len(classes):,} labels belong to them")
    if images[0].shape[1:] != images[-1].shape[1:]:
        raise DataError(
            f"{path}: {keys[0]} and {keys[-2]} differ in size or channels: they do not belong together"
        )
    numbers, names = _numbered(path, labels, arrays.get(_CLASS_NAMES))
    colour = images[0].shape[-1] == 3
    if len(images) == 2:
        return Dataset(path.stem, images[0], numbers[0], images[1], numbers[1], names, colour)
    chosen = hold_out(numbers[0], TEST_SHARE, SPLIT_SEED)
    rest = np.setdiff1d(np.arange(len(numbers[0])), chosen)
    note = Finding(
        "note", f"no test images: {len(chosen):,}, {TEST_SHARE:.0%} of each class, are set aside to test"
    )
    return Dataset(
        path.stem,
        images[0][rest],
        numbers[0][rest],
        images[0][chosen],
        numbers[0][chosen],
        names,
        colour,
        findings=(note,),
    )


def _arrays(path: Path) -> tuple[tuple[str, ...], dict[str, np.ndarray]]:
    """The keys of images and labels by turns, and the arrays under them; of others but the classes' names
    none is read."""
    try:
        loaded = np.load(path, mmap_mode="r", allow_pickle=False)  # a single array would be mapped
        if isinstance(loaded, np.ndarray):
            raise DataError(f"{path}: a single array, no .npz file: save images and labels with numpy.savez")
        with loaded as stored:
            keys = _keys(path, stored.files)
            read = [key for key in (*keys, _CLASS_NAMES) if key in stored.files]
            sizes = {
                member.filename.removesuffix(".npy"): member.file_size for member in stored.zip.infolist()
            }
            require_memory(sum(sizes[key] for key in read), str(path))
            arrays = {key: stored[key] for key in read}
    except _DAMAGE as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise DataError(f"{path}: cannot be read as .npz ({reason})") from error
    for key, array in arrays.items():
        if not isinstance(array, np.ndarray):  # NumPy gives the bytes of what is no array
            raise DataError(f"{path}: {key} is no array: save images and labels with numpy.savez")
    return keys, arrays


def _keys(path: Path, found: Sequence[str]) -> tuple[str, ...]:
    keys = next((keys for keys in (*_WITH_TEST, *_ALONE) if all(key in found for key in keys)), None)
    if keys is None:
        raise DataError(
            f"{path}: holds {', '.join(sorted(found)) or 'nothing'}: it needs "
            f"{', or '.join(', '.join(keys) for keys in (*_WITH_TEST, *_ALONE))}"
        )
    return keys


def _images(path: Path, key: str, array: np.ndarray) -> np.ndarray:
    if array.dtype != np.uint8:
        raise DataError(f"{path}: {key} is {array.dtype}: save pixels as uint8, 0 to 255")
    if array.ndim == 3:
        array = array[..., np.newaxis]
    if array.ndim != 4 or 0 in array.shape[1:]:
        sizes = "×".join(map(str, array.shape)) or "a single number"
        raise DataError(
            f"{path}: {key} is {sizes}: images are (N, height, width) or (N, height, width, channels)"
        )
    if array.shape[1] in (1, 3) and array.shape[3] not in (1, 3):
        sizes = "×".join(map(str, array.shape))
        raise DataError(f"{path}: {key} is {sizes}: channels come last: save numpy.moveaxis({key}, 1, 3)")
    return array


def _plain_labels(path: Path, key: str, array: np.ndarray) -> np.ndarray:
    """(N,) whole numbers or strings."""
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1 or array.dtype.kind not in "iuU":
        raise DataError(
            f"{path}: {key} is {array.dtype} of {array.ndim} axes: labels are a whole number or a name each"
        )
    return array


def _numbered(
    path: Path, labels: list[np.ndarray], names: np.ndarray | None
) -> tuple[list[np.ndarray], tuple[str, ...]]:
    """The labels as int64 from 0, and the classes' names."""
    if any(part.dtype.kind == "U" for part in labels):
        found = sorted({str(label) for part in labels for label in part.tolist()})
        number = {label: index for index, label in enumerate(found)}
        return [np.array([number[str(label)] for label in part], np.int64) for part in labels], tuple(found)
    images = sum(map(len, labels))
    if images == 0:
        raise DataError(f"{path}: no images")
    # As Python's numbers: the largest of NumPy's unsigned ones are none of its signed ones.
    lowest = min(int(part.min()) for part in labels if len(part))
    if lowest < 0:
        raise DataError(f"{path}: label {lowest}: labels count from 0")
    classes = 1 + max(int(part.max()) for part in labels if len(part))
    if names is None and classes > images:
        raise DataError(
            f"{path}: label {classes - 1} among {images:,} images: labels count from 0 without gaps"
        )
    called = tuple(map(str, range(classes))) if names is None else tuple(map(str, names.reshape(-1).tolist()))
    if classes > len(called):
        raise DataError(f"{path}: label {classes - 1} found, {_CLASS_NAMES} has {len(called)}")
    if len(set(called)) < len(called):
        twice = next(name for name, times in Counter(called).items() if times > 1)
        raise DataError(f"{path}: {_CLASS_NAMES} calls two classes '{twice}'")
    return [part.astype(np.int64) for part in labels], called
