"""Training batches as a pure function of (seed, step): a resumed run sees what the first would have seen."""

from __future__ import annotations

import zlib
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from mcu_nas.supernet.schedule import Schedule

MAX_SHIFT = 4  # px
_ORDER, _AUGMENTATION, _CUTOUT, _MIXUP = 0, 1, 3, 4  # separate random streams; training.py has its own


class Feed:
    """Shuffled, augmented batches of uint8 images (N, H, W, C) with labels int64 (N,).

    ``mirrorable`` says that a mirrored image keeps its label.
    """

    def __init__(self, images: np.ndarray, labels: np.ndarray, seed: int, mirrorable: bool) -> None:
        _, self._height, self._width, _ = images.shape
        self._count, self._classes = len(images), int(labels.max()) + 1
        self._labels = labels
        self.seed, self._mirrorable = seed, mirrorable
        edges = ((0, 0), (MAX_SHIFT, MAX_SHIFT), (MAX_SHIFT, MAX_SHIFT), (0, 0))
        window = (self._height, self._width)
        # (N, 2*MAX_SHIFT+1, 2*MAX_SHIFT+1, C, H, W), a view
        self._windows = np.lib.stride_tricks.sliding_window_view(np.pad(images, edges), window, axis=(1, 2))
        self._order = lru_cache(maxsize=2)(self._shuffled)
        checksum = zlib.crc32(labels.tobytes(), zlib.crc32(images.tobytes()))
        self.identity = f"data {checksum:08x} seed {seed} may mirror {mirrorable}"

    def batch(self, step: int, schedule: Schedule) -> tuple[np.ndarray, Tensor]:
        """Images uint8 (batch, H, W, C), varied as the schedule says, and their targets: labels int64
        (batch,), or with mixup each class's share, float (batch, classes).
        """
        places = np.arange(step * schedule.batch, (step + 1) * schedule.batch)
        indices = np.array([self._order(p // self._count)[p % self._count] for p in places])
        images = self._placed(indices, step, schedule)
        if schedule.cutout:
            self._cut_out(images, step, schedule.cutout)
        targets = torch.from_numpy(self._labels[indices])
        if schedule.mixup:
            return self._mixed(images, targets, step, schedule.mixup)
        return images, targets

    def _placed(self, indices: np.ndarray, step: int, schedule: Schedule) -> np.ndarray:
        """Shifted by at most MAX_SHIFT px, black filling in, and mirrored."""
        rng = np.random.default_rng((self.seed, _AUGMENTATION, step))
        low, high = MAX_SHIFT - schedule.shift, MAX_SHIFT + schedule.shift + 1
        down, right = rng.integers(low, high, (2, len(indices)))
        images = self._windows[indices, down, right]  # (batch, C, H, W), a copy
        if schedule.mirror and self._mirrorable:
            mirrored = rng.random(len(indices)) < 0.5
            images[mirrored] = images[mirrored][..., ::-1]
        return np.ascontiguousarray(images.transpose(0, 2, 3, 1))

    def _cut_out(self, images: np.ndarray, step: int, size: int) -> None:
        """Blackens a square around a random pixel of each image, cut off at the edges."""
        rng = np.random.default_rng((self.seed, _CUTOUT, step))
        rows, columns = (
            _inside(rng.integers(extent, size=len(images)) - size // 2, size, extent)
            for extent in (self._height, self._width)
        )
        images[rows[:, :, None] & columns[:, None, :]] = 0

    def _mixed(
        self, images: np.ndarray, labels: Tensor, step: int, alpha: float
    ) -> tuple[np.ndarray, Tensor]:
        """Each image blended with another of the batch, and its target likewise."""
        rng = np.random.default_rng((self.seed, _MIXUP, step))
        share, partner = float(rng.beta(alpha, alpha)), rng.permutation(len(images))
        blended = share * images.astype(np.float32) + (1 - share) * images[partner]
        targets = F.one_hot(labels, self._classes).float()
        return np.rint(blended).astype(np.uint8), share * targets + (1 - share) * targets[partner]

    def _shuffled(self, epoch: int) -> np.ndarray:
        return np.random.default_rng((self.seed, _ORDER, epoch)).permutation(self._count)


def _inside(begins: np.ndarray, size: int, extent: int) -> np.ndarray:
    """Which of ``extent`` places lie in [begin, begin + size): bool (begins, extent)."""
    places = np.arange(extent) - begins[:, None]
    found: np.ndarray = (places >= 0) & (places < size)
    return found
