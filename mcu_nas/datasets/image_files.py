"""One PNG, JPEG or BMP file as uint8 pixels.

Whatever a file holds becomes 8-bit grey or RGB: of 16 bits the upper eight stay, a palette is looked up,
what is transparent lies on black (as padding does), and a camera's orientation mark is obeyed.
"""

from __future__ import annotations

import stat
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp")
_FORMATS = ("PNG", "JPEG", "BMP")
_GREY_MODES = ("1", "L", "LA", "I", "I;16", "I;16B", "I;16L")
_MAX_PIXELS = 128_000_000
# What Pillow raises on damaged files, by what a fuzzer of its formats finds.
_DAMAGE = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    IndexError,
    KeyError,
    TypeError,
    struct.error,
    zlib.error,
)


class UnreadableImageError(Exception):
    """Why one file is no image that can be used; who reads a whole folder collects them."""


@dataclass(frozen=True, slots=True)
class ImageHeader:
    """What a file says of itself before it is decoded: its shorter side in px, and whether it has colours."""

    shorter_px: int
    colour: bool


def read_header(path: Path) -> ImageHeader:
    """The header alone.

    Raises:
        UnreadableImageError: not a PNG, JPEG or BMP file, or one that cannot be read.
    """
    try:
        with _opened(path) as image:
            return ImageHeader(min(image.size), _has_colours(image))
    except _DAMAGE as error:
        raise UnreadableImageError(_reason(error)) from error


def decode(path: Path, grey: bool) -> np.ndarray:
    """The pixels uint8 (H, W, 1) or (H, W, 3), upright.

    Raises:
        UnreadableImageError: truncated or damaged.
    """
    try:
        with _opened(path) as image:
            pixels = np.asarray(_eight_bits(ImageOps.exif_transpose(image)).convert("L" if grey else "RGB"))
    except _DAMAGE as error:
        raise UnreadableImageError(_reason(error)) from error
    return pixels[..., np.newaxis] if grey else pixels


def _opened(path: Path) -> Image.Image:
    if not stat.S_ISREG(path.stat().st_mode):  # opening a pipe would wait for who writes to it
        raise ValueError("no regular file")
    try:
        image = Image.open(path, formats=_FORMATS)
    except Image.UnidentifiedImageError:
        empty = path.stat().st_size == 0
        raise ValueError("empty file" if empty else "not PNG, JPEG or BMP inside") from None
    except Image.DecompressionBombError:
        raise ValueError("too large") from None
    if image.width * image.height > _MAX_PIXELS:
        image.close()
        raise ValueError("too large")
    if image.format == "PNG" and getattr(image, "is_animated", False):
        image.close()
        raise ValueError("animated")
    return image


def _has_colours(image: Image.Image) -> bool:
    if image.mode == "P":
        palette = np.reshape(image.getpalette("RGB") or [], (-1, 3))
        return bool(np.any(palette != palette[:, :1]))
    return image.mode not in _GREY_MODES


def _eight_bits(image: Image.Image) -> Image.Image:
    """Without transparency, and with 8 bits a value."""
    if image.mode.startswith("I"):
        values = np.asarray(image).astype(np.int64)
        return Image.fromarray(np.clip(values >> 8, 0, 255).astype(np.uint8))
    if image.has_transparency_data:
        seen = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", seen.size, (0, 0, 0, 255)), seen)
    return image


def _reason(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
