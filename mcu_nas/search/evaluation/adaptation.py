"""Adaptation: a subnet trains a few steps on a copy of the shared weights before it is scored.

Weights that all subnets share suit those best that resemble the average one: deep, with large kernels, at a
middle resolution. A few steps undo much of that (docs/search.md).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from mcu_nas.datasets.dataset import Dataset
from mcu_nas.datasets.images import resize
from mcu_nas.supernet.feed import Feed
from mcu_nas.supernet.schedule import Schedule
from mcu_nas.supernet.torch_network import TorchNetwork
from mcu_nas.supernet.training import train_network


@dataclass(frozen=True)
class Adaptation:
    """The training, the same for every subnet.

    ``images`` uint8 (N, H, W, C) at any size that the space's resolutions do not exceed, ``labels`` int64
    (N,): training images; the schedule sees all of them where its steps are that many.
    """

    schedule: Schedule
    images: np.ndarray = field(repr=False)
    labels: np.ndarray = field(repr=False)
    seed: int
    mirrorable: bool
    _feeds: dict[int, Feed] = field(default_factory=dict, init=False, repr=False)

    @classmethod
    def of(cls, schedule: Schedule, dataset: Dataset, train: np.ndarray, seed: int) -> Adaptation:
        """On as many of the training images with these indices as the steps take."""
        chosen = train[: schedule.steps * schedule.batch]
        images, labels = dataset.train_images[chosen], dataset.train_labels[chosen]
        return cls(schedule, images, labels, seed, dataset.mirrorable)

    def adapt(self, subnet: TorchNetwork, resolution: int) -> None:
        """Trains it in place; its batch-norm statistics are to be recalibrated afterwards."""
        if resolution not in self._feeds:
            images = resize(self.images, resolution)
            self._feeds[resolution] = Feed(images, self.labels, self.seed, self.mirrorable)
        train_network(subnet, self._feeds[resolution], self.schedule)
