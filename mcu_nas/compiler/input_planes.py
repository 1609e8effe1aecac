"""PLANES between operators: those that a depthwise convolution reads, with the border of its windows."""

from __future__ import annotations

from mcu_nas.compiler.generators.formats import Planes
from mcu_nas.network import Network, window_axes
from mcu_nas.operators import DepthwiseConv2D


def input_planes(network: Network, op: DepthwiseConv2D, zero_point: int = 0) -> Planes:
    """int16 planes of its input; ``zero_point``: the input's, which the border holds."""
    rows, columns = window_axes(network, op)
    below, right = (
        max((axis.outputs - 1) * axis.stride + axis.taps - axis.before - axis.size, 0)
        for axis in (rows, columns)
    )
    return Planes(
        channels=network.shape(op.inputs[0])[3],
        rows=rows.size,
        columns=columns.size,
        top=rows.before,
        left=columns.before,
        bottom=below,
        right=right,
        zero_point=zero_point,
    )


def reader_of(network: Network, tensor: int) -> DepthwiseConv2D:
    """The depthwise convolution that reads a tensor, which nothing else does."""
    (reader,) = (op for op in network.ops if tensor in op.inputs)
    assert isinstance(reader, DepthwiseConv2D)
    return reader
