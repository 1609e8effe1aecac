"""Removal of channels that carry nothing: constant ones, and those that nobody reads.

A constant channel's share in its consumer's sums is a constant, which moves into the consumer's bias; a
channel that nobody reads needs no replacement. Channels that operators tie together (channel_links.py) go
together or stay: a residual's, for instance, only where every block of the stage can do without it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mcu_nas.compiler.passes.channel_groups import ChannelGroups
from mcu_nas.compiler.passes.channel_links import (
    ChannelLink,
    MixedChannels,
    channel_links,
    mixed_channels,
    sums_fit_int32,
)
from mcu_nas.compiler.passes.channel_slicing import without_channels
from mcu_nas.compiler.passes.constant_channels import VARIES, Constants, constant_channels, foldable
from mcu_nas.graph import Graph
from mcu_nas.operators import Conv2D, DepthwiseConv2D, FullyConnected, Op

MAX_CHANNELS = 500_000  # of all activations together; each takes 50 bytes here

_Masks = dict[int, np.ndarray]  # per activation, a bool for each channel


def dead_channels(graph: Graph) -> Graph:
    """The graph without its dead channels; the graph itself where there are none, or more than MAX_CHANNELS
    channels at all: a microcontroller's models have some ten thousand.

    Network inputs and outputs are never changed, and a channel remains in every activation.
    """
    network = graph.network
    if sum(network.shape(tensor)[-1] for tensor in network.lifetimes) > MAX_CHANNELS:
        return graph
    values = constant_channels(graph)
    views = [_View(graph, op) for op in network.ops]
    needed = _needed(graph, views, values)
    removed = _removable(graph, views, values, needed)
    if not any(mask.any() for mask in removed.values()):
        return graph
    return without_channels(graph, removed, values)


class _View:
    """How an operator treats channels: ``links``, or weights that mix them, or neither: it is left alone."""

    def __init__(self, graph: Graph, op: Op) -> None:
        self.links: tuple[ChannelLink, ...] = ()
        self.mixed: MixedChannels | None = None
        if isinstance(op, Conv2D | FullyConnected):
            self.mixed = mixed_channels(graph, op)
        elif not isinstance(op, DepthwiseConv2D) or _depthwise_fits(graph, op):
            self.links = channel_links(graph, op) or ()

    @property
    def opaque(self) -> bool:
        return not self.links and self.mixed is None


def _depthwise_fits(graph: Graph, op: DepthwiseConv2D) -> bool:
    weights = graph.constants[op.inputs[1]]
    return sums_fit_int32(graph.constants[op.inputs[2]], weights.reshape(-1, weights.shape[-1]).T)


def _needed(graph: Graph, views: Sequence[_View], values: Constants) -> _Masks:
    """Whether a channel's value reaches an output of the network.

    What a constant channel was computed from does not: the constant stays whatever the rest becomes.
    """
    network = graph.network
    needed = {tensor: np.zeros(len(values[tensor]), bool) for tensor in values}
    for tensor in network.outputs:
        needed[tensor][:] = True
    for op, view in zip(reversed(network.ops), reversed(views), strict=True):
        asked = _asked(op, values, needed)
        if view.mixed is not None:
            needed[op.inputs[0]] |= view.mixed.reads[asked].any(axis=0)
        for link in view.links:
            reads = asked[link.output_channels]
            if isinstance(op, DepthwiseConv2D):
                weights = graph.constants[op.inputs[1]]
                reads = reads & (weights != 0).reshape(-1, weights.shape[-1]).any(axis=0)
            needed[link.source][link.source_channels[reads]] = True
        if view.opaque:
            for tensor in network.activations_in(op):
                needed[tensor][:] = True
    return needed


def _asked(op: Op, values: Constants, needed: _Masks) -> np.ndarray:
    """Output channels of an operator that somebody needs and that are not constant."""
    return needed[op.outputs[0]] & (values[op.outputs[0]] == VARIES)


def _removable(graph: Graph, views: Sequence[_View], values: Constants, needed: _Masks) -> _Masks:
    """The channels that go: those of which no tied channel has to stay."""
    network = graph.network
    stays = {tensor: np.zeros(len(row), bool) for tensor, row in values.items()}
    groups = ChannelGroups({tensor: len(row) for tensor, row in values.items()})
    for tensor in (*network.inputs, *network.outputs):
        stays[tensor][:] = True
    for op, view in zip(network.ops, views, strict=True):
        if view.mixed is not None:
            source = op.inputs[0]
            read = view.mixed.reads[_asked(op, values, needed)].any(axis=0)
            stays[source] |= read & ~foldable(graph, op, values[source])
        for link in view.links:
            groups.tie((link.source, link.source_channels), (op.outputs[0], link.output_channels))
        if view.opaque:
            for tensor in (*network.activations_in(op), *op.outputs):
                stays[tensor][:] = True
    stays = groups.spread(stays)
    for op in network.ops:
        mask = stays[op.outputs[0]]
        missing = _fewest_channels(graph, op) - int(mask.sum())
        if missing > 0:
            mask[np.flatnonzero(~mask)[:missing]] = True
            stays = groups.spread(stays)
    return {tensor: ~mask for tensor, mask in stays.items()}


def _fewest_channels(graph: Graph, op: Op) -> int:
    """Output channels that must remain: with one weight scale FULLY_CONNECTED multiplies otherwise."""
    if isinstance(op, FullyConnected) and len(graph.quantization[op.inputs[1]].scales) > 1:
        return 2
    return 1
