"""Weights as training leaves them, for networks that nobody has trained.

What kernels cost depends on the sums of weights. Normal, with the largest of each channel at 127: in
ResNet-8 and DS-CNN of MLPerf Tiny a convolution's |weight| is 36 and 41 on average, drawn so 38 and 41.
Uniform ones are 64, and cut the three-lane kernels' sums into segments that no trained network needs.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.random import Generator

from mcu_nas.graph import Graph
from mcu_nas.operators import Conv2D, DepthwiseConv2D, FullyConnected


def with_trained_weights(graph: Graph, rng: Generator) -> Graph:
    """The graph with such weights in its convolutions and fully connected layers."""
    constants = dict(graph.constants)
    for op in graph.network.ops:
        if isinstance(op, (Conv2D, DepthwiseConv2D, FullyConnected)):
            channels = 3 if isinstance(op, DepthwiseConv2D) else 0
            weights = rng.normal(size=graph.network.shape(op.inputs[1]))
            others = tuple(axis for axis in range(weights.ndim) if axis != channels)
            largest = np.abs(weights).max(axis=others, keepdims=True)
            constants[op.inputs[1]] = np.rint(127 * weights / largest).astype(np.int8)
    return replace(graph, constants=constants)
