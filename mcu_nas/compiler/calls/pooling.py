"""Arguments of the kernels that average or compare: pools and MEAN."""

from __future__ import annotations

import math

from mcu_nas.compiler.calls.fields import Arguments, Fields, axes, factor_fields, output_fields
from mcu_nas.compiler.requantize import activation_range, mean_multiplier
from mcu_nas.errors import UnsupportedError
from mcu_nas.graph import Graph, mean_axes
from mcu_nas.operators import Activation, AveragePool2D, MaxPool2D, Mean, Pool2D

MAX_AVERAGED = 2**22  # values in one mean or pooling window: sums stay within 2^29


def average_pool(graph: Graph, op: AveragePool2D) -> Arguments:
    """``struct mcu_average_pool_s8``."""
    _check_averaged(math.prod(op.window))
    return _pool(graph, op), {}


def max_pool(graph: Graph, op: MaxPool2D) -> Arguments:
    """``struct mcu_max_pool_s8``."""
    return _pool(graph, op), {}


def mean(graph: Graph, op: Mean) -> Arguments:
    """``struct mcu_mean_s8``."""
    shape, reduced = graph.network.shape(op.inputs[0]), mean_axes(graph, op)
    source, output = graph.quantization[op.inputs[0]], graph.quantization[op.outputs[0]]
    count = math.prod(shape[axis] for axis in reduced)
    _check_averaged(count)
    fields: Fields = {
        "planes": math.prod(shape[: reduced[0]]),
        "pixels": count,
        "channels": math.prod(shape[reduced[-1] + 1 :]),
        "sum_offset": -count * source.zero_point,
        "factor": factor_fields(mean_multiplier(source, output, count)),
        "output": output_fields(graph, op, Activation.NONE),
    }
    return fields, {}


def _pool(graph: Graph, op: Pool2D) -> Fields:
    low, high = activation_range(op.activation, graph.quantization[op.outputs[0]])
    return {
        **axes(graph, op),
        "channels": graph.network.shape(op.inputs[0])[3],
        "out_min": low,
        "out_max": high,
    }


def _check_averaged(count: int) -> None:
    if count > MAX_AVERAGED:
        raise UnsupportedError(f"an average over {count} values; at most {MAX_AVERAGED} are supported")
