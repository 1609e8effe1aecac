"""The operators with weights, and where theirs lie."""

from __future__ import annotations

from mcu_nas.operators import Conv2D, DepthwiseConv2D, FullyConnected, TransposeConv

Weighted = Conv2D | DepthwiseConv2D | FullyConnected | TransposeConv


def channel_axis(op: Weighted) -> int:
    """The axis of a layer's weights along which its output channels lie."""
    return 3 if isinstance(op, DepthwiseConv2D) else 0


def layer_inputs(op: Weighted) -> tuple[int, int, int]:
    """A layer's activation, weights and bias."""
    if isinstance(op, TransposeConv):
        _, weights, activation, bias = op.inputs
        return activation, weights, bias
    activation, weights, bias = op.inputs
    return activation, weights, bias


def with_inputs(op: Weighted, activation: int, weights: int, bias: int) -> tuple[int, ...]:
    """The inputs of a layer like ``op`` with these tensors, in TFLite's order."""
    if isinstance(op, TransposeConv):
        return op.inputs[0], weights, activation, bias
    return activation, weights, bias
