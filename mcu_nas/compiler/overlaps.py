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
    """By rows, so that time and memory grow with the image's sides and not with its area.

    Ascending, the lowest pixel still needed at (y, x) is the first of its own window; but where the row
    below begins to read in the same input row, it is the first pixel of that row. Descending likewise.
    """
    (first_row, last_row), (first_column, last_column) = _taps(rows), _taps(columns)
    in_row, out_row = columns.size * channels, columns.outputs * out_channels
    out_rows = np.arange(rows.outputs, dtype=np.int64) * out_row
    x = np.arange(columns.outputs, dtype=np.int64)
    in_row_again = np.append(first_row[1:] == first_row[:-1], False)
    beyond_own = ((x + 1) * out_channels - first_column * channels).max()
    ascending = out_rows - first_row * in_row + np.where(in_row_again, out_row, beyond_own)
    read_before = np.append(False, last_row[1:] == last_row[:-1])
    before_own = ((last_column + 1) * channels - x * out_channels).max()
    row_end = (last_column[-1] + 1) * channels
    descending = last_row * in_row - out_rows + np.where(read_before, row_end, before_own)
    in_bytes, out_bytes = rows.size * in_row, rows.outputs * out_row
    lag = max(int(ascending.max()), int(descending.max()) + out_bytes - in_bytes, 0)
    return min(lag, out_bytes)


def _taps(axis: WindowAxis) -> tuple[np.ndarray, np.ndarray]:
    """First and last input position of each window along one axis, clipped to the image."""
    origins = np.arange(axis.outputs) * axis.stride - axis.before
    last = axis.size - 1
    return np.clip(origins, 0, last), np.clip(origins + (axis.taps - 1) * axis.dilation, 0, last)
