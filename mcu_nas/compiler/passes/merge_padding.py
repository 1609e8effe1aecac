"""PAD into the convolution that follows it, whose kernel skips what lies outside the image.

A convolution's own padding counts as the input's zero point, which is what PAD fills with. Pools are left
alone: they look at the taps inside their input only.
"""

from __future__ import annotations

from dataclasses import replace

from mcu_nas.compiler.passes.edit import Edit, readers
from mcu_nas.graph import Graph
from mcu_nas.network import window_axes
from mcu_nas.operators import Conv2D, DepthwiseConv2D, Edges, Op, Pad


def merge_padding(graph: Graph) -> Graph:
    """The graph with every PAD merged that has a single reader, a convolution, and pads height and width
    by less than its window; the graph itself where there is none.
    """
    network = graph.network
    uses = readers(network, network.ops)
    ops: list[Op | None] = list(network.ops)
    for index, pad in enumerate(network.ops):
        if not isinstance(pad, Pad) or pad.outputs[0] in network.outputs or len(uses[pad.outputs[0]]) != 1:
            continue
        (reader,) = uses[pad.outputs[0]]
        op = ops[reader]
        if isinstance(op, Conv2D | DepthwiseConv2D) and _fills_with_zero_point(graph, pad):
            pads = _sum_of_edges(graph, pad, op)
            if pads is not None:
                ops[reader] = replace(op, inputs=(pad.inputs[0], *op.inputs[1:]), pads=pads)
                ops[index] = None
    kept = [op for op in ops if op is not None]
    return graph if len(kept) == len(ops) else Edit(graph).finish(kept)


def _fills_with_zero_point(graph: Graph, pad: Pad) -> bool:
    source, output = (graph.quantization[tensor] for tensor in (pad.inputs[0], pad.outputs[0]))
    return source == output and pad.value in (None, output.zero_point)


def _sum_of_edges(graph: Graph, pad: Pad, op: Conv2D | DepthwiseConv2D) -> Edges | None:
    """The convolution's padding and PAD's; None where a window would lie wholly outside the image."""
    batch, *image, channels = pad.amounts
    if len(image) != 2 or any(batch) or any(channels):
        return None
    edges = []
    for axis, (before, after) in zip(window_axes(graph.network, op), image, strict=True):
        both = (axis.before + before, axis.after + after)
        if max(both) > (axis.taps - 1) * axis.dilation:
            return None
        edges.append(both)
    return edges[0], edges[1]
