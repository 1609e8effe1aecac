"""Resizing and splitting: exact, seeded, balanced."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcu_nas.datasets import resize, split
from mcu_nas.datasets.splits import at_most, hold_out
from mcu_nas.errors import DataError


def naive_resize(image: np.ndarray, resolution: int) -> np.ndarray:
    """Area averaging by counting: every pixel cut into resolution² pieces."""
    pieces = image.astype(np.int64).repeat(resolution, 0).repeat(resolution, 1)
    size = len(image)
    sums = pieces.reshape(resolution, size, resolution, size, -1).sum((1, 3))
    return ((2 * sums + size * size) // (2 * size * size)).astype(np.uint8)


@given(size=st.integers(1, 12), data=st.data())
def test_resize_equals_area_average(size: int, data: st.DataObject) -> None:
    resolution = data.draw(st.integers(1, size))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    images = rng.integers(0, 256, (2, size, size, 3), dtype=np.uint8)
    expected = np.stack([naive_resize(image, resolution) for image in images])
    np.testing.assert_array_equal(resize(images, resolution), expected)


def test_resize_keeps_flat_images_flat() -> None:
    assert np.all(resize(np.full((1, 28, 28, 1), 255, np.uint8), 20) == 255)


def test_resize_never_enlarges() -> None:
    with pytest.raises(DataError, match="resolution 32 px is not usable with images of 28×28 px"):
        resize(np.zeros((1, 28, 28, 1), np.uint8), 32)


def test_splits_are_disjoint_and_balanced() -> None:
    labels = np.random.default_rng(1).permutation(np.repeat(np.arange(10), 600))
    parts = split(labels, recalibration=200, validation=1000, holdout=500, seed=3)
    everything = np.concatenate([parts.train, parts.validation, parts.holdout])
    assert np.array_equal(np.sort(everything), np.arange(6000))
    assert set(parts.recalibration) <= set(parts.train)
    for part, each in ((parts.validation, 100), (parts.holdout, 50), (parts.recalibration, 20)):
        assert np.all(np.abs(np.bincount(labels[part]) - each) <= 1)


def test_splits_follow_the_seed() -> None:
    labels = np.arange(1000) % 10
    sizes = {"recalibration": 50, "validation": 100, "holdout": 100}
    one, again, other = (split(labels, seed=seed, **sizes) for seed in (7, 7, 8))
    assert np.array_equal(one.validation, again.validation)
    assert not np.array_equal(one.validation, other.validation)


def test_splits_that_leave_nothing_to_train_are_refused() -> None:
    with pytest.raises(DataError, match="leave 0 of 100 to train"):
        split(np.arange(100) % 10, recalibration=10, validation=60, holdout=40, seed=0)


@given(images=st.integers(16, 100_000))
def test_few_images_are_shared_out_so_that_most_train(images: int) -> None:
    sizes = at_most(images, 2, recalibration=512, validation=3000, holdout=3000)
    assert 1 <= sizes["validation"] == sizes["holdout"] == min(3000, images // 8)
    labels = np.arange(images) % 2
    assert len(split(labels, **sizes, seed=0).train) >= 3 * images // 4


def test_fewer_images_than_shares_are_refused() -> None:
    with pytest.raises(DataError, match=r"31 images of 4 classes to train on: .* needs 32 at the very least"):
        at_most(31, 4, recalibration=512, validation=3000, holdout=3000)


@given(labels=st.lists(st.integers(0, 4), max_size=60), seed=st.integers(0, 9))
def test_what_is_held_out_is_some_of_each_class_and_never_its_last(labels: list[int], seed: int) -> None:
    values = np.array(labels, np.int64)
    chosen = hold_out(values, 0.2, seed)
    assert np.array_equal(chosen, np.unique(chosen))
    for label in set(labels):
        count = labels.count(label)
        assert np.count_nonzero(values[chosen] == label) == min(max(round(count * 0.2), 1), count - 1)
