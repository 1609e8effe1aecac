"""Which channels of an operator's output come from which channel of its inputs.

A channel is a position of an activation's last axis. A depthwise convolution, a pool or a sum takes each
output channel from its own input channels: where one goes, the others go with it. Convolutions and fully
connected layers mix their input's channels, so that each side is free; MixedChannels is what passes need to
know of their weights.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import get_args

import numpy as np

from mcu_nas.graph import Graph
from mcu_nas.network import Network, window_axes
from mcu_nas.operators import (
    Add,
    AveragePool2D,
    Concatenation,
    Conv2D,
    DepthwiseConv2D,
    Elementwise,
    FullyConnected,
    MaxPool2D,
    Mean,
    Mul,
    Op,
    Pad,
    Reshape,
    ResizeNearestNeighbor,
    Sub,
)

_INT32_LIMIT = 2**31
_BY_CHANNEL = (
    Add,
    Sub,
    Mul,
    Mean,
    AveragePool2D,
    MaxPool2D,
    Pad,
    ResizeNearestNeighbor,
    *get_args(Elementwise),
)


@dataclass(frozen=True)
class ChannelLink:
    """Channels of one input and, at the same positions, the output channels that read them."""

    source: int
    source_channels: np.ndarray
    output_channels: np.ndarray


@dataclass(frozen=True)
class MixedChannels:
    """Weights of a convolution or fully connected layer.

    ``weights`` int8 (O, taps, I). ``reads`` bool (O, I): whether any tap is not 0.
    ``pads``: some windows reach into the padding, where an input channel counts as its zero point.
    """

    weights: np.ndarray
    reads: np.ndarray
    pads: bool

    def products(self, channels: np.ndarray, values: np.ndarray) -> np.ndarray:
        """What constant input channels, chosen by a bool for each and of these values, add: int64 (O,)."""
        return np.einsum("oti,i->o", self.weights[:, :, channels], values, dtype=np.int64)


def channel_links(graph: Graph, op: Op) -> tuple[ChannelLink, ...] | None:
    """The links of an operator that keeps channels apart; None for one that does not, or that is not
    understood here.
    """
    network = graph.network
    (output,) = op.outputs
    channels = np.arange(network.shape(output)[-1])
    match op:
        case DepthwiseConv2D():
            source = op.inputs[0]
            return (ChannelLink(source, channels // (len(channels) // network.shape(source)[-1]), channels),)
        case Reshape():
            return _reshape_links(network, op.inputs[0], channels)
        case Concatenation() if op.axis == len(network.shape(output)) - 1:
            return _joined_links(network, op)
        case Pad() if any(op.amounts[-1]):
            return None
        case Mean() if not _over_the_image(graph, op):
            return None
    sources = op.inputs[:1] if isinstance(op, Mean | Pad | ResizeNearestNeighbor) else op.inputs
    sound = all(t not in network.constants and network.shape(t)[-1] == len(channels) for t in sources)
    if not sound or not isinstance(op, _BY_CHANNEL):
        return None
    return tuple(ChannelLink(source, channels, channels) for source in sources)


def mixed_channels(graph: Graph, op: Conv2D | FullyConnected) -> MixedChannels | None:
    """The weights of a layer that mixes channels; None where a sum could leave int32 (TFLM wraps there, the
    compiler refuses).
    """
    channels = graph.network.shape(op.inputs[0])[-1]
    weights = graph.constants[op.inputs[1]]
    by_tap = weights.reshape(len(weights), -1, channels)  # (O, taps, I)
    if not sums_fit_int32(graph.constants[op.inputs[2]], by_tap.reshape(len(by_tap), -1)):
        return None
    reads = (by_tap != 0).any(axis=1)
    return MixedChannels(by_tap, reads, meets_padding(graph.network, op))


def sums_fit_int32(bias: np.ndarray, weights: np.ndarray) -> bool:
    """Whether no input whatever, folded into the bias or not, takes a sum out of int32. weights (O, taps)."""
    reach = np.abs(weights).view(np.uint8).sum(axis=1, dtype=np.int64)  # abs(-128) has the bits of 128
    return bool((np.abs(bias.astype(np.int64)) + 255 * reach).max() < _INT32_LIMIT)


def meets_padding(network: Network, op: Op) -> bool:
    """Whether an operator's windows reach beyond its input."""
    if not isinstance(op, Conv2D | DepthwiseConv2D):
        return False
    return any(axis.before or axis.after for axis in window_axes(network, op))


def _over_the_image(graph: Graph, op: Mean) -> bool:
    """Whether a mean is that over height and width."""
    axes = graph.constants[op.inputs[1]].reshape(-1)
    return len(graph.network.shape(op.inputs[0])) == 4 and sorted((axes % 4).tolist()) == [1, 2]


def _reshape_links(network: Network, source: int, channels: np.ndarray) -> tuple[ChannelLink, ...] | None:
    """Whole pixels joined into one row, or a row cut into pixels: channels repeat."""
    before, after = network.shape(source)[-1], len(channels)
    if after % before == 0:
        return (ChannelLink(source, channels % before, channels),)
    if before % after == 0:
        return (ChannelLink(source, np.arange(before), np.arange(before) % after),)
    return None


def _joined_links(network: Network, op: Concatenation) -> tuple[ChannelLink, ...] | None:
    if any(t in network.constants for t in op.inputs):
        return None
    widths = [network.shape(t)[-1] for t in op.inputs]
    starts = np.cumsum([0, *widths[:-1]])
    return tuple(
        ChannelLink(source, np.arange(width), start + np.arange(width))
        for source, width, start in zip(op.inputs, widths, starts, strict=True)
    )


def pixels(network: Network, tensor: int) -> int:
    """Positions of an activation that each hold all channels."""
    return math.prod(network.shape(tensor)[:-1])
