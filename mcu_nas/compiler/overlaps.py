"""How far a kernel's output must stay away from its dying input, where both share memory.

A kernel runs its output pixels in ascending or in descending order (firmware/kernels/pixel_order.h). One
number, the lag, holds for both orders:

    ascending:   begin of output <= begin of input - lag
    descending:  end of output   >= end of input   + lag

which includes not overlapping at all, as the lag is never more than the output. The pair then spans
max(input + lag, output) bytes. Diagonal memory optimisation, arXiv 2010.01668; vMCU, MLSys 2024.

What a kernel has written must lie before all that it will still read. That depends on what it reads before it
writes, and for each of these there is a function:

    window_lag  a pixel's window while its outputs are written: the kernels in C
    group_lag   the windows of two neighbouring outputs, or of more: generators/conv_lanes.py, pointwise_*.py
    block_lag   the windows of a block of neighbouring outputs: generators/conv_blocks.py
    tile_lag    a pair of tiles: generators/winograd.py; a group of them: winograd_bytes.py

Descending, each runs as it does ascending over the image turned by 180°, its odd pixel, its block or its
tiles moved back then at the image's begin. Hence the lag is the larger of those of the image and of the
turned image. Only shapes are asked for, and found in time that grows with the image's sides (tile_lag: with
the number of tiles), as planning a search space asks for many.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from mcu_nas.network import Network, WindowAxis, window_axes
from mcu_nas.operators import Conv2D, DepthwiseConv2D, Pool2D

_CACHED = 65_536  # shapes of each kind


class _Windows(NamedTuple):
    """Windows that slide over an int8 image, and what they compute."""

    rows: WindowAxis
    columns: WindowAxis
    channels: int
    out_channels: int

    @property
    def pixels(self) -> int:
        """Of the output."""
        return self.rows.outputs * self.columns.outputs

    @property
    def turned(self) -> _Windows:
        """The same over the image turned by 180°."""
        return self._replace(rows=_mirrored(self.rows), columns=_mirrored(self.columns))

    def lag(self, ascending: Callable[[_Windows], int]) -> int:
        """For both orders, from what an ascending kernel asks for."""
        return min(max(ascending(self), ascending(self.turned), 0), self.pixels * self.out_channels)


def window_lag(network: Network, op: Conv2D | DepthwiseConv2D | Pool2D) -> int:
    """The lag, in bytes, of a kernel that reads a pixel's window again for each of the pixel's outputs."""
    rows, columns = window_axes(network, op)
    return _pixel_lag(rows, columns, network.shape(op.inputs[0])[3], network.shape(op.outputs[0])[3])


@lru_cache(maxsize=_CACHED)
def _pixel_lag(rows: WindowAxis, columns: WindowAxis, channels: int, out_channels: int) -> int:
    return _Windows(rows, columns, channels, out_channels).lag(lambda windows: _by_groups(windows, 1, 1))


@lru_cache(maxsize=_CACHED)
def group_lag(
    rows: WindowAxis, columns: WindowAxis, channels: int, out_channels: int, together: int = 2
) -> int:
    """The lag, in bytes, of a kernel that reads the windows of ``together`` neighbouring outputs before it
    writes them; the last group may be smaller."""
    windows = _Windows(rows, columns, channels, out_channels)
    return windows.lag(lambda windows: _by_groups(windows, together, 0))


@lru_cache(maxsize=_CACHED)
def block_lag(rows: WindowAxis, columns: WindowAxis, channels: int, out_channels: int, block: int) -> int:
    """The lag, in bytes, of a kernel that reads the windows of ``block`` neighbouring outputs before it
    writes them; the last block is moved back where they are not a multiple, and its windows read again."""

    def ascending(windows: _Windows) -> int:
        return max(_by_groups(windows, block, 0), _by_last_block(windows, block))

    return _Windows(rows, columns, channels, out_channels).lag(ascending)


@lru_cache(maxsize=_CACHED)
def tile_lag(
    rows: WindowAxis, columns: WindowAxis, channels: int, out_channels: int, tile: int, together: int = 2
) -> int:
    """The lag, in bytes, of a kernel that reads ``together`` tiles of ``tile`` × ``tile`` outputs of stride 1
    before it writes them. For an image of more than one row of tiles, equally many channels and two tiles
    together that is ``tile`` rows and a pixel."""
    windows = _Windows(rows, columns, channels, out_channels)
    return windows.lag(lambda windows: _by_tiles(windows, tile, together))


def tile_begins(outputs: int, tile: int) -> np.ndarray:
    """The first output of each tile along one axis: the last is moved back to end where the image ends."""
    return np.minimum(np.arange(0, outputs, tile), outputs - tile)


def _by_groups(windows: _Windows, together: int, early: int) -> int:
    """What an ascending kernel asks for whose groups of outputs follow each other from pixel 0 on.

    early: outputs of a group that are written before its windows may be overwritten.

    For every group: the end of what is written, less the lowest byte that it or a later group reads. By rows,
    so that time and memory grow with the image's sides and not with its area. In rows of outputs below which
    the next begins to read in the same input row, that byte is the same for all groups. In other rows it is
    the first of the group's own window, and how far a group is ahead depends, but for a sum of the row, on
    its column alone; of columns at a distance of ``together`` only the best counts.
    """
    first_row, first_column = _first_taps(windows.rows), _first_taps(windows.columns)
    width = windows.columns.outputs
    begin = -np.arange(windows.rows.outputs) * width % together  # column of the first group of each row
    y = np.flatnonzero(begin < width)
    begin = begin[y]
    x = np.arange(width)
    ahead = (x + early) * windows.out_channels - first_column * windows.channels
    best = ahead[: min(together, width)].copy()
    np.maximum.at(best, x % together, ahead)
    last = begin + (width - 1 - begin) // together * together
    ahead_of_row = (last + early) * windows.out_channels - first_column[0] * windows.channels
    in_rows = first_row[y] * windows.columns.size * windows.channels
    out_rows = y * width * windows.out_channels
    return int((out_rows - in_rows + np.where(_row_again(first_row)[y], ahead_of_row, best[begin])).max())


def _by_last_block(windows: _Windows, block: int) -> int:
    """What the last block asks for where it is moved back: it reads windows whose outputs, and those of all
    whole blocks, are written already."""
    whole = windows.pixels // block * block
    if whole in (0, windows.pixels):
        return 0
    first_row, first_column = _first_taps(windows.rows), _first_taps(windows.columns)
    y, x = divmod(windows.pixels - block, windows.columns.outputs)
    column = first_column[0 if _row_again(first_row)[y] else x]
    first_read = (first_row[y] * windows.columns.size + column) * windows.channels
    return whole * windows.out_channels - int(first_read)


def _by_tiles(windows: _Windows, tile: int, together: int) -> int:
    """What an ascending kernel asks for whose tiles follow each other row by row, so many at a time; the last
    one is repeated to fill up its group, or a pair of it."""
    rows, columns = windows.rows, windows.columns
    y, x = tile_begins(rows.outputs, tile), tile_begins(columns.outputs, tile)
    read = np.add.outer(_first_taps(rows)[y] * columns.size, _first_taps(columns)[x])
    written = np.add.outer((y + tile - 1) * columns.outputs, x + tile)
    more = -read.size % together
    first, end = (
        np.pad(each.reshape(-1), (0, more), "edge").reshape(-1, together) for each in (read, written)
    )
    first_from = np.minimum.accumulate(first.min(axis=1)[::-1])[::-1]  # read by a group or any later one
    ahead = end.max(axis=1)[:-1] * windows.out_channels - first_from[1:] * windows.channels
    return int(ahead.max(initial=0))


def _first_taps(axis: WindowAxis) -> np.ndarray:
    """First input position of each window along one axis, clipped to the image."""
    return np.clip(np.arange(axis.outputs) * axis.stride - axis.before, 0, axis.size - 1)


def _row_again(first_row: np.ndarray) -> np.ndarray:
    """For each row of outputs whether the next begins to read in the same input row."""
    return np.append(first_row[1:] == first_row[:-1], False)


def _mirrored(axis: WindowAxis) -> WindowAxis:
    """The axis from its other end. Behind the last window lies what no window reads, or padding."""
    end = (axis.outputs - 1) * axis.stride + (axis.taps - 1) * axis.dilation + 1 - axis.before
    return replace(axis, before=end - axis.size, after=axis.before)
