"""MACs and weight bytes: what a layer computes and what it carries, as publications count them.

A MAC is one multiplication by a weight; taps that fall into the padding count, additions and averages
do not. (What a kernel really executes is the business of compiler/catalogue.py's latency features.)
"""

from __future__ import annotations

import math

from mcu_nas.network import Conv2D, DepthwiseConv2D, FullyConnected, Network, Op


def op_macs(network: Network, op: Op) -> int:
    """MACs of one operator."""
    match op:
        case Conv2D() | FullyConnected():
            _, *taps = network.shape(op.inputs[1])
            return math.prod(network.shape(op.outputs[0])) * math.prod(taps)
        case DepthwiseConv2D():
            _, height, width, _ = network.shape(op.inputs[1])
            return math.prod(network.shape(op.outputs[0])) * height * width
        case _:
            return 0


def network_macs(network: Network) -> int:
    """MACs of one inference."""
    return sum(op_macs(network, op) for op in network.ops)


def op_weight_bytes(network: Network, op: Op) -> int:
    """Bytes of an operator's weights, without biases and multipliers."""
    match op:
        case Conv2D() | DepthwiseConv2D() | FullyConnected():
            return network.tensors[op.inputs[1]].bytes
        case _:
            return 0


def network_weight_bytes(network: Network) -> int:
    """Bytes of all weights, without biases and multipliers."""
    return sum(op_weight_bytes(network, op) for op in network.ops)
