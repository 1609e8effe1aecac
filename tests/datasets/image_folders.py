"""Small folders of images, for tests of what a user may have in them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from mcu_nas.datasets.catalogue import DataOptions, inspect_dataset
from mcu_nas.datasets.findings import Finding


def noise(seed: int, height: int = 12, width: int = 12, colour: bool = True) -> Image.Image:
    """A random image, RGB or grey."""
    shape = (height, width, 3) if colour else (height, width)
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8))


def write_class(folder: Path, count: int, seed: int = 0, suffix: str = ".png", **options: object) -> None:
    """``count`` random images 0.png, 1.png, ... of a class; each ``seed`` gives others."""
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(count):
        noise(1000 * seed + index, **options).save(folder / f"{index}{suffix}")


def write_folder(folder: Path, train: Mapping[str, int], test: Mapping[str, int]) -> Path:
    """train/<class>/ and test/<class>/ with so many random images; no test/ where ``test`` is empty."""
    for part, classes in (("train", train), ("test", test)):
        for index, (name, count) in enumerate(classes.items()):
            write_class(folder / part / name, count, seed=100 * (part == "test") + index)
    return folder


def findings(folder: Path, level: str, **options: object) -> list[Finding]:
    """What is found of a level."""
    found = inspect_dataset(str(folder), DataOptions(**options)).findings
    return [finding for finding in found if finding.level == level]


def texts(folder: Path, level: str, **options: object) -> list[str]:
    """The same, as they are printed."""
    return [str(finding) for finding in findings(folder, level, **options)]
