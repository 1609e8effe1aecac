"""A convolution of any window and stride, as the generator of its kernel takes it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mcu_nas.compiler.generators.requantization import Requantization
from mcu_nas.network import WindowAxis


@dataclass(frozen=True)
class ConvLayer:
    """A convolution, NHWC int8 in and out, no dilation. Pairs are (rows, columns).

    Attributes:
        image, out: sizes of the input and the output.
        stride: of the window.
        pad: pixels of padding above and to the left.
        weights: int8 (outputs, rows, columns, inputs), TFLite's layout.
        bias: integers (outputs,), the input's zero point not folded in.
        input_zero_point: what a tap outside the image reads.
        requantization: factors and the output's range.
    """

    image: tuple[int, int]
    out: tuple[int, int]
    stride: tuple[int, int]
    pad: tuple[int, int]
    weights: np.ndarray
    bias: np.ndarray
    input_zero_point: int
    requantization: Requantization

    @property
    def window(self) -> tuple[int, int]:
        """Taps."""
        return self.weights.shape[1], self.weights.shape[2]

    @property
    def in_channels(self) -> int:
        """Channels of the input."""
        return int(self.weights.shape[3])

    @property
    def out_channels(self) -> int:
        """Channels of the output."""
        return int(self.weights.shape[0])

    @property
    def axes(self) -> tuple[WindowAxis, WindowAxis]:
        """The vertical and the horizontal axis, as the lags of overlaps.py take them."""
        rows, columns = (
            WindowAxis(size, taps, stride, 1, pad, last + taps - size)
            for size, taps, stride, pad, last in zip(
                self.image, self.window, self.stride, self.pad, self.last_origin, strict=True
            )
        )
        return rows, columns

    @property
    def pixels(self) -> int:
        """Of the output."""
        return self.out[0] * self.out[1]

    @property
    def macs(self) -> int:
        """Multiplications of the convolution as it is defined, padding included."""
        return self.pixels * self.weights.size

    @property
    def first_origin(self) -> tuple[int, int]:
        """Input row and column of the first output's first tap."""
        return -self.pad[0], -self.pad[1]

    @property
    def last_origin(self) -> tuple[int, int]:
        """Input row and column of the last output's first tap."""
        rows, columns = (
            (size - 1) * stride - pad
            for size, stride, pad in zip(self.out, self.stride, self.pad, strict=True)
        )
        return rows, columns

    def origin(self, pixel: int) -> tuple[int, int]:
        """Input row and column of the first tap of an output, counted row by row."""
        row, column = divmod(pixel, self.out[1])
        return row * self.stride[0] - self.pad[0], column * self.stride[1] - self.pad[1]
