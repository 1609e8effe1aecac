"""How a tensor between two generated kernels lies in memory.

NHWC    int8 [pixel][channel], the format at every segment's edge.
PAIRS   int32 [pixel pair][channel]: two neighbouring pixels a, b of a channel in one word, a + b * 2^22,
        which the three-lane pointwise kernel multiplies as it is. Pixels count row by row; the partner of
        the last pixel of an odd number is any value of an int8.
PLANES  int16 [channel][row][column] with a border that holds the zero point, so that a window's taps beside
        the image need no test. Rows begin at word boundaries: an odd width is padded by one column.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np

PAIR_SHIFT = 22  # bits between the two pixels of a PAIRS word


class Format(Enum):
    """What the shape of PLANES is besides follows from the windows that read them (Planes)."""

    NHWC = "nhwc"
    PAIRS = "pairs"
    PLANES = "planes"


@dataclass(frozen=True)
class Planes:
    """PLANES of an image of ``rows`` x ``columns`` pixels: int16 values as they are, zero point not removed.

    Attributes:
        top, left, bottom, right: border pixels around the image, each holding ``zero_point``; the padding
            column of an odd width is on the right and holds it too.
    """

    channels: int
    rows: int
    columns: int
    top: int
    left: int
    bottom: int
    right: int
    zero_point: int

    @property
    def height(self) -> int:
        """Rows of a plane, border included."""
        return self.top + self.rows + self.bottom

    @property
    def row_stride(self) -> int:
        """Elements (int16) from one row to the next: the bordered width, rounded up to even."""
        width = self.left + self.columns + self.right
        return width + width % 2

    @property
    def plane_stride(self) -> int:
        """Elements (int16) from one channel to the next."""
        return self.height * self.row_stride

    @property
    def bytes(self) -> int:
        """Bytes of all planes; 4-byte aligned."""
        return 2 * self.channels * self.plane_stride

    def from_nhwc(self, image: np.ndarray) -> np.ndarray:
        """An int8 image (rows, columns, channels) as int16 (channels, height, row_stride)."""
        planes = np.full((self.channels, self.height, self.row_stride), self.zero_point, np.int16)
        bottom, right = self.top + self.rows, self.left + self.columns
        planes[:, self.top : bottom, self.left : right] = image.transpose(2, 0, 1)
        return planes


def pairs_bytes(pixels: int, channels: int) -> int:
    """Bytes of a tensor in PAIRS; 4-byte aligned."""
    return 4 * -(-pixels // 2) * channels


def pairs_from_nhwc(pixels: np.ndarray) -> np.ndarray:
    """int8 (pixels, channels) as int32 (pixel pairs, channels) in PAIRS."""
    even = np.zeros((len(pixels) + len(pixels) % 2, pixels.shape[1]), np.int32)
    even[: len(pixels)] = pixels
    return even[0::2] + (even[1::2] << PAIR_SHIFT)
