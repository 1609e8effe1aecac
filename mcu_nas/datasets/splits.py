"""The training data in three: what trains, what the search looks at, what neither may see."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from mcu_nas.errors import DataError

SMALLEST_SHARE = 8


@dataclass(frozen=True)
class Splits:
    """Disjoint index arrays int64 into the training images, each balanced over the classes.

    ``train`` trains; ``recalibration`` is the part of it that batch-norm statistics and activation ranges
    come from; ``validation`` is the search's fitness; ``holdout`` judges the search itself.
    """

    train: np.ndarray = field(repr=False)
    recalibration: np.ndarray = field(repr=False)
    validation: np.ndarray = field(repr=False)
    holdout: np.ndarray = field(repr=False)


def at_most(
    images: int, classes: int, *, recalibration: int, validation: int, holdout: int
) -> dict[str, int]:
    """The sizes of split for so many ``images`` of so many ``classes``: those wanted, but for validation and
    for holdout an eighth of the images at most, and for recalibration a half.

    Raises:
        DataError: an eighth is less than an image a class.
    """
    least = SMALLEST_SHARE * classes
    if images < least:
        raise DataError(
            f"{images:,} images of {classes:,} classes to train on: a search sets an eighth aside to"
            f" validate on, and needs {least:,} at the very least"
        )
    eighth = images // SMALLEST_SHARE
    return {
        "recalibration": min(recalibration, images // 2),
        "validation": min(validation, eighth),
        "holdout": min(holdout, eighth),
    }


def split(labels: np.ndarray, *, recalibration: int, validation: int, holdout: int, seed: int) -> Splits:
    """Splits training ``labels`` int64 (N,); what is neither validation nor holdout trains.

    Raises:
        DataError: the sizes leave nothing to train on.
    """
    order = _stratified_order(labels, np.random.default_rng(seed))
    train = order[validation + holdout :]
    if len(train) < max(recalibration, 1):
        raise DataError(
            f"{validation:,} validation and {holdout:,} holdout images leave {len(train):,} of "
            f"{len(labels):,} to train and recalibrate on: a search needs more images"
        )
    return Splits(
        train=np.sort(train),
        recalibration=train[:recalibration],
        validation=order[:validation],
        holdout=order[validation : validation + holdout],
    )


def stratified_sample(labels: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Sorted indices int64 of ``count`` of the ``labels`` (N,), each class in proportion to its share;
    all of them where there are no more.
    """
    order = _stratified_order(labels, np.random.default_rng(seed))
    return np.sort(order[:count])


def hold_out(labels: np.ndarray, share: float, seed: int) -> np.ndarray:
    """Sorted indices int64 of a seeded ``share`` of each class of ``labels`` (N,): at least one image of a
    class, and never its last."""
    rng = np.random.default_rng(seed)
    chosen = [np.empty(0, np.int64)]
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        count = min(max(round(len(members) * share), 1), len(members) - 1)
        chosen.append(rng.permutation(members)[:count])
    return np.sort(np.concatenate(chosen))


def _stratified_order(labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A seeded order of all indices in which every run of consecutive indices holds each class in
    proportion: an index's place is its rank in its class, relative to the size of the class."""
    shuffled = rng.permutation(len(labels))
    place = np.empty(len(labels))
    for label in np.unique(labels):
        members = shuffled[labels[shuffled] == label]
        place[members] = (np.arange(len(members)) + rng.random()) / len(members)
    return np.argsort(place, kind="stable")
