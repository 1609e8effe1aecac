"""The ``effort`` of kernels generated in ARMv7E-M assembly: instructions of one inference, by shape alone.

Good enough to tell which kernel of an operator is fastest. Fitted to what benchmarks/kernels counts: within
a few percent where a ReLU hides how ties round; where they show, all kernels take more. A test holds the
choices against the counts. What a search counts with is measured (latency_features.py).
"""

from __future__ import annotations

import math

from mcu_nas.compiler.generators.lane_segments import LANES, LONGEST_UNROLLED
from mcu_nas.network import Network, WindowAxis, op_macs, window_axes
from mcu_nas.operators import Conv2D, DepthwiseConv2D, FullyConnected, Op

_PIECE_INPUTS = 84  # whose sums fit the highest lanes with weights as training leaves them (lane_segments.py)


def product_shape(network: Network, op: Op) -> tuple[int, int, int]:
    """A convolution as a product of matrices: output pixels, values of a window, output channels."""
    _, height, width, outputs = network.shape(op.outputs[0])
    return height * width, math.prod(network.shape(op.inputs[1])[1:]), outputs


def winograd_tiles(network: Network, op: Op, size: int) -> int:
    """Tiles of ``size`` x ``size`` outputs, an even number."""
    _, height, width, _ = network.shape(op.outputs[0])
    tiles = -(-height // size) * -(-width // size)
    return tiles + tiles % 2


def lane_triples(outputs: int) -> tuple[int, int]:
    """Triples of output channels, the last of 3n + 2 overlapping; and 1 where one channel remains, else 0."""
    rest = outputs % LANES
    return outputs // LANES + (rest == 2), int(rest == 1)


def pair_effort(inputs: int, outputs: int) -> float:
    """All outputs of two pixels: of three channels 2.75 instructions an input, what a block takes beside,
    and more where the inputs are cut into segments or pieces; of one channel alone less."""
    triples, alone = lane_triples(outputs)
    cuts, in_pieces = -(-inputs // LONGEST_UNROLLED) - 1, inputs > _PIECE_INPUTS
    of_triple = 2.75 * inputs + 38 + 28 * cuts + 9 * in_pieces
    return triples * of_triple + alone * (1.6 * inputs + 20 + 10 * cuts)


def lane_effort(network: Network, op: Conv2D) -> float:
    """Gathering two pixels, and their outputs."""
    pixels, inputs, outputs = product_shape(network, op)
    return -(-pixels // 2) * (_gathered(inputs) + 27 + pair_effort(inputs, outputs))


def window_effort(network: Network, op: Conv2D) -> float:
    """Finding and gathering two windows, row by row inside the image, else tap by tap, and their outputs."""
    pixels, inputs, outputs = product_shape(network, op)
    _, rows, columns, channels = network.shape(op.inputs[1])
    pairs, inside = -(-pixels // 2), _pairs_inside(*window_axes(network, op))
    by_row = inside * rows * _gathered(columns * channels)
    by_tap = (pairs - inside) * rows * columns * (32 + _gathered(channels))
    return by_row + by_tap + pairs * (90 + pair_effort(inputs, outputs))


def _gathered(values: int) -> int:
    """Two runs of bytes as words: four of each at once, the rest one by one."""
    return 13 * (values // 4) + 4 * (values % 4)


def _pairs_inside(rows: WindowAxis, columns: WindowAxis) -> float:
    """Pairs of neighbours in a row of outputs whose windows lie in the image."""
    (first_row, last_row), (first, last) = _inside(rows), _inside(columns)
    whole_rows = max(last_row - first_row + 1, 0)
    if columns.outputs % 2:  # pairs begin at an even column in every other row
        return whole_rows * max(last - first, 0) / 2
    return whole_rows * max((last + 1) // 2 - (first + 1) // 2, 0)


def _inside(axis: WindowAxis) -> tuple[int, int]:
    """The first and the last output whose taps lie in the image."""
    first = -(-axis.before // axis.stride)
    return first, min((axis.size - axis.taps + axis.before) // axis.stride, axis.outputs - 1)


def tile_effort(network: Network, op: Conv2D, size: int) -> float:
    """Products of the tiles, their transforms on either side, and the loops over them."""
    _, _, outputs = product_shape(network, op)
    inputs = network.shape(op.inputs[0])[3]
    product, source, sums, loops = (0.156, 145, 244, 133) if size == 4 else (0.278, 49, 70, 44)
    products = product * size**2 * 9 * inputs * outputs
    return winograd_tiles(network, op, size) * (products + source * inputs + sums * outputs + loops)


def planes_effort(
    network: Network, op: DepthwiseConv2D, planes: int, per_value: float, per_channel: float
) -> float:
    """Products, outputs and rows of them; writing so many planes at a time, value by value; what a channel
    takes beside."""
    _, height, width, channels = network.shape(op.inputs[0])
    _, rows, columns, _ = network.shape(op.outputs[0])
    written = -(-channels // planes) * planes * height * width
    computed = 0.72 * op_macs(network, op) + channels * rows * (4.2 * columns + 5)
    return computed + per_value * written + per_channel * channels


def vector_effort(network: Network, op: FullyConnected, per_mac: float, per_output: float) -> float:
    """Products, outputs, and widening the input."""
    outputs, inputs = network.shape(op.inputs[1])
    return per_mac * inputs * outputs + per_output * outputs + 1.4 * inputs + 10
