"""A 3×3 convolution of stride 1 as the Winograd generator sees it: its tiles, what they read and write."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mcu_nas.compiler.generators.requantization import Requantization
from mcu_nas.compiler.generators.winograd_transforms import TAPS, Transform


@dataclass(frozen=True)
class WinogradLayer:
    """A 3×3 convolution, stride 1, NHWC int8 in and out.

    Attributes:
        height, width: of the input image.
        same: TFLite's SAME padding (one pixel on each side) rather than VALID.
        weights: int8 (outputs, 3, 3, inputs), TFLite's layout.
        bias: integers (outputs,), the input's zero point not folded in.
        input_zero_point: in int8's range; what a tap outside the image reads.
        requantization: factors and the output's range.
    """

    height: int
    width: int
    same: bool
    weights: np.ndarray
    bias: np.ndarray
    input_zero_point: int
    requantization: Requantization

    @property
    def pad(self) -> int:
        """Pixels of padding on each side."""
        return TAPS // 2 if self.same else 0

    @property
    def out_height(self) -> int:
        """Rows of the output image."""
        return self.height + 2 * self.pad - (TAPS - 1)

    @property
    def out_width(self) -> int:
        """Columns of the output image."""
        return self.width + 2 * self.pad - (TAPS - 1)

    @property
    def in_channels(self) -> int:
        """Channels of the input."""
        return self.weights.shape[3]

    @property
    def out_channels(self) -> int:
        """Channels of the output."""
        return self.weights.shape[0]

    @property
    def macs(self) -> int:
        """Multiplications of the convolution as it is defined, padding included."""
        return self.out_height * self.out_width * self.weights.size

    def largest_sums(self) -> np.ndarray:
        """The most that |bias + sum of w (x - zero point)| can be for int8 inputs, int64 (outputs,)."""
        weights = self.weights.reshape(self.out_channels, -1).astype(np.int64)
        positive, negative = np.maximum(weights, 0).sum(axis=1), np.minimum(weights, 0).sum(axis=1)
        below, above = -128 - self.input_zero_point, 127 - self.input_zero_point
        bias = self.bias.astype(np.int64)
        most = bias + positive * above + negative * below
        least = bias + positive * below + negative * above
        return np.maximum(np.abs(most), np.abs(least))


def tile_pairs(layer: WinogradLayer, transform: Transform) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """First output (row, column) of both tiles of each pair, in the order in which they run.

    Tiles go row by row. The last of a row and of a column is moved back to end where the image ends, and
    computes some outputs again; the last of an odd number is its own partner.
    """
    m = transform.outputs
    tiles = [
        (min(row, layer.out_height - m), min(column, layer.out_width - m))
        for row in range(0, layer.out_height, m)
        for column in range(0, layer.out_width, m)
    ]
    tiles += tiles[-1:] if len(tiles) % 2 else []
    return list(zip(tiles[0::2], tiles[1::2], strict=True))


def overlap_distance(layer: WinogradLayer, transform: Transform) -> int:
    """Bytes by which the output must begin before its input to overlap it: a pair of tiles reads all of its
    input before it writes, and what it writes must lie before all that later pairs read. For an image of
    more than one row of tiles and equally many channels that is m rows and a pixel."""
    m = transform.outputs
    distance, first_read_later = 0, layer.height * layer.width * layer.in_channels
    for pair in reversed(tile_pairs(layer, transform)):
        last = max((row + m - 1) * layer.out_width + column + m - 1 for row, column in pair)
        distance = max(distance, (last + 1) * layer.out_channels - first_read_later)
        first = min(
            max(row - layer.pad, 0) * layer.width + max(column - layer.pad, 0) for row, column in pair
        )
        first_read_later = min(first_read_later, first * layer.in_channels)
    return distance
