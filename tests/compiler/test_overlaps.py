"""The lag of overlapping buffers is exactly what the windows of all groups of pixels ask for, in both
orders."""

from __future__ import annotations

import math

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from mcu_nas.compiler.overlaps import block_lag, group_lag, tile_begins, tile_lag, window_lag
from mcu_nas.network import Network, Tensor, WindowAxis, output_size, pad_amounts, window_axes
from mcu_nas.operators import Conv2D, Padding

Axes = tuple[WindowAxis, WindowAxis]
Groups = list[list[int]]  # of output pixels, in running order

sizes = st.tuples(st.integers(1, 9), st.integers(1, 9))
small = st.tuples(st.integers(1, 3), st.integers(1, 3))
paddings = st.sampled_from(Padding)


def convolution(size, taps, stride, dilation, padding, channels) -> Network:
    out = [output_size(padding, *side) for side in zip(size, taps, stride, dilation, strict=True)]
    if min(out) < 1:
        assume(False)  # the window does not fit
    tensors = (
        Tensor("in", (1, *size, channels[0])),
        Tensor("weights", (channels[1], *taps, channels[0])),
        Tensor("bias", (channels[1],), "int32"),
        Tensor("out", (1, *out, channels[1])),
    )
    op = Conv2D((0, 1, 2), (3,), stride, padding, dilation=dilation)
    return Network(tensors, (op,), (0,), (3,), frozenset({1, 2}))


def axes_of(size, taps, stride, padding) -> Axes:
    """Without dilation; a window that does not fit is not asked for."""
    sides = list(zip(size, taps, stride, strict=True))
    if any(output_size(padding, *side) < 1 for side in sides):
        assume(False)
    rows, columns = (WindowAxis(*side, 1, *pad_amounts(padding, *side)) for side in sides)
    return rows, columns


def brute_force_lag(axes: Axes, channels: tuple[int, int], groups: Groups, *, reads_first: bool) -> int:
    """From the bytes that each group of pixels reads and writes; descending, pixel p is the p-th from the
    end. reads_first: what a group writes may lie on what it has read itself."""
    rows, columns = axes
    reads = [window_bytes(axes, channels[0], pixel) for pixel in range(rows.outputs * columns.outputs)]
    in_bytes, out_bytes = rows.size * columns.size * channels[0], len(reads) * channels[1]
    lag = 0
    for number, group in enumerate(groups):
        still_read = [pixel for later in groups[number + reads_first :] for pixel in later]
        for pixel in still_read:
            lag = max(lag, (max(group) + 1) * channels[1] - reads[pixel][0])
            end = reads[len(reads) - 1 - pixel][1]
            begin = (len(reads) - 1 - max(group)) * channels[1]
            lag = max(lag, end - begin + out_bytes - in_bytes)
    return min(lag, out_bytes)


def window_bytes(axes: Axes, channels: int, pixel: int) -> tuple[float, float]:
    """First byte and end of the last one that an output pixel's window reads; beside the image: none."""
    rows, columns = axes
    y, x = divmod(pixel, columns.outputs)
    inside = [
        (row * columns.size + column) * channels
        for row in taps_inside(rows, y)
        for column in taps_inside(columns, x)
    ]
    return (min(inside), max(inside) + channels) if inside else (math.inf, -math.inf)


def taps_inside(axis: WindowAxis, output: int) -> list[int]:
    positions = (output * axis.stride - axis.before + tap * axis.dilation for tap in range(axis.taps))
    return [position for position in positions if 0 <= position < axis.size]


def outputs_of(axes: Axes) -> int:
    return axes[0].outputs * axes[1].outputs


def brute_force_window_lag(network: Network) -> int:
    axes = window_axes(network, network.ops[0])
    pixels = [[pixel] for pixel in range(outputs_of(axes))]
    return brute_force_lag(axes, (network.shape(0)[3], network.shape(3)[3]), pixels, reads_first=False)


def blocks_of(pixels: int, block: int, *, moved_back: bool) -> Groups:
    """Blocks from pixel 0 on; the last is shorter, or moved back."""
    blocks = [list(range(begin, min(begin + block, pixels))) for begin in range(0, pixels, block)]
    if moved_back:
        blocks[-1] = list(range(pixels - block, pixels))
    return blocks


def tile_pairs_of(height: int, width: int, tile: int) -> Groups:
    tiles = [
        [(row + y) * width + column + x for y in range(tile) for x in range(tile)]
        for row in (min(row, height - tile) for row in range(0, height, tile))
        for column in (min(column, width - tile) for column in range(0, width, tile))
    ]
    return [[pixel for one in tiles[first : first + 2] for pixel in one] for first in range(0, len(tiles), 2)]


@given(sizes, small, small, paddings, small)
@example((5, 5), (3, 3), (1, 1), Padding.SAME, (2, 2))
@example((5, 4), (3, 3), (2, 2), Padding.SAME, (1, 4))
def test_lag_is_what_the_windows_of_all_pixels_ask_for(size, taps, stride, padding, channels):
    network = convolution(size, taps, stride, (1, 1), padding, channels)
    assert window_lag(network, network.ops[0]) == brute_force_window_lag(network)


@given(sizes, small, small, paddings, small)
def test_lag_under_dilation_is_never_less_than_needed(size, taps, dilation, padding, channels):
    network = convolution(size, taps, (1, 1), dilation, padding, channels)
    assert window_lag(network, network.ops[0]) >= brute_force_window_lag(network)


def test_lag_of_a_huge_image_is_found_by_its_sides() -> None:
    network = convolution((60_000, 60_000), (3, 3), (1, 1), (1, 1), Padding.SAME, (8, 8))
    assert window_lag(network, network.ops[0]) == (60_000 + 2) * 8
    axes = window_axes(network, network.ops[0])
    assert group_lag(*axes, 8, 8) == block_lag(*axes, 8, 8, 64) == (60_000 + 1) * 8


@given(sizes, small, small, paddings, small, st.integers(2, 12))
@example((7, 6), (3, 3), (1, 1), Padding.SAME, (2, 2), 2)
def test_lag_of_groups_is_what_their_windows_ask_for(size, taps, stride, padding, channels, together):
    axes = axes_of(size, taps, stride, padding)
    groups = blocks_of(outputs_of(axes), together, moved_back=False)
    assert group_lag(*axes, *channels, together) == brute_force_lag(axes, channels, groups, reads_first=True)


@given(sizes, small, small, paddings, small, st.integers(1, 12))
@example((5, 5), (3, 3), (1, 1), Padding.SAME, (2, 2), 24)
def test_lag_of_blocks_is_what_their_windows_ask_for(size, taps, stride, padding, channels, block):
    axes = axes_of(size, taps, stride, padding)
    assume(block <= outputs_of(axes))
    blocks = blocks_of(outputs_of(axes), block, moved_back=True)
    assert block_lag(*axes, *channels, block) == brute_force_lag(axes, channels, blocks, reads_first=True)


@given(st.tuples(st.integers(4, 13), st.integers(4, 13)), paddings, small, st.sampled_from([2, 4]))
@example((9, 9), Padding.SAME, (2, 2), 4)
def test_lag_of_tiles_is_what_their_windows_ask_for(size, padding, channels, tile):
    axes = axes_of(size, (3, 3), (1, 1), padding)
    assume(min(axes[0].outputs, axes[1].outputs) >= tile)
    pairs = tile_pairs_of(axes[0].outputs, axes[1].outputs, tile)
    assert tile_lag(*axes, *channels, tile) == brute_force_lag(axes, channels, pairs, reads_first=True)


def test_tiles_ask_for_their_rows_and_a_pixel() -> None:
    assert tile_lag(*axes_of((32, 32), (3, 3), (1, 1), Padding.SAME), 16, 16, 4) == (4 * 32 + 1) * 16


@pytest.mark.parametrize("outputs", range(4, 13))
def test_tiles_cover_every_output_and_stay_inside(outputs: int) -> None:
    begins = tile_begins(outputs, 4)
    assert begins.min() == 0
    assert sorted({begin + output for begin in begins for output in range(4)}) == list(range(outputs))


@given(sizes, st.integers(1, 5), st.integers(2, 12))
def test_pointwise_groups_of_no_more_outputs_than_inputs_need_no_lag(size, channels, together):
    axes = axes_of(size, (1, 1), (1, 1), Padding.VALID)
    assert group_lag(*axes, channels, channels, together) == 0
    assert group_lag(*axes, channels + 1, channels, together) == 0
