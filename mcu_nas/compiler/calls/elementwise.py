"""Arguments of the kernels that work element by element, or on rows."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from mcu_nas.compiler.calls.fields import Arguments, Fields, factor_fields, output_fields
from mcu_nas.compiler.requantize import Multiplier, add_multipliers, mul_multiplier, softmax_multiplier
from mcu_nas.compiler.tables import table
from mcu_nas.errors import UnsupportedError
from mcu_nas.graph import Graph
from mcu_nas.operators import Add, Elementwise, Mul, Softmax, Sub

MAX_PROBABILITIES = 4095  # of one softmax: their sum stays below 2^12

Binary = Add | Sub | Mul


def add(graph: Graph, op: Add) -> Arguments:
    """``struct mcu_add_s8``: both operands have the output's size."""
    count: Fields = {"count": math.prod(graph.network.shape(op.outputs[0]))}
    return _operands(graph, op, count, _sum_factors(graph, op, "sum_factor"))


def add_broadcast(graph: Graph, op: Add) -> Arguments:
    """``struct mcu_add_broadcast_s8``."""
    return _operands(graph, op, _extents(graph, op), _sum_factors(graph, op, "sum_factor"))


def sub(graph: Graph, op: Sub) -> Arguments:
    """``struct mcu_sub_s8``."""
    return _operands(graph, op, _extents(graph, op), _sum_factors(graph, op, "difference_factor"))


def mul(graph: Graph, op: Mul) -> Arguments:
    """``struct mcu_mul_s8``."""
    a, b, output = (graph.quantization[tensor] for tensor in op.inputs + op.outputs)
    return _operands(graph, op, _extents(graph, op), {"factor": mul_multiplier(a, b, output)})


def lookup(graph: Graph, op: Elementwise) -> Arguments:
    """``struct mcu_table_s8``."""
    source, output = graph.quantization[op.inputs[0]], graph.quantization[op.outputs[0]]
    count = math.prod(graph.network.shape(op.outputs[0]))
    return {"count": count}, {"table": table(op, source, output)}


def softmax(graph: Graph, op: Softmax) -> Arguments:
    """``struct mcu_softmax_s8``."""
    *rows, count = graph.network.shape(op.inputs[0])
    if count > MAX_PROBABILITIES:
        raise UnsupportedError(f"a softmax of {count} values; at most {MAX_PROBABILITIES} are supported")
    factor, diff_min = softmax_multiplier(graph.quantization[op.inputs[0]])
    fields: Fields = {"rows": math.prod(rows), "count": count, "diff_min": diff_min}
    return {**fields, "factor": factor_fields(factor)}, {}


def _sum_factors(graph: Graph, op: Add | Sub, last: str) -> dict[str, Multiplier]:
    a, b, output = (graph.quantization[tensor] for tensor in op.inputs + op.outputs)
    return dict(zip(("a_factor", "b_factor", last), add_multipliers(a, b, output), strict=True))


def _operands(graph: Graph, op: Binary, sizes: Fields, factors: Mapping[str, Multiplier]) -> Arguments:
    """The members that all kernels of two operands share, and the operands that are constants."""
    a, b = (graph.quantization[tensor] for tensor in op.inputs)
    fields: Fields = {
        **sizes,
        "a_zero_point": a.zero_point,
        "b_zero_point": b.zero_point,
        **{name: factor_fields(factor) for name, factor in factors.items()},
        "output": output_fields(graph, op, op.activation),
    }
    constants = {
        f"operand{position}": np.ascontiguousarray(graph.constants[tensor]).reshape(-1)
        for position, tensor in enumerate(op.inputs)
        if tensor in graph.network.constants
    }
    return fields, constants


def _extents(graph: Graph, op: Binary) -> dict[str, Mapping[str, int]]:
    """The three ``struct mcu_extent`` of a kernel of two operands: as few axes as walk over both."""
    out = graph.network.shape(op.outputs[0])
    steps = [_steps(graph.network.shape(tensor), len(out)) for tensor in op.inputs]
    axes: list[tuple[int, ...]] = []  # size, step of a, step of b, outermost first
    for size, *step in zip(out, *steps, strict=True):
        if size == 1:
            continue
        if axes and all(before == after * size for before, after in zip(axes[-1][1:], step, strict=True)):
            axes[-1] = (axes[-1][0] * size, *step)
        else:
            axes.append((size, *step))
    axes = [(1, 0, 0)] * (3 - len(axes)) + axes  # the batch is 1: at most three are left
    return {
        name: dict(zip(("outer", "middle", "inner"), column, strict=True))
        for name, column in zip(("size", "a_step", "b_step"), zip(*axes, strict=True), strict=True)
    }


def _steps(shape: tuple[int, ...], rank: int) -> list[int]:
    """Bytes between neighbours along each axis of the output, 0 where an operand is repeated."""
    shape = (1,) * (rank - len(shape)) + shape
    return [0 if size == 1 else math.prod(shape[axis + 1 :]) for axis, size in enumerate(shape)]
