"""Removal of operators that do nothing: those whose output nobody needs, and those that change nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from mcu_nas.compiler.passes.edit import Edit, readers
from mcu_nas.compiler.requantize import INT8_MAX, INT8_MIN, activation_range
from mcu_nas.errors import UnsupportedError
from mcu_nas.graph import Graph
from mcu_nas.network import Network
from mcu_nas.operators import (
    Activation,
    AveragePool2D,
    Concatenation,
    MaxPool2D,
    Op,
    Pad,
    Quantize,
    Relu,
    Relu6,
    Reshape,
    StridedSlice,
    Transpose,
)


def drop_dead(graph: Graph) -> Graph:
    """The graph without operators that no output needs, without identities, and with one RESHAPE in place
    of several in a row; the graph itself where there are none, or nothing else.

    Network inputs and outputs stay: an identity remains where it makes an output from an input, or one
    output from another.
    """
    network = graph.network
    ops = _needed(network, _with_short_reshapes(network, _without_identities(graph)))
    return graph if not ops or ops == network.ops else Edit(graph).finish(ops)


def _without_identities(graph: Graph) -> list[Op]:
    """The operators that are none, reading what the identities read.

    An identity that gives a network output hands its output's name to the operator that it reads.
    """
    network = graph.network
    stand_in: dict[int, int] = {}
    kept: list[Op] = []
    for op in network.ops:
        source, output = op.inputs[0], op.outputs[0]
        source = stand_in.get(source, source)
        if not is_identity(graph, op):
            kept.append(op)
        elif output not in network.outputs:
            stand_in[output] = source
        elif source in (*network.inputs, *network.outputs):
            kept.append(op)
        else:
            stand_in.update({old: output for old, new in stand_in.items() if new == source})
            stand_in[source] = output
    return [_renamed(op, stand_in) for op in kept]


def _renamed(op: Op, stand_in: dict[int, int]) -> Op:
    inputs, outputs = (tuple(stand_in.get(t, t) for t in tensors) for tensors in (op.inputs, op.outputs))
    return replace(op, inputs=inputs, outputs=outputs)


def _with_short_reshapes(network: Network, ops: Sequence[Op]) -> list[Op]:
    """A RESHAPE that alone reads another one's output reads that one's input."""
    uses = readers(network, ops)
    writer: dict[int, Op] = {}  # shortened: one step back is the whole way
    for op in ops:
        before = writer.get(op.inputs[0])
        alone = len(uses.get(op.inputs[0], ())) == 1 and op.inputs[0] not in network.outputs
        if isinstance(op, Reshape) and isinstance(before, Reshape) and alone:
            op = replace(op, inputs=(before.inputs[0], *op.inputs[1:]))
        writer[op.outputs[0]] = op
    return list(writer.values())


def _needed(network: Network, ops: Sequence[Op]) -> tuple[Op, ...]:
    """The operators from which a network output is computed."""
    asked = set(network.outputs)
    kept: list[Op] = []
    for op in reversed(ops):
        if asked.intersection(op.outputs):
            asked.update(op.inputs)
            kept.append(op)
    return tuple(reversed(kept))


def is_identity(graph: Graph, op: Op) -> bool:
    """Whether an operator's output is its first input: shape, type, quantization and every value."""
    tensors = graph.network.tensors
    source, output = op.inputs[0], op.outputs[0]
    same = (tensors[source].shape, tensors[source].dtype) == (tensors[output].shape, tensors[output].dtype)
    if not same or source in graph.constants:
        return False
    if graph.quantization.get(source) != graph.quantization.get(output):
        return False
    match op:
        case Reshape() | Quantize() | Pad():
            return True
        case Concatenation():
            return len(op.inputs) == 1
        case StridedSlice():
            return all(step == 1 for step in op.step)
        case Transpose():
            shape = tensors[source].shape
            moved = [axis for axis in op.permutation if shape[axis] > 1]
            return moved == sorted(moved)  # axes of one element may go anywhere
        case Relu() | Relu6():
            activation = Activation.RELU if isinstance(op, Relu) else Activation.RELU6
            return _clamps_nothing(graph, op, activation)
        case AveragePool2D() | MaxPool2D():
            return op.window == op.stride == (1, 1) and _clamps_nothing(graph, op, op.activation)
        case _:
            return False


def _clamps_nothing(graph: Graph, op: Op, activation: Activation) -> bool:
    """Whether an activation's range is all of int8."""
    try:
        return activation_range(activation, graph.quantization[op.outputs[0]]) == (INT8_MIN, INT8_MAX)
    except UnsupportedError:  # refused by name where its call is made
        return False
