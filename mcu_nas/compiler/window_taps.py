"""Taps of sliding windows that fall inside the image."""

from __future__ import annotations

from functools import lru_cache

from mcu_nas.network import Network, WindowAxis, window_axes
from mcu_nas.operators import Conv2D, DepthwiseConv2D, Pool2D


def taps_inside(network: Network, op: Conv2D | DepthwiseConv2D | Pool2D) -> tuple[int, int]:
    """Window taps inside the input, summed over the output positions of each axis."""
    rows, columns = window_axes(network, op)
    return axis_taps(rows), axis_taps(columns)


@lru_cache(maxsize=4096)
def axis_taps(axis: WindowAxis) -> int:
    """Taps inside the image, summed over the output positions of one axis."""
    return sum(
        0 <= out * axis.stride - axis.before + tap * axis.dilation < axis.size
        for out in range(axis.outputs)
        for tap in range(axis.taps)
    )
