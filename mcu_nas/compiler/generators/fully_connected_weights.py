"""The constants of a generated fully connected layer: start values and weights, in the order of the loop.

fully_connected.py documents the layout, and the bounds that are checked here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mcu_nas.compiler.generators.generated import Refusal
from mcu_nas.compiler.generators.requantization import Requantization
from mcu_nas.compiler.target import WeightStorage

BLOCK = 8  # inputs of an unrolled step


@dataclass(frozen=True)
class FullyConnectedLayer:
    """What a fully connected layer computes, and how its kernel holds the weights.

    Attributes:
        weights: int8 (outputs, inputs), TFLite's layout.
        bias: int64 (outputs,), without the input's zero point.
    """

    weights: np.ndarray
    bias: np.ndarray
    input_zero_point: int
    requantization: Requantization
    weight_storage: WeightStorage


def folded_bias(layer: FullyConnectedLayer) -> np.ndarray:
    """The bias with the input's zero point in it: int64 (outputs,)."""
    return layer.bias.astype(np.int64) - layer.input_zero_point * layer.weights.sum(axis=1, dtype=np.int64)


def check_pairs(layer: FullyConnectedLayer, largest: np.ndarray) -> None:
    """Raises Refusal where a pair's second sum, or a pair's lane, may leave its register."""
    if layer.weight_storage is WeightStorage.WIDE:
        return
    pairs = len(layer.weights) // 2 * 2
    if largest[1:pairs:2].max(initial=0) >= 2**23:
        raise Refusal(f"output {1 + 2 * largest[1:pairs:2].argmax()}: 256 times its sum may leave 32 bits")
    first, second = layer.weights[0:pairs:2], layer.weights[1:pairs:2]
    beyond = ((second == -128) & (first < 0)).any(axis=1)
    if beyond.any():
        raise Refusal(f"output {1 + 2 * beyond.argmax()}: a weight of -128 beside a negative one")


def group_words(layer: FullyConnectedLayer, outputs: slice, width: int) -> np.ndarray:
    """Start values and weights of a group, its inputs filled up to ``width`` with zeros.

    int64 (words,), of which the lowest 32 bits are the constants.
    """
    weights = np.zeros((outputs.stop - outputs.start, width), np.int64)
    weights[:, : layer.weights.shape[1]] = layer.weights[outputs]
    bias = folded_bias(layer)[outputs]
    if layer.weight_storage is WeightStorage.WIDE:
        starts, strands = 2 * bias, [_lanes(2 * row) for row in weights]
    else:
        starts, strands = bias.copy(), []
        for first in range(0, len(weights) - 1, 2):
            starts[first + 1] = bias[first] + 256 * bias[first + 1]
            strands.append(_lanes(weights[first] + 256 * weights[first + 1]))
        if len(weights) % 2:
            strands.append(np.frombuffer(weights[-1].astype(np.int8).tobytes(), "<u4").astype(np.int64))
    return np.concatenate([starts, _block_by_block(strands, width)])


def _lanes(values: np.ndarray) -> np.ndarray:
    """int16 values (4 n,) as the words (v0, v2), (v1, v3), (v4, v6), ...: int64 (2 n,)."""
    even, odd = values.reshape(-1, 2, 2).transpose(2, 0, 1)  # (n, 2) each: v0 v2, v1 v3
    words = [(pair[:, 0] & 0xFFFF) + ((pair[:, 1] & 0xFFFF) << 16) for pair in (even, odd)]
    return np.stack(words, axis=1).reshape(-1)


def _block_by_block(strands: list[np.ndarray], width: int) -> np.ndarray:
    """Words of several strands over the same inputs, interleaved by blocks of inputs."""
    steps = range(0, width, BLOCK)
    return np.concatenate(
        [
            strand[len(strand) * start // width : len(strand) * min(start + BLOCK, width) // width]
            for start in steps
            for strand in strands
        ]
    )
