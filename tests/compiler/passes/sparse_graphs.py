"""Random graphs with channels that carry nothing, as pruning and over-training leave them."""

from __future__ import annotations

import dataclasses

import numpy as np
from hypothesis import strategies as st

from mcu_nas.graph import Graph
from mcu_nas.operators import Activation, Conv2D, DepthwiseConv2D, FullyConnected, Padding
from tests.graphs import GraphMaker, graphs

BIASES = (-(2**30), -(2**20), -3000, 0, 3000, 2**20, 2**30)


def zeroed(graph: Graph, rng: np.random.Generator, share: float) -> Graph:
    """Some output channels without weights and with any bias, and some input channels that nobody reads."""
    constants = dict(graph.constants)
    for op in graph.network.ops:
        if isinstance(op, Conv2D | DepthwiseConv2D | FullyConnected):
            weights, bias = (constants[tensor].copy() for tensor in op.inputs[1:])
            channels = np.moveaxis(weights, 3 if isinstance(op, DepthwiseConv2D) else 0, 0)
            dead = rng.random(len(bias)) < share
            channels[dead] = 0
            bias[dead] = rng.choice(BIASES, dead.sum())
            if not isinstance(op, DepthwiseConv2D):
                taken = graph.network.shape(op.inputs[0])[-1]
                weights.reshape(len(weights), -1, taken)[..., rng.random(taken) < share / 2] = 0
            constants[op.inputs[1]], constants[op.inputs[2]] = weights, bias
    return dataclasses.replace(graph, constants=constants)


@st.composite
def sparse_graphs(draw: st.DrawFn) -> Graph:
    """Any graph of tests/graphs.py, with dead channels."""
    graph = draw(graphs(max_ops=8))
    return zeroed(graph, np.random.default_rng(draw(st.integers(0, 2**32 - 1))), draw(st.floats(0.2, 0.9)))


@st.composite
def sparse_residual_stages(draw: st.DrawFn) -> Graph:
    """MBConv blocks with residuals, a head, and a classifier of two layers, with dead channels."""
    seed = draw(st.integers(0, 2**32 - 1))
    maker = GraphMaker(seed)
    x = source = maker.activation("pixels", (1, draw(st.integers(3, 7)), draw(st.integers(3, 7)), 3))
    x = maker.conv(x, draw(st.integers(2, 8)), (3, 3), (2, 2), activation=Activation.RELU6)
    for _ in range(draw(st.integers(1, 3))):
        channels = maker.tensors[x].shape[3]
        expanded = maker.conv(x, draw(st.integers(2, 12)), (1, 1), activation=Activation.RELU6)
        kernel, padding = ((3, 3), Padding.SAME) if draw(st.booleans()) else ((1, 1), Padding.VALID)
        y = maker.depthwise(expanded, draw(st.integers(1, 2)), kernel, padding=padding)
        y = maker.conv(y, channels, (1, 1))
        x = maker.add(x, y, draw(st.sampled_from(Activation)))
    head = draw(st.sampled_from(["mean", "pool", "reshape", "nothing"]))
    height, width, channels = maker.tensors[x].shape[1:]
    if head == "mean":
        x = maker.mean(x)
    elif head == "pool":
        x = maker.reshape(maker.pool(x, (height, width)), (1, channels))
    elif head == "reshape":
        x = maker.reshape(x, (1, height * width * channels))
    x = maker.fully_connected(x, 5, draw(st.booleans()))
    x = maker.fully_connected(x, 3)
    return zeroed(maker.graph((source,), (x,)), np.random.default_rng(seed), draw(st.floats(0.2, 0.9)))
