"""Loading data sets: what is accepted, and the words for what is not."""

from __future__ import annotations

import contextlib
import gzip
import io
import shutil
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcu_nas.datasets import fashion_mnist, load_dataset
from mcu_nas.datasets.idx import parse_idx, read_idx
from mcu_nas.errors import DataError
from tests.fashion import fashion, needs_fashion_mnist


def idx_bytes(values: np.ndarray) -> bytes:
    return struct.pack(f">HBB{values.ndim}I", 0, 8, values.ndim, *values.shape) + values.tobytes()


def write_idx_folder(folder: Path, train: int = 12, test: int = 4) -> None:
    rng = np.random.default_rng(0)
    for part, count in (("train", train), ("t10k", test)):
        images = rng.integers(0, 256, (count, 6, 6), dtype=np.uint8)
        labels = (np.arange(count) % 3).astype(np.uint8)
        (folder / f"{part}-images-idx3-ubyte").write_bytes(idx_bytes(images))
        (folder / f"{part}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx_bytes(labels)))


@needs_fashion_mnist
def test_fashion_mnist_has_its_published_shape() -> None:
    data = fashion()
    assert data.train_images.shape == (60_000, 28, 28, 1)
    assert data.test_images.shape == (10_000, 28, 28, 1)
    assert data.train_images.dtype == np.uint8
    assert data.train_labels.dtype == np.int64
    assert np.bincount(data.train_labels).tolist() == [6000] * 10
    assert len(data.labels) == 10


@needs_fashion_mnist
def test_installed_files_hold_what_the_download_would_hold() -> None:
    for name, expected in fashion_mnist.SHA256.items():
        compressed = (fashion_mnist.DEBIAN_FOLDER / name).read_bytes()
        assert fashion_mnist.content_hash(compressed) == expected


def test_unknown_name_offers_the_near_ones() -> None:
    with pytest.raises(DataError, match=r"unknown data set 'fashon-mnist': did you mean 'fashion-mnist'\?"):
        load_dataset("fashon-mnist")


def test_absent_data_without_network_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fashion_mnist, "DEBIAN_FOLDER", tmp_path / "absent")
    monkeypatch.setattr(fashion_mnist, "DOWNLOAD_FROM", "https://127.0.0.1:9/")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(DataError, match=r"cannot be fetched .*: apt install dataset-fashion-mnist"):
        load_dataset("fashion-mnist")
    assert not list(tmp_path.rglob("*.gz"))


@needs_fashion_mnist
def test_download_with_a_wrong_checksum_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for name in fashion_mnist.SHA256:
        (source / name).write_bytes(gzip.compress(b"something else"))
    monkeypatch.setattr(fashion_mnist, "DEBIAN_FOLDER", tmp_path / "absent")
    monkeypatch.setattr(fashion_mnist, "DOWNLOAD_FROM", f"{source.as_uri()}/")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(DataError, match="checksum differs"):
        load_dataset("fashion-mnist")
    assert not (tmp_path / "cache").exists()


@needs_fashion_mnist
def test_downloaded_copy_serves_the_next_load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "source"
    shutil.copytree(fashion_mnist.DEBIAN_FOLDER, source)
    monkeypatch.setattr(fashion_mnist, "DEBIAN_FOLDER", tmp_path / "absent")
    monkeypatch.setattr(fashion_mnist, "DOWNLOAD_FROM", f"{source.as_uri()}/")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    first = load_dataset("fashion-mnist")
    shutil.rmtree(source)
    np.testing.assert_array_equal(load_dataset("fashion-mnist").test_images, first.test_images)


def test_folder_with_idx_files_is_a_data_set(tmp_path: Path) -> None:
    write_idx_folder(tmp_path)
    data = load_dataset(str(tmp_path))
    assert data.train_images.shape == (12, 6, 6, 1)
    assert data.labels == ("0", "1", "2")


def test_missing_file_of_a_folder_is_named(tmp_path: Path) -> None:
    write_idx_folder(tmp_path)
    (tmp_path / "t10k-images-idx3-ubyte").unlink()
    with pytest.raises(DataError, match=r"t10k-images-idx3-ubyte\.gz: cannot be read \(No such file"):
        load_dataset(str(tmp_path))


def test_broken_gzip_is_named(tmp_path: Path) -> None:
    write_idx_folder(tmp_path)
    labels = tmp_path / "train-labels-idx1-ubyte.gz"
    labels.write_bytes(labels.read_bytes()[:-9])
    with pytest.raises(DataError, match=r"train-labels-idx1-ubyte\.gz: cannot be read"):
        load_dataset(str(tmp_path))


def test_images_without_labels_are_refused(tmp_path: Path) -> None:
    write_idx_folder(tmp_path)
    (tmp_path / "train-labels-idx1-ubyte.gz").write_bytes(idx_bytes(np.zeros(3, np.uint8)))
    with pytest.raises(DataError, match="12 images and 3 labels"):
        load_dataset(str(tmp_path))


@given(shape=st.lists(st.integers(0, 4), min_size=1, max_size=3), seed=st.integers(0, 99))
def test_idx_round_trip(shape: list[int], seed: int) -> None:
    values = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    np.testing.assert_array_equal(parse_idx(io.BytesIO(idx_bytes(values)), len(shape), "x"), values)


@given(data=st.binary(max_size=40))
def test_idx_of_any_bytes_is_an_array_or_a_data_error(data: bytes) -> None:
    with contextlib.suppress(DataError):
        assert parse_idx(io.BytesIO(data), 1, "x").ndim == 1


@given(cut=st.integers(1, 40))
def test_truncated_idx_is_refused(cut: int) -> None:
    whole = idx_bytes(np.arange(36, dtype=np.uint8).reshape(4, 3, 3))
    with pytest.raises(DataError):
        parse_idx(io.BytesIO(whole[:-cut]), 3, "x")


def test_idx_that_is_longer_than_its_header_says_is_read_no_further(tmp_path: Path) -> None:
    path = tmp_path / "x.gz"
    header = struct.pack(">HBBI", 0, 8, 1, 3)
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(header)
        for _ in range(64):
            file.write(bytes(1 << 20))
    tracemalloc.start()
    with pytest.raises(DataError) as error:
        read_idx(path, 1)
    assert str(error.value) == f"{path}: the header says 3 values, the file holds more: broken file"
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()


def test_idx_that_promises_more_than_the_memory_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(struct.pack(">HBB2I", 0, 8, 2, 2**31, 2**30))
    with pytest.raises(DataError, match=r"x: holds 2,147,483,648\.0 GiB, the memory of this"):
        read_idx(path, 2)


def test_folder_of_an_unknown_account_is_unknown_data() -> None:
    with pytest.raises(DataError, match="unknown data set '~nobody-at-all/x'"):
        load_dataset("~nobody-at-all/x")
