"""What every loader returns."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from mcu_nas.datasets.channels import channel_order
from mcu_nas.datasets.findings import Finding


@dataclass(frozen=True)
class Dataset:
    """An image classification data set.

    Images are uint8 (N, H, W, C); labels int64 (N,), indices into ``labels``. A network sees pixel / 255
    and nothing else: its first batch norm absorbs any normalisation, so that zero padding is black
    everywhere. ``preparation`` tells in words how the images were made from those of the user, ``findings``
    what a look at them found (no errors: such data are no Dataset).
    """

    name: str
    train_images: np.ndarray = field(repr=False)
    train_labels: np.ndarray = field(repr=False)
    test_images: np.ndarray = field(repr=False)
    test_labels: np.ndarray = field(repr=False)
    labels: tuple[str, ...]
    mirrored_is_same: bool = False  # whether an image mirrored left to right keeps its label
    preparation: str = "as stored"
    findings: tuple[Finding, ...] = field(default=(), repr=False)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(H, W, C) of one image."""
        _, height, width, channels = self.train_images.shape
        return height, width, channels

    @property
    def channel_order(self) -> str:
        """``grey``, ``RGB``, or a number of channels."""
        return channel_order(self.image_shape[2])
