"""Training batches as a pure function of (seed, step): a resumed run sees what the first would have seen."""

from __future__ import annotations

import zlib
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from mcu_nas.supernet.torch_network import to_pixels

MAX_SHIFT = 4  # px
_ORDER, _AUGMENTATION = 0, 1  # separate random streams


class Feed:
    """Shuffled, augmented batches of uint8 images (N, H, W, C) with labels int64 (N,).

    ``may_mirror`` says that a mirrored image keeps its label.
    """

    def __init__(self, images: np.ndarray, labels: np.ndarray, seed: int, may_mirror: bool) -> None:
        _, self._height, self._width, _ = images.shape
        self._count = len(images)
        self._labels = labels
        self.seed, self._may_mirror = seed, may_mirror
        edges = ((0, 0), (MAX_SHIFT, MAX_SHIFT), (MAX_SHIFT, MAX_SHIFT), (0, 0))
        window = (self._height, self._width)
        # (N, 2*MAX_SHIFT+1, 2*MAX_SHIFT+1, C, H, W), a view
        self._windows = np.lib.stride_tricks.sliding_window_view(np.pad(images, edges), window, axis=(1, 2))
        self._order = lru_cache(maxsize=2)(self._shuffled)
        checksum = zlib.crc32(labels.tobytes(), zlib.crc32(images.tobytes()))
        self.identity = f"data {checksum:08x} seed {seed} may mirror {may_mirror}"

    def batch(self, step: int, size: int, shift: int = 0, mirror: bool = False) -> tuple[Tensor, Tensor]:
        """Pixels / 255 as float (size, C, H, W) in channels_last memory, and labels int64 (size,).

        Each image is shifted by up to ``shift`` px (at most MAX_SHIFT) in both axes, black filling in, and
        with ``mirror`` mirrored at random if it may be.
        """
        places = np.arange(step * size, (step + 1) * size)
        indices = np.array([self._order(p // self._count)[p % self._count] for p in places])
        rng = np.random.default_rng((self.seed, _AUGMENTATION, step))
        down, right = rng.integers(MAX_SHIFT - shift, MAX_SHIFT + shift + 1, (2, size))
        images = self._windows[indices, down, right]  # (size, C, H, W), a copy
        if mirror and self._may_mirror:
            mirrored = rng.random(size) < 0.5
            images[mirrored] = images[mirrored][..., ::-1]
        return to_pixels(images.transpose(0, 2, 3, 1)), torch.from_numpy(self._labels[indices])

    def _shuffled(self, epoch: int) -> np.ndarray:
        return np.random.default_rng((self.seed, _ORDER, epoch)).permutation(self._count)
