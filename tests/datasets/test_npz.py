"""Data sets in .npz files: which keys and arrays are accepted, and the words for what is not."""

from __future__ import annotations

import contextlib
import io
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest

from mcu_nas.datasets import DataOptions, load_dataset
from mcu_nas.errors import DataError

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (60, 10, 8, 3), dtype=np.uint8)
CLASSES = np.arange(60) % 3


def written(folder: Path, **arrays: object) -> str:
    path = folder / "mine.npz"
    np.savez(path, **arrays)
    return str(path)


def keras(**changes: object) -> dict[str, object]:
    """Keras's keys, with some arrays exchanged."""
    whole = {"x_train": IMAGES[:40], "y_train": CLASSES[:40], "x_test": IMAGES[40:], "y_test": CLASSES[40:]}
    return {**whole, **changes}


def zipped(folder: Path, members: dict[str, bytes]) -> Path:
    path = folder / "mine.npz"
    with zipfile.ZipFile(path, "w") as file:
        for name, data in members.items():
            file.writestr(name, data)
    return path


def refusal(folder: Path, **arrays: object) -> str:
    with pytest.raises(DataError) as error:
        load_dataset(written(folder, **arrays))
    return str(error.value).removeprefix(f"{folder / 'mine.npz'}: ")


def test_keras_keys_are_a_data_set(tmp_path: Path) -> None:
    data = load_dataset(written(tmp_path, **keras()))
    assert (data.name, data.image_shape, data.labels) == ("mine", (10, 8, 3), ("0", "1", "2"))
    np.testing.assert_array_equal(data.test_images, IMAGES[40:])
    assert data.test_labels.tolist() == CLASSES[40:].tolist()
    assert data.train_labels.dtype == np.int64
    assert data.mirrorable


def test_medmnist_keys_with_labels_in_a_column_are_a_data_set(tmp_path: Path) -> None:
    data = load_dataset(
        written(
            tmp_path,
            train_images=IMAGES[:40, ..., 0],
            train_labels=CLASSES[:40, None].astype(np.uint8),
            val_images=IMAGES[:5, ..., 0],
            val_labels=CLASSES[:5, None].astype(np.uint8),
            test_images=IMAGES[40:, ..., 0],
            test_labels=CLASSES[40:, None].astype(np.uint8),
        )
    )
    assert data.train_images.shape == (40, 10, 8, 1)
    assert not data.mirrorable


@pytest.mark.parametrize("keys", [("x", "y"), ("images", "labels")])
def test_without_test_images_a_fifth_of_each_class_is_set_aside(
    tmp_path: Path, keys: tuple[str, str]
) -> None:
    data = load_dataset(written(tmp_path, **dict(zip(keys, (IMAGES, CLASSES), strict=True))))
    assert np.bincount(data.test_labels).tolist() == [4, 4, 4]
    assert np.bincount(data.train_labels).tolist() == [16, 16, 16]
    assert str(data.findings[0]) == "no test images: 12, 20% of each class, are set aside to test"


def test_labels_may_be_names(tmp_path: Path) -> None:
    names = np.array(["dog", "cat", "fox"])[CLASSES]
    data = load_dataset(written(tmp_path, **keras(y_train=names[:40], y_test=names[40:])))
    assert data.labels == ("cat", "dog", "fox")
    assert [data.labels[label] for label in data.test_labels[:3]] == names[40:43].tolist()


def test_classes_may_be_named(tmp_path: Path) -> None:
    data = load_dataset(written(tmp_path, **keras(class_names=np.array(["a", "b", "c"]))))
    assert data.labels == ("a", "b", "c")


def test_channels_and_mirroring_follow_the_user(tmp_path: Path) -> None:
    data = load_dataset(written(tmp_path, **keras()), DataOptions(channels="grey", mirror=False))
    assert (data.image_shape, data.mirrorable) == ((10, 8, 1), False)
    with pytest.raises(DataError, match="--image-px is for folders of image files"):
        load_dataset(str(tmp_path / "mine.npz"), DataOptions(image_px=8))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"x_train": IMAGES[:40] / 255}, "x_train is float64: save pixels as uint8, 0 to 255"),
        ({"x_train": IMAGES[:40].reshape(40, -1)}, "x_train is 40×240: images are (N, height, width) or"),
        (
            {"x_train": np.moveaxis(IMAGES[:40], 3, 1)},
            "channels come last: save numpy.moveaxis",
        ),
        ({"x_train": IMAGES[:39]}, "x_train has 39 images, 40 labels belong to them"),
        ({"x_test": IMAGES[40:, :9]}, "x_train and x_test differ in size or channels"),
        ({"y_train": np.eye(3)[CLASSES[:40]]}, "y_train is float64 of 2 axes: labels are a whole number or"),
        ({"y_train": CLASSES[:40] - 1}, "label -1: labels count from 0"),
        ({"y_test": CLASSES[40:] + 10**9}, "labels count from 0 without gaps"),
        (
            {"y_train": CLASSES[:40] + 1, "y_test": CLASSES[40:] + 1},
            "classes without images to train on (1): 0",
        ),
        ({"y_train": np.array([None] * 40)}, "cannot be read as .npz (Object arrays cannot be loaded"),
        ({"class_names": np.array(["a", "b"])}, "label 2 found, class_names has 2"),
        ({"class_names": np.array(["a", "b", "a"])}, "class_names calls two classes 'a'"),
        ({"y_test": np.full(20, 2**64 - 1, np.uint64)}, "label 18446744073709551615 among 60 images"),
        ({"x_train": np.uint8(3)}, "x_train is a single number: images are (N, height, width) or"),
        ({"y_train": CLASSES[:40] * 0, "y_test": CLASSES[40:] * 0}, "fewer than two classes"),
        (
            {"x_train": IMAGES[:0], "y_train": CLASSES[:0]},
            "fewer than two classes have images to train on",
        ),
        ({"x_test": IMAGES[:0], "y_test": CLASSES[:0]}, "no images to test on"),
    ],
)
def test_arrays_of_another_kind_are_refused(
    tmp_path: Path, change: dict[str, np.ndarray], expected: str
) -> None:
    assert expected in refusal(tmp_path, **keras(**change))


def test_other_keys_are_listed_with_those_expected(tmp_path: Path) -> None:
    message = refusal(tmp_path, data=IMAGES, target=CLASSES)
    assert message.startswith("holds data, target: it needs x_train, y_train, x_test, y_test, or train_")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"hello"])
def test_a_file_that_is_no_npz_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "mine.npz"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"mine\.npz: cannot be read as \.npz"):
        load_dataset(str(path))


def test_a_single_array_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "mine.npz").open("wb") as file:
        np.save(file, IMAGES)
    with pytest.raises(DataError, match=r"a single array, no \.npz file"):
        load_dataset(str(tmp_path / "mine.npz"))


def test_a_truncated_file_is_refused(tmp_path: Path) -> None:
    path = Path(written(tmp_path, **keras()))
    path.write_bytes(path.read_bytes()[:-300])
    with pytest.raises(DataError, match=r"cannot be read as \.npz"):
        load_dataset(str(path))


@pytest.mark.parametrize("shape", [(10**12,), (1000, 10**5, 10**5)])
def test_a_header_that_promises_terabytes_is_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": shape})
    path = zipped(tmp_path, {"x.npy": header.getvalue(), "y.npy": b""})
    with pytest.raises(DataError, match=r"mine\.npz: cannot be read as \.npz"):
        load_dataset(str(path))


def test_arrays_larger_than_the_memory_are_refused_unread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sysconf", {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 2}.__getitem__)
    with pytest.raises(DataError, match=r"holds 0\.0 GiB, the memory of this computer is"):
        load_dataset(written(tmp_path, **keras()))


def test_only_the_arrays_that_are_needed_are_read(tmp_path: Path) -> None:
    data = load_dataset(written(tmp_path, **keras(x_val=np.array([{}], object))))
    assert len(data.train_images) == 40


def test_members_that_are_no_arrays_are_refused(tmp_path: Path) -> None:
    path = zipped(tmp_path, {"x": b"hello", "y": b"\x80\x04."})
    with pytest.raises(
        DataError, match=r"mine\.npz: x is no array: save images and labels with numpy\.savez"
    ):
        load_dataset(str(path))


def test_any_flipped_byte_gives_data_or_one_error(tmp_path: Path) -> None:
    path = Path(written(tmp_path, x=IMAGES[:, :2, :2], y=CLASSES))
    whole = path.read_bytes()
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        with contextlib.suppress(DataError):
            assert load_dataset(str(path)).image_shape[2] == 3


def test_the_suffix_may_be_in_capitals(tmp_path: Path) -> None:
    path = Path(written(tmp_path, **keras())).rename(tmp_path / "MINE.NPZ")
    assert load_dataset(str(path)).name == "MINE"
