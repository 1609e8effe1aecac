"""Constants that a .tflite file wants beside an operator's activation, made anew from its attributes.

movement.py and slices.py read them; from there to here they are attributes alone, so that a pass that changes
an operator has one thing to change.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mcu_nas.graph import Graph
from mcu_nas.network import Network, Tensor
from mcu_nas.operators import Op, Pad, ResizeNearestNeighbor, StridedSlice, Transpose


def with_constants(graph: Graph) -> Graph:
    """The graph with every operator's constants among its inputs, as tensors after the graph's own."""
    network = graph.network
    tensors, constants, quantization = list(network.tensors), dict(graph.constants), dict(graph.quantization)
    ops = []
    for op in network.ops:
        (output,) = op.outputs
        given = rebuilt_constants(network, op)
        for role, values in given.items():
            number = len(tensors)
            constants[number] = values
            tensors.append(Tensor(f"{network.tensors[output].name}.{role}", values.shape, str(values.dtype)))
            if values.dtype == np.int8:
                quantization[number] = quantization[output]
        first = len(tensors) - len(given)
        ops.append(replace(op, inputs=(*op.inputs, *range(first, len(tensors)))) if given else op)
    changed = replace(network, tensors=tuple(tensors), ops=tuple(ops), constants=frozenset(constants))
    return replace(graph, network=changed, constants=constants, quantization=quantization)


def rebuilt_constants(network: Network, op: Op) -> dict[str, np.ndarray]:
    """An operator's constants by role, in TFLite's order."""
    match op:
        case Pad():
            amounts = {"amounts": np.array(op.amounts, np.int32)}
            return amounts if op.value is None else {**amounts, "value": np.array(op.value, np.int8)}
        case ResizeNearestNeighbor():
            return {"size": np.array(network.shape(op.outputs[0])[1:3], np.int32)}
        case Transpose():
            return {"permutation": np.array(op.permutation, np.int32)}
        case StridedSlice():
            return _bounds(network, op)
        case _:
            return {}


def _bounds(network: Network, op: StridedSlice) -> dict[str, np.ndarray]:
    """Begin, end and strides: the end one past the last element that is taken."""
    counts = iter(network.shape(op.outputs[0]))
    ends = []
    for size, begin, step in zip(network.shape(op.inputs[0]), op.begin, op.step, strict=True):
        last = begin + (next(counts) - 1) * step if step else begin
        end = last + 1 if step >= 0 else last - 1
        ends.append(end if end >= 0 else end - size)  # before the axis; -1 alone means its last element
    strides = [step or 1 for step in op.step]
    return {
        role: np.array(values, np.int32)
        for role, values in (("begin", op.begin), ("end", ends), ("strides", strides))
    }
