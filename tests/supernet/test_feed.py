"""Batches are a function of seed and step."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mcu_nas.supernet.feed import Feed
from mcu_nas.supernet.schedule import Schedule


def numbered_feed(seed: int = 0, may_mirror: bool = False) -> Feed:
    """Image i has the value i everywhere and the label i."""
    images = np.arange(10, dtype=np.uint8)[:, None, None, None] * np.ones((1, 6, 6, 1), np.uint8)
    return Feed(images, np.arange(10), seed, may_mirror)


def test_every_epoch_holds_every_image_once() -> None:
    feed = numbered_feed()
    labels = torch.cat([feed.batch(step, 5)[1] for step in range(4)])
    assert sorted(labels[:10].tolist()) == sorted(labels[10:].tolist()) == list(range(10))
    assert labels[:10].tolist() != labels[10:].tolist()


def test_batch_of_a_step_does_not_depend_on_the_steps_before() -> None:
    one, other = numbered_feed(may_mirror=True), numbered_feed(may_mirror=True)
    for step in range(7):
        one.batch(step, 4, shift=1, mirror=True)
    expected, got = one.batch(7, 4, shift=1, mirror=True), other.batch(7, 4, shift=1, mirror=True)
    assert torch.equal(got[0], expected[0])
    assert torch.equal(got[1], expected[1])


def test_images_keep_their_labels() -> None:
    pixels, labels = numbered_feed().batch(0, 10)
    assert torch.equal((pixels[:, 0, 3, 3] * 255).round().long(), labels)


def test_shift_moves_by_at_most_its_size_and_fills_with_black() -> None:
    image = np.zeros((1, 9, 9, 1), np.uint8)
    image[0, 4, 4] = 255
    feed = Feed(image, np.zeros(1, np.int64), seed=0, may_mirror=False)
    places = {tuple(np.argwhere(feed.batch(step, 1, shift=2)[0][0, 0].numpy())[0]) for step in range(200)}
    assert places == {(y, x) for y in range(2, 7) for x in range(2, 7)}


def test_only_asymmetric_labels_forbid_mirroring() -> None:
    image = np.zeros((1, 4, 4, 1), np.uint8)
    image[0, 0, 0] = 255
    corners = {}
    for mirror in (False, True):
        feed = Feed(image, np.zeros(1, np.int64), seed=0, may_mirror=mirror)
        corners[mirror] = {int(feed.batch(step, 1, mirror=True)[0][0, 0, 0].argmax()) for step in range(40)}
    assert corners == {False: {0}, True: {0, 3}}


def test_learning_rate_warms_up_then_falls_to_zero() -> None:
    schedule = Schedule(steps=100, batch=128, learning_rate=0.2, warmup_steps=10)
    rates = [schedule.rate(step) for step in range(100)]
    assert max(rates) == pytest.approx(0.1)
    assert rates[:10] == sorted(rates[:10])
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[-1] < 0.001
