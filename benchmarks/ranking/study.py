"""The ranking study: its sizes, its data, the networks it draws."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mcu_nas.cost.macs import network_macs
from mcu_nas.datasets.catalogue import load_dataset
from mcu_nas.datasets.dataset import Dataset
from mcu_nas.datasets.images import resize
from mcu_nas.datasets.search_space import space_for
from mcu_nas.datasets.splits import Splits, split
from mcu_nas.search.effort import ADAPTATION
from mcu_nas.spaces.architecture import Architecture
from mcu_nas.spaces.mbconv import WIDTHS
from mcu_nas.spaces.space import Space
from mcu_nas.supernet.feed import Feed
from mcu_nas.supernet.schedule import Schedule, SupernetSchedule

BUDGET, SPACE = "budget", "space"
SETS = (BUDGET, SPACE)  # networks near one MAC budget; networks of the whole space
_DRAWS = 100_000  # before the budget is given up


@dataclass(frozen=True)
class RankingStudy:
    """All sizes. No resolutions: all that the images can fill. ``networks`` are drawn for each set;
    ``mac_tolerance`` is the half width of the band around ``mac_budget``, relative. ``train_images``: how
    many of the training images are used (None: all)."""

    supernet: SupernetSchedule
    alone: Schedule
    adapted: Schedule = ADAPTATION
    data: str = "fashion-mnist"
    resolutions: tuple[int, ...] = ()
    widths: tuple[float, ...] = WIDTHS
    seed: int = 1
    alone_seeds: tuple[int, ...] = (1,)
    networks: int = 24
    mac_budget: int = 1_500_000
    mac_tolerance: float = 0.2
    validation_images: int = 10_000
    recalibration_images: int = 2_048
    test_images: int = 10_000
    train_images: int | None = None

    @cached_property
    def dataset(self) -> Dataset:
        """The data."""
        return load_dataset(self.data)

    @cached_property
    def splits(self) -> Splits:
        """Training images in those that train and those that shared weights are scored on."""
        labels = self.dataset.train_labels
        return split(
            labels,
            recalibration=self.recalibration_images,
            validation=self.validation_images,
            holdout=0,
            seed=self.seed,
        )

    @cached_property
    def space(self) -> Space:
        """The search space."""
        return space_for(self.dataset, self.resolutions, self.widths)

    @cached_property
    def networks_drawn(self) -> dict[str, list[Architecture]]:
        """The networks of each set, distinct."""
        low, high = ((1 + sign * self.mac_tolerance) * self.mac_budget for sign in (-1, 1))
        budget = self._draw(0, lambda architecture: low <= self.macs(architecture) <= high)
        return {BUDGET: budget, SPACE: self._draw(1, lambda architecture: True)}

    def macs(self, architecture: Architecture) -> int:
        """MACs of one inference."""
        return network_macs(self.space.lower(architecture))

    def feed(self, resolution: int, seed: int) -> Feed:
        """Batches of training images at a resolution."""
        chosen = self.splits.train[: self.train_images]
        images = resize(self.dataset.train_images[chosen], resolution)
        return Feed(images, self.dataset.train_labels[chosen], seed, self.dataset.mirrorable)

    @property
    def recalibration(self) -> np.ndarray:
        """Images uint8 (N, H, W, C) for batch-norm statistics, of those that train."""
        return self.dataset.train_images[self.splits.recalibration]

    def judges(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Images and labels that no training sees: ``validation``, as a search has them, and ``test``."""
        data, chosen = self.dataset, self.splits.validation
        return {
            "validation": (data.train_images[chosen], data.train_labels[chosen]),
            "test": (data.test_images[: self.test_images], data.test_labels[: self.test_images]),
        }

    def _draw(self, stream: int, wanted: Callable[[Architecture], bool]) -> list[Architecture]:
        """Distinct samples of the space that are ``wanted``: uniform among all that are."""
        rng = np.random.default_rng((self.seed, stream))
        found: dict[Architecture, None] = {}
        for _ in range(_DRAWS):
            architecture = self.space.sample(rng)
            if wanted(architecture):
                found[architecture] = None
            if len(found) == self.networks:
                return list(found)
        raise ValueError(
            f"{len(found)} networks within {self.mac_tolerance:.0%} of {self.mac_budget:,} MACs in "
            f"{_DRAWS:,} draws, {self.networks} wanted: change mac_budget"
        )


FULL = RankingStudy(
    supernet=SupernetSchedule(
        largest=Schedule(steps=0, batch=128, learning_rate=0.8),
        sampled=Schedule(
            steps=10_000, batch=128, learning_rate=0.8, weight_decay=2e-4, mirror=True, averaging=0.998
        ),
    ),
    alone=Schedule(
        steps=2400, batch=128, learning_rate=0.8, weight_decay=5e-4, label_smoothing=0.0, averaging=0.995
    ),
)
SMOKE = RankingStudy(
    supernet=SupernetSchedule(
        largest=Schedule(steps=2, batch=32, learning_rate=0.1, warmup_steps=1),
        sampled=Schedule(steps=3, batch=32, learning_rate=0.1, warmup_steps=1),
    ),
    alone=Schedule(steps=3, batch=32, learning_rate=0.1, warmup_steps=1),
    adapted=Schedule(steps=2, batch=32, learning_rate=0.1, warmup_steps=1),
    resolutions=(12, 16),
    widths=(0.2, 0.3),
    alone_seeds=(1, 2),
    networks=2,
    mac_budget=250_000,
    validation_images=200,
    recalibration_images=64,
    test_images=200,
    train_images=1_000,
)
