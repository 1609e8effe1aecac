"""From an operator of a Graph to the generated kernel that runs it, of those that armv7em_words.py lists."""

from __future__ import annotations

import math

import numpy as np

from mcu_nas.compiler.calls.fields import output_fields
from mcu_nas.compiler.generators.add_words import add_words
from mcu_nas.compiler.generators.generated import GeneratedKernel, Refusal
from mcu_nas.compiler.generators.global_average import (
    GlobalAverage,
    GlobalMean,
    global_average,
    global_mean,
)
from mcu_nas.compiler.generators.requantization import Requantization
from mcu_nas.compiler.generators.sum_line import AddLayer
from mcu_nas.compiler.requantize import activation_range, add_multipliers, mean_multiplier
from mcu_nas.graph import Graph, mean_axes
from mcu_nas.operators import Activation, Add, AveragePool2D, Mean

_HEIGHT_AND_WIDTH = (1, 2)


def add(graph: Graph, op: Add, symbol: str) -> GeneratedKernel:
    """Two tensors of one shape."""
    a, b, sums = (graph.quantization[tensor] for tensor in op.inputs + op.outputs)
    a_factor, b_factor, sum_factor = add_multipliers(a, b, sums)
    output = output_fields(graph, op, op.activation)
    layer = AddLayer(
        count=math.prod(graph.network.shape(op.outputs[0])),
        zero_points=(a.zero_point, b.zero_point),
        factors=(a_factor, b_factor),
        sum_factor=sum_factor,
        output_zero_point=output["zero_point"],
        output_min=output["min"],
        output_max=output["max"],
    )
    return add_words(layer, symbol)


def average(graph: Graph, op: AveragePool2D, symbol: str) -> GeneratedKernel:
    """A window that holds the whole image."""
    _, height, width, channels = graph.network.shape(op.inputs[0])
    low, high = activation_range(op.activation, graph.quantization[op.outputs[0]])
    return global_average(GlobalAverage(height * width, channels, low, high), symbol)


def mean(graph: Graph, op: Mean, symbol: str) -> GeneratedKernel:
    """Over height and width.

    Raises:
        Refusal: other axes, which shapes did not tell from these.
    """
    axes = mean_axes(graph, op)
    if axes != _HEIGHT_AND_WIDTH:
        raise Refusal(f"a mean over axes {axes}")
    _, height, width, channels = graph.network.shape(op.inputs[0])
    source, output = (graph.quantization[tensor] for tensor in (op.inputs[0], op.outputs[0]))
    factor = mean_multiplier(source, output, height * width)
    limits = output_fields(graph, op, Activation.NONE)
    layer = GlobalMean(
        pixels=height * width,
        channels=channels,
        sum_offset=-height * width * source.zero_point,
        requantization=Requantization(
            np.array([factor.value]),
            np.array([factor.shift]),
            limits["zero_point"],
            limits["min"],
            limits["max"],
        ),
    )
    return global_mean(layer, symbol)
