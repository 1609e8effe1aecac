"""Decoded folders in the cache folder: 60,000 small JPEGs take 17 s to decode, 2 s from here.

One file a folder, size and channels asked for. It holds a digest over Pillow's version and every image
file's name, class, length and times (the change time moves with every change of the content), and is used
only where that is still the same; a folder that has changed replaces its entry. A file is there whole or not
at all (mcu_nas/files.py).
"""

from __future__ import annotations

import hashlib
import os
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import PIL

from mcu_nas.datasets.channels import Channels
from mcu_nas.datasets.image_folder import ImageFile, ImageFolder
from mcu_nas.files import replacing
from mcu_nas.resources import cache_folder

_FORMAT = 1  # of the entries and of how pixels are made: to be raised when either changes
_PAYS_FROM_FILES = 1000
_PAYS_FROM_BYTES = 10_000_000


@dataclass(frozen=True)
class Entry:
    """Where a folder's pixels are kept, and the digest that they must carry."""

    path: Path
    digest: str


def pays(files: Sequence[ImageFile]) -> bool:
    """Whether decoding takes longer than a user notices."""
    return len(files) >= _PAYS_FROM_FILES or sum(file.bytes for file in files) >= _PAYS_FROM_BYTES


def entry(folder: ImageFolder, channels: Channels | None, image_px: int | None) -> Entry:
    """The place of a folder's pixels at a size and with channels; None where those follow from the images."""
    asked = repr((os.fsencode(folder.path.resolve()), channels, image_px))
    content = hashlib.sha256(repr((_FORMAT, PIL.__version__)).encode())
    for name, _, *rest in (*folder.train, *folder.test):
        content.update(repr((name, rest)).encode())
    name = hashlib.sha256(asked.encode()).hexdigest()[:16]
    return Entry(cache_folder() / "images" / f"{name}.npz", content.hexdigest())


def load(place: Entry) -> dict[str, np.ndarray] | None:
    """What was stored there for the same digest; None where it was not, or where the file is damaged."""
    try:
        with np.load(place.path, allow_pickle=False) as stored:
            if str(stored["digest"]) != place.digest:
                return None
            return {name: stored[name] for name in stored.files if name != "digest"}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error):
        return None


def store(place: Entry, arrays: Mapping[str, np.ndarray]) -> None:
    """Keeps arrays. Where nothing can be written, the next load takes as long as this one, no more."""
    stored: dict[str, Any] = {"digest": np.array(place.digest), **arrays}
    with suppress(OSError), replacing(place.path) as temporary, temporary.open("wb") as file:
        np.savez(file, **stored)
