"""Batches are a function of seed and step."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from mcu_nas.supernet.feed import Feed
from mcu_nas.supernet.schedule import Schedule


def schedule(batch: int, **variation: Any) -> Schedule:
    return Schedule(steps=1, batch=batch, learning_rate=0.1, **variation)


def numbered_feed(seed: int = 0, mirrorable: bool = False) -> Feed:
    """Image i has the value i everywhere and the label i."""
    images = np.arange(10, dtype=np.uint8)[:, None, None, None] * np.ones((1, 6, 6, 1), np.uint8)
    return Feed(images, np.arange(10), seed, mirrorable)


def test_every_epoch_holds_every_image_once() -> None:
    feed = numbered_feed()
    labels = torch.cat([feed.batch(step, schedule(5))[1] for step in range(4)])
    assert sorted(labels[:10].tolist()) == sorted(labels[10:].tolist()) == list(range(10))
    assert labels[:10].tolist() != labels[10:].tolist()


def test_batch_of_a_step_does_not_depend_on_the_steps_before() -> None:
    one, other = numbered_feed(mirrorable=True), numbered_feed(mirrorable=True)
    varied = schedule(4, shift=1, mirror=True, cutout=2, mixup=0.5)
    for step in range(7):
        one.batch(step, varied)
    expected, got = one.batch(7, varied), other.batch(7, varied)
    assert np.array_equal(got[0], expected[0])
    assert torch.equal(got[1], expected[1])


def test_images_keep_their_labels() -> None:
    images, labels = numbered_feed().batch(0, schedule(10))
    assert images.shape == (10, 6, 6, 1)
    assert images[:, 3, 3, 0].tolist() == labels.tolist()


def test_shift_moves_by_at_most_its_size_and_fills_with_black() -> None:
    image = np.zeros((1, 9, 9, 1), np.uint8)
    image[0, 4, 4] = 255
    feed = Feed(image, np.zeros(1, np.int64), seed=0, mirrorable=False)
    batches = (feed.batch(step, schedule(1, shift=2))[0] for step in range(200))
    places = {tuple(np.argwhere(images[0, :, :, 0])[0]) for images in batches}
    assert places == {(y, x) for y in range(2, 7) for x in range(2, 7)}


def test_only_asymmetric_labels_forbid_mirroring() -> None:
    image = np.zeros((1, 4, 4, 1), np.uint8)
    image[0, 0, 0] = 255
    corners = {}
    for mirror in (False, True):
        feed = Feed(image, np.zeros(1, np.int64), seed=0, mirrorable=mirror)
        batches = (feed.batch(step, schedule(1, mirror=True))[0] for step in range(40))
        corners[mirror] = {int(images[0, 0, :, 0].argmax()) for images in batches}
    assert corners == {False: {0}, True: {0, 3}}


@pytest.mark.parametrize("size", [3, 4])
def test_cutout_blackens_one_square_that_the_edges_may_cut(size: int) -> None:
    feed = Feed(np.full((1, 9, 9, 1), 200, np.uint8), np.zeros(1, np.int64), seed=0, mirrorable=False)
    areas = set()
    for step in range(100):
        black = feed.batch(step, schedule(1, cutout=size))[0][0, :, :, 0] == 0
        rows, columns = black.any(1).sum(), black.any(0).sum()
        assert black.sum() == rows * columns > 0
        areas.add(int(black.sum()))
    assert max(areas) == size**2
    assert min(areas) < size**2


def test_mixup_blends_images_and_targets_by_the_same_share() -> None:
    feed = numbered_feed()
    for step in range(20):
        images, targets = feed.batch(step, schedule(10, mixup=1.0))
        assert torch.allclose(targets.sum(1), torch.ones(10))
        blended = targets @ torch.arange(10.0)  # image i is i everywhere
        assert np.abs(images[:, 3, 3, 0] - blended.numpy()).max() <= 0.5 + 1e-5


def test_learning_rate_warms_up_then_falls_to_zero() -> None:
    warming = Schedule(steps=100, batch=128, learning_rate=0.2, warmup_steps=10)
    rates = [warming.rate(step) for step in range(100)]
    assert max(rates) == pytest.approx(0.1)
    assert rates[:10] == sorted(rates[:10])
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[-1] < 0.001
