"""Bringing images to a network's resolution: one function for training, calibration, test and device."""

from __future__ import annotations

import numpy as np

from mcu_nas.errors import DataError


def resize(images: np.ndarray, resolution: int) -> np.ndarray:
    """uint8 (N, H, W, C) to uint8 (N, resolution, resolution, C) by area averaging.

    An output pixel is the mean of the input area under it, in integer arithmetic rounded half up, so that
    every machine gets the same bytes. Images of the right size come back as they are.

    Raises:
        DataError: ``resolution`` is larger than the images.
    """
    _, height, width, _ = images.shape
    if (height, width) == (resolution, resolution):
        return images
    if resolution > min(height, width) or resolution < 1:
        raise DataError(
            f"resolution {resolution} px is not usable with images of {height}×{width} px: "
            f"choose at most {min(height, width)} px"
        )
    rows = _area_weights(height, resolution)  # (resolution, H), each row sums to H
    columns = _area_weights(width, resolution)  # (resolution, W)
    chunks = [
        _average(images[start : start + 1024], rows, columns) for start in range(0, max(len(images), 1), 1024)
    ]
    return np.concatenate(chunks)


def square(image: np.ndarray, px: int) -> np.ndarray:
    """One uint8 image (H, W, C) of any size as (px, px, C): its centre square by area averaging, as
    ``resize``.

    An image smaller than ``px`` is enlarged: an output pixel is the mean of the input area under it, be that
    less than a pixel. Works row by row, so that a photo needs little memory beside itself.
    """
    height, width, _ = image.shape
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    image = image[top : top + side, left : left + side]
    if side == px:
        return image
    # Sums of rows stay below 255 * side < 2^24, exact in float32 whatever the order; sums of both in float64.
    rows = _sums(image, px, np.float32)  # (px, side, C)
    total = _sums(rows.transpose(1, 0, 2), px, np.float64)  # (px, px, C), columns first
    area = side * side
    means = (2 * total.astype(np.int64) + area) // (2 * area)
    return np.ascontiguousarray(means.transpose(1, 0, 2).astype(np.uint8))


def _sums(values: np.ndarray, px: int, dtype: type[np.floating]) -> np.ndarray:
    """Sums (px, ...) over the first axis of ``values`` (side, ...) under each output cell, in 1/px of a
    value.
    """
    side = len(values)
    sums = np.empty((px, *values.shape[1:]), dtype)
    for cell in range(px):
        first, last = cell * side // px, -(-(cell + 1) * side // px)
        edges = np.arange(first, last) * px
        weights = np.minimum(edges + px, (cell + 1) * side) - np.maximum(edges, cell * side)
        sums[cell] = np.tensordot(weights.astype(dtype), values[first:last].astype(dtype), axes=1)
    return sums


def real_pixels(images: np.ndarray, white: float = 1.0) -> np.ndarray:
    """uint8 images as the float32 that a model sees, 255 becoming ``white``."""
    return images.astype(np.float32) / np.float32(255.0 / white)


def _average(images: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    # float64 matrix products of integers below 2^53 are exact.
    total = np.einsum("rh,nhwc->nrwc", rows, images.astype(np.float64), optimize=True)
    total = np.einsum("sw,nrwc->nrsc", columns, total, optimize=True)
    area = rows.shape[1] * columns.shape[1]
    return ((2 * total.astype(np.int64) + area) // (2 * area)).astype(np.uint8)


def _area_weights(size: int, resolution: int) -> np.ndarray:
    """Overlap of output cell [i*size, (i+1)*size) with input cell [j*resolution, (j+1)*resolution)."""
    out_edges = np.arange(resolution + 1) * size
    in_edges = np.arange(size + 1) * resolution
    low = np.maximum(out_edges[:-1, None], in_edges[None, :-1])
    high = np.minimum(out_edges[1:, None], in_edges[None, 1:])
    return np.maximum(high - low, 0).astype(np.float64)
