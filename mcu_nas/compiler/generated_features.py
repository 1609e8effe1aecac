"""How often the loops of generated kernels run, in the shape of LATENCY_FEATURES (latency_features.py).

Their names mean here: ``call`` one call; ``pixel`` what is read and rearranged once, whatever the number of
output channels; ``output`` blocks of outputs; ``window_row`` rows or pairs of pixels, the outer loops, or
weights that are transformed at run time; ``mac`` multiplications with what fills up lanes and tiles.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from mcu_nas.compiler.armv7em_byte_kernels import (
    block_outputs,
    block_pixels,
    block_rows,
    input_rows,
    row_words,
    weights_transformed,
)
from mcu_nas.compiler.armv7em_efforts import lane_triples, product_shape, winograd_tiles
from mcu_nas.compiler.armv7em_pairs import wide_inputs
from mcu_nas.compiler.generators.formats import Format
from mcu_nas.compiler.kernel import Kernel
from mcu_nas.compiler.target import WeightStorage
from mcu_nas.network import Network
from mcu_nas.operators import AveragePool2D, Conv2D, DepthwiseConv2D, FullyConnected, Mean, Op

_Features = tuple[float, float, float, float, float]
_QUAD = 4  # channels of a word


def generated_features(network: Network, op: Op, kernel: Kernel) -> tuple[float, ...]:
    """The quantities of LATENCY_FEATURES of one layer in a generated kernel."""
    if kernel.reads is Format.PAIRS and isinstance(op, Conv2D):
        return _from_pairs(network, op, kernel.weights)
    if kernel.reads is Format.PLANES and isinstance(op, DepthwiseConv2D):
        call, _, *others = _FEATURES[kernel.name](network, op)
        return (call, 0.0, *others)
    return _FEATURES[kernel.name](network, op)


def _blocks(outputs: int) -> float:
    """Triples of output channels; one channel alone has half of a triple's products and weights."""
    triples, alone = lane_triples(outputs)
    return triples + alone / 2


def _lanes(network: Network, op: Conv2D) -> _Features:
    """Pairs of pixels: gathered, then triples of channels."""
    pixels, inputs, outputs = product_shape(network, op)
    pairs, triples = -(-pixels // 2), _blocks(outputs)
    return (1.0, pairs * inputs, pairs * triples, pairs, pairs * triples * inputs)


def _from_pairs(network: Network, op: Conv2D, weights: WeightStorage) -> _Features:
    """Pairs that are there; weights of one byte are unpacked once: counted with the gathering."""
    pixels, inputs, outputs = product_shape(network, op)
    pairs, triples = -(-pixels // 2), _blocks(outputs)
    unpacked = triples if weights is WeightStorage.BYTES else 0.0
    return (1.0, 2 * unpacked * inputs, pairs * triples, pairs + unpacked, pairs * triples * inputs)


def _pairs(network: Network, op: Conv2D) -> _Features:
    """Pairs of pixels: widened, then channel by channel."""
    pixels, inputs, outputs = product_shape(network, op)
    pairs, wide = pixels / 2, wide_inputs(inputs)
    return (1.0, pairs * wide, pairs * outputs, pairs, pairs * outputs * wide)


def _blocks_of(size: Callable[[Network, Conv2D], int]) -> Callable[[Network, Conv2D], _Features]:
    """Besides, each triple is unpacked for each block: counted with the gathering."""

    def features(network: Network, op: Conv2D) -> _Features:
        pixels, inputs, outputs = product_shape(network, op)
        block, triples = size(network, op), _blocks(outputs)
        blocks = -(-pixels // block)
        pairs = blocks * -(-block // 2)
        rearranged = pairs * inputs + 2 * blocks * triples * inputs
        return (1.0, rearranged, pairs * triples, pairs + blocks * triples, pairs * triples * inputs)

    return features


def _tiles_of(size: int) -> Callable[[Network, Conv2D], _Features]:
    def features(network: Network, op: Conv2D) -> _Features:
        tiles = float(winograd_tiles(network, op, size))
        inputs, outputs = network.shape(op.inputs[0])[3], network.shape(op.outputs[0])[3]
        return (1.0, tiles * inputs, tiles * outputs, tiles, tiles * inputs * outputs)

    return features


def _planes_of(widened: int) -> Callable[[Network, DepthwiseConv2D], _Features]:
    """So many channels at a time are widened; then rows of outputs, channel by channel."""

    def features(network: Network, op: DepthwiseConv2D) -> _Features:
        _, height, width, channels = network.shape(op.inputs[0])
        _, out_height, out_width, _ = network.shape(op.outputs[0])
        taps = math.prod(network.shape(op.inputs[1])[1:3])
        values = -(-channels // widened) * widened * height * width
        outputs = float(channels * out_height * out_width)
        return (1.0, values, outputs, channels * out_height, outputs * taps)

    return features


def _groups_of(size: int) -> Callable[[Network, Conv2D], _Features]:
    """As ``_tiles_of``, but where that counts tiles, weights that are transformed."""
    tiles = _tiles_of(size)

    def features(network: Network, op: Conv2D) -> _Features:
        call, pixel, output, _, mac = tiles(network, op)
        return (call, pixel, output, weights_transformed(network, op, size), mac)

    return features


def _rows(network: Network, op: Conv2D) -> _Features:
    """Input rows are packed for each block of rows of outputs: counted with the gathering; where they are
    kept as bytes, windows are packed as by blocks."""
    width = network.shape(op.outputs[0])[2]
    rows = block_rows(network, op)
    blocks = -(-network.shape(op.outputs[0])[1] // rows)
    _, inputs, outputs = product_shape(network, op)
    count, _ = input_rows(network, op, rows)
    pairs, triples = blocks * rows * width // 2, _blocks(outputs)
    packed = blocks * count * row_words(network, op) or pairs * inputs
    rearranged = packed + 2 * blocks * triples * inputs
    return (1.0, rearranged, pairs * triples, pairs + blocks * count, pairs * triples * inputs)


def _vector(network: Network, op: FullyConnected) -> _Features:
    outputs, inputs = network.shape(op.inputs[1])
    groups = outputs // 4 + outputs % 4
    return (1.0, inputs, outputs, groups, outputs * -(-inputs // 4) * 4)


def _elements(network: Network, op: Op) -> _Features:
    return (1.0, 0.0, float(math.prod(network.shape(op.outputs[0]))), 0.0, 0.0)


def _channel_sums(network: Network, op: AveragePool2D | Mean) -> _Features:
    """Four channels at a time: words that are added, then outputs."""
    _, height, width, channels = network.shape(op.inputs[0])
    quads = -(-channels // _QUAD)
    return (1.0, 0.0, quads, 0.0, quads * height * width)


_FEATURES: Mapping[str, Callable[[Network, Any], _Features]] = {
    "winograd_4x4": _tiles_of(4),
    "winograd_2x2": _tiles_of(2),
    "pointwise_lanes": _lanes,
    "conv_lanes": _lanes,
    "pointwise_pairs": _pairs,
    "pointwise_pairs_bytes": _pairs,
    "winograd_4x4_bytes": _groups_of(4),
    "winograd_2x2_bytes": _groups_of(2),
    "conv_blocks": _blocks_of(block_outputs),
    "conv_rows": _rows,
    "pointwise_blocks": _blocks_of(block_pixels),
    "depthwise_planes": _planes_of(_QUAD),
    "depthwise_plane": _planes_of(1),
    "fully_connected_wide": _vector,
    "fully_connected_bytes": _vector,
    "add_words": _elements,
    "global_average": _channel_sums,
    "global_mean": _channel_sums,
}
