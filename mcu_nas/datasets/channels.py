"""Grey and colour: what ``--channels`` means for images that are stored the other way."""

from __future__ import annotations

from typing import Literal

import numpy as np

from mcu_nas.errors import DataError

Channels = Literal["grey", "rgb"]
COUNT: dict[Channels, int] = {"grey": 1, "rgb": 3}
# ITU-R BT.601 luma in 16-bit fixed point, which is what Pillow's convert("L") computes.
_LUMA = np.array([19595, 38470, 7471], np.uint32)
_CHUNK = 4096


def to_channels(images: np.ndarray, channels: Channels | None, where: str) -> np.ndarray:
    """uint8 (N, H, W, C) with the channels asked for; grey becomes three equal ones, colour its luma.

    None keeps the images as they are.

    Raises:
        DataError: the images are neither grey nor RGB.
    """
    found = images.shape[-1]
    if channels is None or found == COUNT[channels]:
        return images
    if found not in COUNT.values():
        raise DataError(f"{where}: --channels {channels} needs images of 1 or 3 channels, these have {found}")
    if channels == "rgb":
        return np.repeat(images, 3, axis=-1)
    chunks = (images[start : start + _CHUNK] for start in range(0, len(images), _CHUNK))
    return np.concatenate([_luma(chunk) for chunk in chunks])


def channel_order(count: int) -> str:
    """How reports and headers call a number of channels."""
    return {1: "grey", 3: "RGB"}.get(count, f"{count} channels")


def _luma(images: np.ndarray) -> np.ndarray:
    total = images.astype(np.uint32) @ _LUMA
    return ((total + 0x8000) >> 16).astype(np.uint8)[..., np.newaxis]
