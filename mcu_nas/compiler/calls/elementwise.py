"""Arguments of the kernels that work element by element, or on a row: ADD, SOFTMAX."""

from __future__ import annotations

import math

from mcu_nas.compiler.calls.fields import Arguments, Fields, factor_fields, output_fields
from mcu_nas.compiler.requantize import add_multipliers, softmax_multiplier
from mcu_nas.errors import UnsupportedError
from mcu_nas.graph import Graph
from mcu_nas.operators import Add, Softmax

MAX_PROBABILITIES = 4095  # of one softmax: their sum stays below 2^12


def add(graph: Graph, op: Add) -> Arguments:
    """``struct mcu_add_s8``."""
    a, b = (graph.quantization[tensor] for tensor in op.inputs)
    factors = add_multipliers(a, b, graph.quantization[op.outputs[0]])
    names = ("a_factor", "b_factor", "sum_factor")
    fields: Fields = {
        "count": math.prod(graph.network.shape(op.outputs[0])),
        "a_zero_point": a.zero_point,
        "b_zero_point": b.zero_point,
        **{name: factor_fields(factor) for name, factor in zip(names, factors, strict=True)},
        "output": output_fields(graph, op, op.activation),
    }
    return fields, {}


def softmax(graph: Graph, op: Softmax) -> Arguments:
    """``struct mcu_softmax_s8``."""
    count = graph.network.shape(op.inputs[0])[-1]
    if count > MAX_PROBABILITIES:
        raise UnsupportedError(f"a softmax of {count} values; at most {MAX_PROBABILITIES} are supported")
    factor, diff_min = softmax_multiplier(graph.quantization[op.inputs[0]])
    return {"count": count, "diff_min": diff_min, "factor": factor_fields(factor)}, {}
