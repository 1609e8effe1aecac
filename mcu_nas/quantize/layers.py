"""The operators with weights, and where theirs lie."""

from __future__ import annotations

from mcu_nas.operators import DepthwiseConv2D, TransposeConv, Weighted


def channel_axis(op: Weighted) -> int:
    """The axis of a layer's weights along which its output channels lie."""
    return 3 if isinstance(op, DepthwiseConv2D) else 0


def with_inputs(op: Weighted, activation: int, weights: int, bias: int) -> tuple[int, ...]:
    """The inputs of a layer like ``op`` with these tensors, in TFLite's order."""
    if isinstance(op, TransposeConv):
        return op.inputs[0], weights, activation, bias
    return activation, weights, bias
