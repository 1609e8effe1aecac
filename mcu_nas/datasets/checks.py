"""What is looked at before a minute is spent on somebody's data."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

import numpy as np

from mcu_nas.datasets.dataset import Dataset
from mcu_nas.datasets.findings import Finding

IMBALANCE = 10  # the largest class has so many times the images of the smallest
FEW_IMAGES = 20  # of a class to train on


def check(dataset: Dataset, train_names: Sequence[str], test_names: Sequence[str]) -> list[Finding]:
    """Findings about classes and about images that occur more than once; the names are the images'."""
    return [*_classes(dataset), *_repeated(dataset, train_names, test_names)]


def _classes(dataset: Dataset) -> Iterator[Finding]:
    labels = np.array(dataset.labels, object)
    train = np.bincount(dataset.train_labels, minlength=len(labels))
    test = np.bincount(dataset.test_labels, minlength=len(labels))
    if np.count_nonzero(train) < 2:
        present = tuple(labels[train > 0])
        yield Finding(
            "error",
            "fewer than two classes have images to train on, so that there is nothing to tell apart",
            present,
        )
        return
    if np.any(train == 0):
        yield Finding("error", "classes without images to train on", tuple(labels[train == 0]))
        return
    if len(dataset.test_labels) == 0:
        yield Finding("error", "no images to test on")
    elif np.any(test == 0):
        yield Finding(
            "warning",
            "classes without images to test on, so that nothing is known of them",
            tuple(labels[test == 0]),
        )
    most, least = int(train.max()), int(train.min())
    if most >= IMBALANCE * least:
        rare = tuple(labels[train * IMBALANCE <= most])
        yield Finding(
            "warning",
            f"the largest class ({labels[train.argmax()]}) has {most:,} images to train on, the smallest"
            f" {least:,}: accuracy says little of the rare ones",
            rare,
        )
    if least < FEW_IMAGES:
        yield Finding(
            "warning",
            f"classes with fewer than {FEW_IMAGES} images to train on",
            tuple(labels[train < FEW_IMAGES]),
        )


def _repeated(dataset: Dataset, train_names: Sequence[str], test_names: Sequence[str]) -> Iterator[Finding]:
    """Images whose pixels are the same at the size that networks are given."""
    first: dict[bytes, int] = {}
    again: list[str] = []
    contradicting: list[str] = []
    for index, digest in enumerate(_digests(dataset.train_images)):
        original = first.setdefault(digest, index)
        if original == index:
            continue
        same_class = dataset.train_labels[original] == dataset.train_labels[index]
        (again if same_class else contradicting).append(f"{train_names[index]} = {train_names[original]}")
    seen = [
        f"{test_names[index]} = {train_names[first[digest]]}"
        for index, digest in enumerate(_digests(dataset.test_images))
        if digest in first
    ]
    if seen:
        share = len(seen) / len(test_names)
        yield Finding(
            "warning",
            f"test images that are training images, too, {share:.1%}: accuracy is overstated",
            tuple(seen),
        )
    if contradicting:
        yield Finding("warning", "training images that occur in two classes", tuple(contradicting))
    if again:
        yield Finding("note", "training images that occur more than once in their class", tuple(again))


def _digests(images: np.ndarray) -> Iterator[bytes]:
    for image in images:
        yield hashlib.blake2b(image.tobytes(), digest_size=16).digest()
