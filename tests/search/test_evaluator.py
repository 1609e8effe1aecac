"""Shared-weight evaluation: computed once, and no further than early rejection asks for."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from mcu_nas.datasets.images import resize
from mcu_nas.datasets.splits import split
from mcu_nas.search.evaluation.adaptation import Adaptation
from mcu_nas.search.evaluation.evaluator import SharedWeights
from mcu_nas.spaces.architecture import Architecture
from mcu_nas.spaces.space import Space, mbconv_space
from mcu_nas.supernet.batch_norm import recalibrate
from mcu_nas.supernet.feed import Feed
from mcu_nas.supernet.schedule import Schedule, SupernetSchedule
from mcu_nas.supernet.supernet import Supernet
from mcu_nas.supernet.torch_network import predict
from mcu_nas.supernet.training import train_supernet
from tests.fashion import fashion, needs_fashion_mnist

pytestmark = needs_fashion_mnist
IMAGES, RESOLUTION = 1000, 12


@cache
def space() -> Space:
    return mbconv_space(28, 1, 10, resolutions=(RESOLUTION,), widths=(0.3,))


@cache
def supernet() -> Supernet:
    found = Supernet(space(), seed=0)
    schedule = SupernetSchedule(
        largest=Schedule(steps=10, batch=64, learning_rate=0.2, warmup_steps=2),
        sampled=Schedule(steps=30, batch=64, learning_rate=0.2, warmup_steps=2),
    )
    images, labels = fashion().train_images[-3000:], fashion().train_labels[-3000:]
    train_supernet(found, Feed(resize(images, RESOLUTION), labels, 0, False), schedule)
    return found


@cache
def data() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    images, labels = fashion().train_images[:4000], fashion().train_labels[:4000]
    parts = split(labels, recalibration=256, validation=IMAGES, holdout=0, seed=0)
    return images[parts.recalibration], images[parts.validation], labels[parts.validation]


def evaluator() -> SharedWeights:
    return SharedWeights(supernet(), *data())


@cache
def ranked() -> list[Architecture]:
    """Some subnets, by rising loss."""
    rng, scores = np.random.default_rng(0), evaluator()
    drawn = [space().sample(rng) for _ in range(12)]
    return sorted(drawn, key=lambda architecture: scores.score(architecture).loss)


def test_score_is_loss_and_accuracy_of_the_recalibrated_subnet() -> None:
    recalibration, images, labels = data()
    subnet = supernet().subnet(ranked()[0])
    recalibrate(subnet, resize(recalibration, RESOLUTION))
    logits = predict(subnet, resize(images, RESOLUTION))
    score = evaluator().score(ranked()[0])
    assert score.loss == pytest.approx(float(F.cross_entropy(logits, torch.from_numpy(labels))), rel=1e-6)
    assert score.accuracy == pytest.approx(
        float((logits.argmax(1) == torch.from_numpy(labels)).float().mean())
    )
    assert not score.partial


def test_each_architecture_is_computed_once() -> None:
    scores = evaluator()
    first = scores.score(ranked()[0])
    assert scores.score(ranked()[0]) == first
    assert scores.images_seen == IMAGES


def test_who_clearly_loses_a_race_sees_a_part_of_the_images() -> None:
    scores = evaluator()
    score = scores.score(ranked()[-1], against=ranked()[0])
    assert score.partial
    assert scores.images_seen < 2 * IMAGES


def test_partial_score_estimates_the_complete_one() -> None:
    partial = evaluator().score(ranked()[-1], against=ranked()[0])
    complete, leader = evaluator().score(ranked()[-1]), evaluator().score(ranked()[0])
    assert partial.loss == pytest.approx(complete.loss, rel=0.1)
    assert partial.accuracy == pytest.approx(complete.accuracy, abs=0.06)
    assert partial.loss > leader.loss


def test_winner_of_a_race_has_its_complete_score() -> None:
    assert evaluator().score(ranked()[0], against=ranked()[-1]) == evaluator().score(ranked()[0])


def test_nobody_races_itself() -> None:
    assert evaluator().score(ranked()[3], against=ranked()[3]) == evaluator().score(ranked()[3])


def test_score_does_not_depend_on_what_was_scored_before() -> None:
    """A resumed search begins without what the first part of it had computed."""
    warm = evaluator()
    pairs = [(a, b) for a in ranked()[::3] for b in (None, *ranked()[1::4])]
    shuffled = [pairs[i] for i in np.random.default_rng(1).permutation(len(pairs))]
    found = {pair: warm.score(*pair) for pair in shuffled}
    for pair in pairs[::3]:
        assert evaluator().score(*pair) == found[pair]
    assert {score.partial for score in found.values()} == {True, False}


ADAPTATION = Schedule(steps=20, batch=32, learning_rate=0.4, warmup_steps=4, label_smoothing=0.0)


def adapting() -> SharedWeights:
    images, labels = fashion().train_images[-640:], fashion().train_labels[-640:]
    return SharedWeights(supernet(), *data(), Adaptation(ADAPTATION, images, labels, 0, False))


def test_adapted_subnet_answers_better_and_leaves_the_supernet_as_it_was() -> None:
    before = {name: value.clone() for name, value in supernet().state_dict().items()}
    scores = adapting()
    assert all(scores.score(a).loss < evaluator().score(a).loss for a in ranked()[::4])
    assert all(torch.equal(value, before[name]) for name, value in supernet().state_dict().items())


def test_adapted_score_does_not_depend_on_what_was_scored_before() -> None:
    warm = adapting()
    warm.score(ranked()[0])
    assert warm.score(ranked()[3]) == adapting().score(ranked()[3])
