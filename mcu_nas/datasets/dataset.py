"""What every loader returns."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mcu_nas.datasets.channels import channel_order
from mcu_nas.datasets.findings import Finding
from mcu_nas.graph import ImageInput

NAMES_RECORDED = 20  # of each finding


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
    mirrorable: bool = False  # whether an image mirrored left to right keeps its label
    preparation: str = "as stored"
    findings: tuple[Finding, ...] = field(default=(), repr=False)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(H, W, C) of one image."""
        _, height, width, channels = self.train_images.shape
        return height, width, channels

    def to_record(self) -> dict[str, Any]:
        """What run.json and ``--json`` tell of the data."""
        height, width, channels = self.image_shape
        train = np.bincount(self.train_labels, minlength=len(self.labels)).tolist()
        test = np.bincount(self.test_labels, minlength=len(self.labels)).tolist()
        return {
            "name": self.name,
            "height": height,
            "width": width,
            "channels": channels,
            "channel_order": self.channel_order,
            "preparation": self.preparation,
            "mirror": self.mirrorable,
            "train_images": len(self.train_labels),
            "test_images": len(self.test_labels),
            "classes": [
                {"label": label, "train": train[index], "test": test[index]}
                for index, label in enumerate(self.labels)
            ],
            "findings": [finding.to_record(NAMES_RECORDED) for finding in self.findings],
        }

    def image_input(self, height: int, width: int) -> ImageInput:
        """What a network that takes images of this size gets, for those who feed it on a device."""
        own_height, own_width, _ = self.image_shape
        made = f"{self.preparation}, {own_height}x{own_width}"
        if (height, width) != (own_height, own_width):
            made += f", then {height}x{width} by area averaging"
        return ImageInput(self.channel_order, made)

    @property
    def channel_order(self) -> str:
        """``grey``, ``RGB``, or a number of channels."""
        return channel_order(self.image_shape[2])
