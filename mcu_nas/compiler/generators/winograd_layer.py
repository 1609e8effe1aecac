"""A 3×3 convolution of stride 1 as the Winograd generator sees it, and the order of its tiles."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mcu_nas.compiler.generators.requantization import Requantization
from mcu_nas.compiler.generators.winograd_transforms import TAPS, Transform
from mcu_nas.network import WindowAxis


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
    def axes(self) -> tuple[WindowAxis, WindowAxis]:
        """The vertical and the horizontal axis, as the lags of overlaps.py take them."""
        return (
            WindowAxis(self.height, TAPS, 1, 1, self.pad, self.pad),
            WindowAxis(self.width, TAPS, 1, 1, self.pad, self.pad),
        )

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


@dataclass(frozen=True)
class TileOrder:
    """The order in which tiles run: row by row from one corner of the output to the opposite one.

    The last tile of a row and of a column is moved back to end where the image ends, and computes some
    outputs again. After the last tile comes the last tile, as partner of the last of an odd number.
    Descending, that is the ascending order of the image turned by 180°: what is moved back begins where the
    image begins.

    Attributes:
        first, last: row and column of the first output of the first and the last tile.
        step: outputs from a tile to the next.
        pairs: how many there are.
    """

    first: tuple[int, int]
    last: tuple[int, int]
    step: int
    pairs: int


def tile_order(layer: WinogradLayer, transform: Transform, *, descending: bool) -> TileOrder:
    """The order of a layer's tiles."""
    m = transform.outputs
    begin, end = (0, 0), (layer.out_height - m, layer.out_width - m)
    pairs = -(-(-(-layer.out_height // m) * -(-layer.out_width // m)) // 2)
    return TileOrder(end, begin, -m, pairs) if descending else TileOrder(begin, end, m, pairs)
