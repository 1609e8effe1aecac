"""Rows of convolutions with weights of one byte: their kernels unpack or transform these while they run.

What they unpack they use for a block of pixels, or for a group of tiles, so that how many of these there are
decides between memory and time. It follows from the shape alone.
"""

from __future__ import annotations

from functools import partial

from mcu_nas.compiler.armv7em_efforts import (
    lane_effort,
    pair_effort,
    product_shape,
    tile_effort,
    window_effort,
    winograd_tiles,
)
from mcu_nas.compiler.armv7em_kernels import (
    TO_A_WORD,
    WINOGRAD_WORDS,
    generated,
    in_and_out,
    in_tiles,
    lane_constants,
    pointwise_in_lanes,
    triple_bytes,
    window_in_lanes,
    zero_point_bytes,
)
from mcu_nas.compiler.overlaps import block_lag, group_lag, tile_lag
from mcu_nas.compiler.target import WeightStorage
from mcu_nas.network import Network, window_axes
from mcu_nas.operators import Conv2D

_WINDOWS_BYTES = 16_384  # of gathered windows
_PIXELS_BYTES = 9_216  # of gathered pixels: 36 of 128 channels, 72 of 64
_GROUP_BYTES = 16_384  # of a group's tiles and two outputs' transformed weights
_LEAST_TILES = 4  # of a group, where there are as many
_ROWS_BYTES = 12_288  # of windows and input rows
_LONGEST_WINDOW = 160  # values of conv_rows: it is for few channels
_MOST_SHARED_CHANNELS = 3  # of rows kept as words at a stride of 2
_TRANSFORM_EFFORT = {4: 7.2, 2: 2.95}  # instructions for each weight


def block_outputs(network: Network, op: Conv2D) -> int:
    """Outputs of a convolution with 1-byte weights that share the unpacking: an even number."""
    pixels, inputs, _ = product_shape(network, op)
    return even_blocks(pixels, _WINDOWS_BYTES // (2 * inputs))


def even_blocks(pixels: int, most: int) -> int:
    """Pixels of a block, an even number of at most ``most`` and ``pixels``, so that blocks overlap least."""
    blocks = -(-pixels // max(2, min(most, pixels) // 2 * 2))
    return -(-pixels // blocks // 2) * 2


def block_pixels(network: Network, op: Conv2D) -> int:
    """Pixels of a pointwise convolution that share the unpacking: all, or an even number."""
    pixels, inputs, _ = product_shape(network, op)
    most = _PIXELS_BYTES // (2 * inputs)
    return pixels if pixels <= most else even_blocks(pixels, most)


def group_tiles(network: Network, op: Conv2D, size: int) -> int:
    """Tiles for which weights are transformed together, an even number: whole rows of tiles where one fits,
    for then the output may lie nearest to its input."""
    position_bytes = 2 * (size + 2) ** 2 * network.shape(op.inputs[0])[3]
    tiles = winograd_tiles(network, op, size)
    fitting = max((_GROUP_BYTES // position_bytes - 2) // 2 * 2, _LEAST_TILES)
    columns = -(-network.shape(op.outputs[0])[2] // size)
    rows = columns * (1 + columns % 2)
    return min(fitting // rows * rows or fitting, tiles)


def weights_transformed(network: Network, op: Conv2D, size: int) -> int:
    """Weights that a call transforms: all of them, of an even number of outputs, for each group of tiles."""
    _, inputs, outputs = product_shape(network, op)
    groups = -(-winograd_tiles(network, op, size) // group_tiles(network, op, size))
    return groups * inputs * (outputs + outputs % 2)


def block_rows(network: Network, op: Conv2D) -> int:
    """Rows of outputs that share the unpacking: those with the least effort, of what memory there is."""
    height = network.shape(op.outputs[0])[1]
    fitting = [rows for rows in range(1, height + 1) if _rows_bytes(network, op, rows) <= _ROWS_BYTES]
    return min(fitting or [1], key=lambda rows: (_effort_by_rows(network, op, rows), rows))


def input_rows(network: Network, op: Conv2D, rows: int) -> tuple[int, int]:
    """Input rows of so many rows of outputs, and values of each, border included."""
    vertical, horizontal = window_axes(network, op)
    columns = (horizontal.outputs - 1) * horizontal.stride + horizontal.taps
    return (rows - 1) * vertical.stride + vertical.taps, columns * network.shape(op.inputs[0])[3]


def row_words(network: Network, op: Conv2D) -> int:
    """Words that hold an input row of conv_rows; 0: it is kept as bytes."""
    _, columns = window_axes(network, op)
    channels = network.shape(op.inputs[0])[3]
    if columns.stride == 1:
        return (columns.outputs - 1 + columns.taps - 1) * channels
    shares = (columns.taps, columns.stride) == (3, 2) and channels <= _MOST_SHARED_CHANNELS
    return columns.outputs // 2 * columns.taps * channels if shares else 0


def _rows_bytes(network: Network, op: Conv2D, rows: int) -> int:
    """Windows of so many rows of outputs, and their input rows: words where the stride is 1."""
    _, inputs, _ = product_shape(network, op)
    count, values = input_rows(network, op, rows)
    row_bytes = 4 * row_words(network, op) or -(-values // 4) * 4
    return 2 * rows * network.shape(op.outputs[0])[2] * inputs + count * row_bytes + values + 3


def _rows_scratch(network: Network, op: Conv2D) -> int:
    """A triple's unpacked constants besides."""
    _, inputs, _ = product_shape(network, op)
    unpacked = triple_bytes(inputs)
    return unpacked + _rows_bytes(network, op, block_rows(network, op)) + TO_A_WORD


def _rows_effort(network: Network, op: Conv2D) -> float:
    return _effort_by_rows(network, op, block_rows(network, op))


def _effort_by_rows(network: Network, op: Conv2D, rows: int) -> float:
    """Rows copied and, where the stride is 1, packed; windows copied or packed; triples unpacked; blocks."""
    _, height, width, outputs = network.shape(op.outputs[0])
    _, inputs, _ = product_shape(network, op)
    count, values = input_rows(network, op, rows)
    words = row_words(network, op)
    of_row = 0.7 * values + 3.25 * words if op.stride[1] == 1 or not words else 3.1 * words + 30
    of_window = 0.25 if words else 3.3
    pair = of_window * inputs + 15 + pair_effort(inputs, outputs)
    block = count * (of_row + 40) + 1.9 * inputs * outputs
    return -(-height // rows) * (block + rows * width / 2 * pair)


def _rows_lag(network: Network, op: Conv2D) -> int:
    rows, columns = window_axes(network, op)
    block = block_rows(network, op) * columns.outputs
    return block_lag(rows, columns, *in_and_out(network, op), block)


def _short_windows(network: Network, op: Conv2D) -> bool:
    """An even number of outputs in a row, and few values in a window."""
    _, inputs, _ = product_shape(network, op)
    even = network.shape(op.outputs[0])[2] % 2 == 0
    return window_in_lanes(network, op) and even and inputs <= _LONGEST_WINDOW


def _windows_scratch(network: Network, op: Conv2D) -> int:
    """A triple's unpacked constants, the windows of a block, and zero points."""
    _, inputs, _ = product_shape(network, op)
    unpacked = triple_bytes(inputs)
    windows = 2 * block_outputs(network, op) * inputs
    return unpacked + windows + zero_point_bytes(network, op) + TO_A_WORD


def _windows_effort(network: Network, op: Conv2D) -> float:
    """Those of packed weights, for blocks of which the last computes some again, and unpacking for each."""
    pixels, inputs, outputs = product_shape(network, op)
    block = block_outputs(network, op)
    blocks = -(-pixels // block)
    return blocks * (block / pixels * window_effort(network, op) + 2.0 * inputs * outputs)


def _windows_lag(network: Network, op: Conv2D) -> int:
    return block_lag(*window_axes(network, op), *in_and_out(network, op), block_outputs(network, op))


def _pixels_scratch(network: Network, op: Conv2D) -> int:
    """A triple's unpacked constants, and a block's pixels."""
    _, inputs, _ = product_shape(network, op)
    unpacked = triple_bytes(inputs)
    pairs = -(-block_pixels(network, op) // 2)
    return unpacked + 4 * pairs * inputs + TO_A_WORD


def _pixels_effort(network: Network, op: Conv2D) -> float:
    """Those of packed weights, for blocks of which the last computes some again, and unpacking for each."""
    pixels, inputs, outputs = product_shape(network, op)
    block = block_pixels(network, op)
    blocks = -(-pixels // block)
    return blocks * (block / pixels * lane_effort(network, op) + 2.0 * inputs * outputs)


def _pixels_lag(network: Network, op: Conv2D) -> int:
    return group_lag(*window_axes(network, op), *in_and_out(network, op), block_pixels(network, op))


def _group_scratch(network: Network, op: Conv2D, size: int) -> int:
    """Two outputs' transformed weights with the ends of rounds and both channels' numbers; a group's tiles
    with where their outputs go."""
    positions, pairs = (size + 2) ** 2, group_tiles(network, op, size) // 2
    position_bytes = 4 * network.shape(op.inputs[0])[3]
    weights = positions * (position_bytes + 4) + 2 * 4 * WINOGRAD_WORDS
    return weights + pairs * (positions * position_bytes + 8) + TO_A_WORD


def _group_constants(network: Network, op: Conv2D) -> int:
    """Of an odd number of channels the last is paired with nothing."""
    _, inputs, outputs = product_shape(network, op)
    return (outputs + outputs % 2) * (inputs + 4 * WINOGRAD_WORDS)


def _group_effort(network: Network, op: Conv2D, size: int) -> float:
    """Beside those of transformed weights, transforming them for each group."""
    return tile_effort(network, op, size) + weights_transformed(network, op, size) * _TRANSFORM_EFFORT[size]


def _group_lag(network: Network, op: Conv2D, size: int) -> int:
    tiles = group_tiles(network, op, size)
    return tile_lag(*window_axes(network, op), *in_and_out(network, op), size, tiles)


ARMV7E_M_BYTE_KERNELS = (
    *(
        generated(
            f"winograd_{size}x{size}_bytes",
            Conv2D,
            condition=partial(in_tiles, size=size),
            constants_bytes=_group_constants,
            lag_bytes=partial(_group_lag, size=size),
            scratch_bytes=partial(_group_scratch, size=size),
            effort=partial(_group_effort, size=size),
        )
        for size in (4, 2)
    ),
    generated(
        "conv_blocks",
        Conv2D,
        condition=window_in_lanes,
        constants_bytes=partial(lane_constants, weights=WeightStorage.BYTES),
        lag_bytes=_windows_lag,
        scratch_bytes=_windows_scratch,
        effort=_windows_effort,
    ),
    generated(
        "conv_rows",
        Conv2D,
        condition=_short_windows,
        constants_bytes=partial(lane_constants, weights=WeightStorage.BYTES),
        lag_bytes=_rows_lag,
        scratch_bytes=_rows_scratch,
        effort=_rows_effort,
    ),
    generated(
        "pointwise_blocks",
        Conv2D,
        condition=pointwise_in_lanes,
        constants_bytes=partial(lane_constants, weights=WeightStorage.BYTES),
        lag_bytes=_pixels_lag,
        scratch_bytes=_pixels_scratch,
        effort=_pixels_effort,
    ),
)
