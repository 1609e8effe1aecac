"""A folder of images as one array, at one size: how the size is chosen, and reading with a cache.

The size is the largest that 95 % of the images can fill, at most 224 px (the largest resolution that
searches consider) and at most what keeps all of them within 2 GiB; smaller images are enlarged to it. Each
image is its centre square, by area averaging. One image a thread is in memory at its own size, never all of
them.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from math import isqrt
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image

from mcu_nas.datasets import pixel_cache
from mcu_nas.datasets.channels import COUNT, Channels
from mcu_nas.datasets.image_files import ImageHeader, UnreadableImageError, decode, read_header
from mcu_nas.datasets.image_folder import ImageFile, ImageFolder
from mcu_nas.datasets.images import square
from mcu_nas.datasets.memory import require_memory
from mcu_nas.datasets.progress import Progress

LARGEST_PX = 224
LARGEST_BYTES = 2 << 30
FILLED_SHARE = 0.95
_BATCH = 64  # files a task of a thread
_THREADS = 4

T = TypeVar("T")


@dataclass(frozen=True)
class Pixels:
    """All images uint8 (N, px, px, C), the shorter side int32 (N,) that each file has in px, and whether
    any of the files has colours. ``broken`` are (name, reason) of files that could not be read; if there
    are any, or if fewer than FILLED_SHARE of the files fill the size asked for, the images are empty.
    """

    images: np.ndarray = field(repr=False)
    shorter_px: np.ndarray = field(repr=False)
    colour: bool
    broken: tuple[tuple[str, str], ...] = ()


def read_pixels(
    folder: ImageFolder, channels: Channels | None, image_px: int | None, progress: Progress
) -> Pixels:
    """Every image of a folder, training images first, from the cache where nothing has changed since.

    ``progress`` is told (files done, files) while files are read.

    Raises:
        DataError: at the size asked for they do not fit into the memory.
    """
    files = (*folder.train, *folder.test)
    place = pixel_cache.entry(folder, channels, image_px)
    cached = pixel_cache.load(place)
    if cached is not None:
        return Pixels(cached["images"], cached["shorter_px"], bool(cached["colour"]))
    pixels = _read(folder.path, files, channels, image_px, progress)
    if len(pixels.images) and pixel_cache.pays(files):
        pixel_cache.store(
            place,
            {"images": pixels.images, "shorter_px": pixels.shorter_px, "colour": np.array(pixels.colour)},
        )
    return pixels


def working_px(shorter_px: np.ndarray, channels: int) -> int:
    """The size that images with these shorter sides int (N,) are brought to."""
    filled = int(np.sort(shorter_px)[int(len(shorter_px) * (1 - FILLED_SHARE))])
    return max(1, min(filled, LARGEST_PX, isqrt(LARGEST_BYTES // (len(shorter_px) * channels))))


def _read(
    folder: Path,
    files: Sequence[ImageFile],
    channels: Channels | None,
    image_px: int | None,
    progress: Progress,
) -> Pixels:
    with warnings.catch_warnings():
        # Oddities that change no pixel, such as a camera's damaged remark. Too large is an error of ours.
        warnings.filterwarnings("ignore", module="PIL")
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        found = _for_each(files, lambda index: read_header(Path(files[index].path)), lambda done: None)
        headers = [header for header in found if isinstance(header, ImageHeader)]
        shorter = np.array([header.shorter_px for header in headers], np.int32)
        colour = any(header.colour for header in headers)
        grey = channels == "grey" or (channels is None and not colour)
        depth = COUNT["grey" if grey else "rgb"]
        px = image_px or (working_px(shorter, depth) if headers else 1)
        if np.count_nonzero(shorter < px) > (1 - FILLED_SHARE) * len(shorter):
            return Pixels(np.empty((0, px, px, depth), np.uint8), shorter, colour, _broken(files, found))
        require_memory(len(files) * px * px * depth, str(folder))
        images = np.empty((len(files), px, px, depth), np.uint8)

        def fill(index: int) -> None:
            images[index] = square(decode(Path(files[index].path), grey), px)

        filled = _for_each(files, fill, lambda done: progress(done, len(files)))
    broken = _broken(files, filled)
    return Pixels(images[:0] if broken else images, shorter, colour, broken)


def _broken(files: Sequence[ImageFile], outcomes: Sequence[object]) -> tuple[tuple[str, str], ...]:
    return tuple(
        (file.name, str(outcome))
        for file, outcome in zip(files, outcomes, strict=True)
        if isinstance(outcome, UnreadableImageError)
    )


def _for_each(
    files: Sequence[ImageFile], work: Callable[[int], T], progress: Callable[[int], None]
) -> list[T | UnreadableImageError]:
    """What ``work`` makes of each file's index, or why the file cannot be used, in order."""

    def batch(start: int) -> list[T | UnreadableImageError]:
        outcomes: list[T | UnreadableImageError] = []
        for index in range(start, min(start + _BATCH, len(files))):
            try:
                outcomes.append(work(index))
            except UnreadableImageError as error:
                outcomes.append(error)
        return outcomes

    done: list[T | UnreadableImageError] = []
    with ThreadPoolExecutor(min(_THREADS, os.cpu_count() or 1)) as threads:
        for outcomes in threads.map(batch, range(0, len(files), _BATCH)):
            done += outcomes
            progress(len(done))
    return done
