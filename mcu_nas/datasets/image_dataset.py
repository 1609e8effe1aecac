"""A folder of images as a data set."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mcu_nas.datasets.channels import Channels
from mcu_nas.datasets.dataset import Dataset
from mcu_nas.datasets.findings import Finding, errors
from mcu_nas.datasets.folder_pixels import FILLED_SHARE, Pixels, read_pixels
from mcu_nas.datasets.image_folder import ImageFile, list_images
from mcu_nas.datasets.inspection import Inspection, inspect
from mcu_nas.datasets.progress import Progress


def inspect_image_folder(
    folder: Path, channels: Channels | None, image_px: int | None, progress: Progress
) -> Inspection:
    """The images of a folder at one size, and what was found about them.

    Colour photos keep their label when mirrored, grey images (letters, signs, spectrograms) are not taken to.

    Raises:
        DataError: the folder's layout is not that of image_folder.py.
    """
    listed = list_images(folder)
    pixels = read_pixels(listed, channels, image_px, progress)
    if pixels.broken:
        names = tuple(f"{name} ({reason})" for name, reason in pixels.broken)
        broken = Finding("error", "files that are no usable images: remove or replace them", names)
        return Inspection(None, (*listed.findings, broken))
    count = len(listed.train)
    px = pixels.images.shape[1]
    findings = (*listed.findings, *_sizes((*listed.train, *listed.test), pixels, px, image_px))
    if errors(findings):
        return Inspection(None, findings)
    dataset = Dataset(
        name=folder.resolve().name,
        train_images=pixels.images[:count],
        train_labels=_labels(listed.train),
        test_images=pixels.images[count:],
        test_labels=_labels(listed.test),
        labels=listed.labels,
        mirrorable=pixels.colour,
        preparation="the centre square by area averaging",
        findings=findings,
    )
    return inspect(dataset, [file.name for file in listed.train], [file.name for file in listed.test])


def _labels(files: Sequence[ImageFile]) -> np.ndarray:
    return np.array([file.label for file in files], np.int64)


def _sizes(files: Sequence[ImageFile], pixels: Pixels, px: int, asked_px: int | None) -> list[Finding]:
    """What bringing all images to ``px`` does to some of them."""
    smallest, largest = int(pixels.shorter_px.min()), int(pixels.shorter_px.max())
    findings = []
    if smallest != largest:
        findings.append(
            Finding("note", f"images of {smallest} to {largest} px (shorter side) are brought to {px} px")
        )
    too_small = np.flatnonzero(pixels.shorter_px < px)
    if len(too_small):
        share = len(too_small) / len(files)
        findings.append(
            Finding(
                "warning" if share <= 1 - FILLED_SHARE else "error",
                f"images smaller than {px} px, {share:.1%}, are enlarged",
                tuple(files[index].name for index in too_small.tolist()),
            )
        )
    return findings
