"""How far a kernel's output must stay away from its dying input, where both share memory.

A kernel runs its output pixels in ascending or in descending order (firmware/kernels/pixel_order.h). While
a pixel is computed its own outputs are written and its own window is read, so that ascending the end of
pixel p may reach up to the lowest input byte that pixels p, p + 1, ... read; descending is the mirror image.
With one number for both orders, ``lag_bytes``:

    ascending:   begin of output <= begin of input - lag_bytes
    descending:  end of output   >= end of input   + lag_bytes

which includes not overlapping at all, as the lag is never more than the output. The pair then spans
max(input + lag, output) bytes. Diagonal memory optimisation, arXiv 2010.01668; vMCU, MLSys 2024.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from mcu_nas.network import Network, WindowAxis, window_axes
from mcu_nas.operators import Conv2D, DepthwiseConv2D, Pool2D


def window_lag(network: Network, op: Conv2D | DepthwiseConv2D | Pool2D) -> int:
    """The lag, in bytes, of a kernel that slides a window over an int8 image pixel by pixel."""
    rows, columns = window_axes(network, op)
    return _lag(rows, columns, network.shape(op.inputs[0])[3], network.shape(op.outputs[0])[3])


@lru_cache(maxsize=65_536)
def _lag(rows: WindowAxis, columns: WindowAxis, channels: int, out_channels: int) -> int:
    firsts, ends = _reads(rows, columns)
    pixels = np.arange(len(firsts))
    in_bytes, out_bytes = rows.size * columns.size * channels, len(firsts) * out_channels
    ascending = int(((pixels + 1) * out_channels - firsts * channels).max())
    descending = int((ends * channels - pixels * out_channels).max()) + out_bytes - in_bytes
    return min(max(ascending, descending, 0), out_bytes)


@lru_cache(maxsize=64)
def _reads(rows: WindowAxis, columns: WindowAxis) -> tuple[np.ndarray, np.ndarray]:
    """Per output pixel in row-major order, in input pixels: the first that it or a later one reads, and the
    end of the last that it or an earlier one reads.
    """
    (first_row, last_row), (first_column, last_column) = _taps(rows), _taps(columns)
    width = columns.size
    firsts = (first_row[:, None] * width + first_column).reshape(-1)
    ends = (last_row[:, None] * width + last_column).reshape(-1) + 1
    return np.minimum.accumulate(firsts[::-1])[::-1], np.maximum.accumulate(ends)


def _taps(axis: WindowAxis) -> tuple[np.ndarray, np.ndarray]:
    """First and last input position of each window along one axis, clipped to the image."""
    origins = np.arange(axis.outputs) * axis.stride - axis.before
    last = axis.size - 1
    return np.clip(origins, 0, last), np.clip(origins + (axis.taps - 1) * axis.dilation, 0, last)
