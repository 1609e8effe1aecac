"""Dead channels go, and nothing else changes."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from mcu_nas.compiler.passes.constant_channels import VARIES, constant_channels
from mcu_nas.compiler.passes.dead_channels import dead_channels
from mcu_nas.graph import Graph, Quantization
from mcu_nas.network import op_macs
from mcu_nas.operators import AveragePool2D, HardSwish, LeakyRelu, MaxPool2D, Padding, Relu6
from tests.compiler.passes.equality import assert_no_gaps, assert_same_program
from tests.compiler.passes.sparse_graphs import sparse_graphs, sparse_residual_stages
from tests.elementwise import unary
from tests.graphs import GraphMaker
from tests.movement import concatenation, pad, resize
from tests.reference import assert_same_outputs, reference_outputs, sample_inputs

RANDOM = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


def macs(graph: Graph) -> int:
    return sum(op_macs(graph.network, op) for op in graph.network.ops)


def silence(maker: GraphMaker, tensor: int, dead: list[int], value: int | None = None) -> None:
    """Take the weights of output channels of the layer that writes ``tensor``; its constant becomes
    ``value``, or whatever the bias gives.
    """
    op = next(op for op in maker.ops if op.outputs[0] == tensor)
    depthwise = maker.quantization[op.inputs[1]].axis == 3
    np.moveaxis(maker.constants[op.inputs[1]], 3 if depthwise else 0, 0)[dead] = 0
    if value is not None:
        source, weights = (maker.quantization[t] for t in op.inputs[:2])
        output = maker.quantization[tensor]
        steps = (value - output.zero_point) * output.scale / source.scale / np.array(weights.scales)
        bias = maker.constants[op.inputs[2]]
        bias[dead] = np.round(np.broadcast_to(steps, bias.shape))[dead]


def assert_equal_in_reference(graph: Graph, smaller: Graph) -> None:
    inputs = sample_inputs(graph, 5, seed=1)
    expected = reference_outputs(graph, *inputs)
    assert_same_outputs(reference_outputs(smaller, *inputs), expected, *inputs)


@given(graph=sparse_residual_stages())
@RANDOM
def test_residual_stages_give_what_they_gave(graph):
    smaller = dead_channels(graph)
    assert_no_gaps(smaller)
    assert macs(smaller) <= macs(graph)
    assert_equal_in_reference(graph, smaller)


@given(graph=sparse_graphs())
@RANDOM
def test_random_graphs_give_what_they_gave(graph):
    assert_equal_in_reference(graph, dead_channels(graph))


@given(graph=sparse_residual_stages())
@settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck))
def test_generated_c_gives_what_the_given_graph_gave(graph):
    assert_same_program(graph, dead_channels(graph))


@given(graph=sparse_residual_stages())
@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
def test_a_constant_channel_has_the_value_that_the_reference_computes(graph):
    values = constant_channels(graph)
    inputs = sample_inputs(graph, 2, seed=3)
    for op in graph.network.ops:
        (tensor,) = op.outputs
        known = np.flatnonzero(values[tensor] != VARIES)
        cut = dataclasses.replace(graph.network, outputs=(tensor,))
        if known.size and tensor not in graph.network.outputs:
            rows = reference_outputs(dataclasses.replace(graph, network=cut), *inputs)
            rows = rows.reshape(-1, rows.shape[-1])[:, known]
            np.testing.assert_array_equal(rows, np.broadcast_to(values[tensor][known], rows.shape))


def test_an_expanded_channel_goes_with_its_depthwise_and_both_its_neighbours_weights():
    maker = GraphMaker(0)
    x = source = maker.activation("pixels", (1, 6, 5, 4))
    x = maker.conv(x, 10, (1, 1))
    silence(maker, x, [1, 7], maker.quantization[x].zero_point)
    x = maker.conv(maker.depthwise(x, 1, (3, 3)), 3, (1, 1))
    graph = maker.graph((source,), (x,))
    smaller = dead_channels(graph)
    assert macs(graph) == 30 * 10 * (4 + 9 + 3)
    assert macs(smaller) == 30 * 8 * (4 + 9 + 3)
    assert_same_program(graph, smaller)


def test_a_constant_that_padding_would_show_stays():
    maker = GraphMaker(0)
    x = source = maker.activation("pixels", (1, 6, 5, 4))
    x = maker.conv(x, 10, (1, 1))
    zero_point = maker.quantization[x].zero_point
    silence(maker, x, [2], zero_point - 20 if zero_point > 0 else zero_point + 20)
    same = maker.graph((source,), (maker.conv(x, 3, (3, 3)),))
    assert dead_channels(same) is same
    maker.ops.pop()
    valid = maker.graph((source,), (maker.conv(x, 3, (3, 3), padding=Padding.VALID),))
    assert macs(dead_channels(valid)) < macs(valid)
    assert_equal_in_reference(valid, dead_channels(valid))


@pytest.mark.parametrize("both", [True, False])
def test_a_channel_of_a_sum_goes_where_both_operands_are_constant(both):
    maker = GraphMaker(1)
    source = maker.activation("pixels", (1, 5, 5, 3))
    a, b = maker.conv(source, 6, (1, 1)), maker.conv(source, 6, (1, 1))
    silence(maker, a, [0, 3])
    silence(maker, b, [3] if both else [1])
    x = maker.conv(maker.add(a, b), 4, (1, 1))
    graph = maker.graph((source,), (x,))
    assert macs(graph) - macs(dead_channels(graph)) == (25 * (3 + 3 + 4) if both else 0)
    assert_equal_in_reference(graph, dead_channels(graph))


def test_a_channel_that_nobody_reads_goes_although_it_varies():
    maker = GraphMaker(2)
    source = maker.activation("pixels", (1, 5, 5, 3))
    x = maker.conv(source, 6, (3, 3))
    y = maker.conv(maker.depthwise(x, 1, (3, 3)), 4, (1, 1))
    maker.constants[maker.ops[-1].inputs[1]][..., 2] = 0
    graph = maker.graph((source,), (y,))
    assert macs(graph) - macs(dead_channels(graph)) == 25 * (27 + 9 + 4)
    assert_equal_in_reference(graph, dead_channels(graph))


STEPS = {
    "average_pool": lambda m, x: m.pool(x, (2, 2), (2, 2), Padding.SAME, kind=AveragePool2D),
    "max_pool": lambda m, x: m.pool(x, (3, 3), (1, 1), Padding.SAME, kind=MaxPool2D),
    "mean": lambda m, x: m.mean(x),
    "flatten": lambda m, x: m.reshape(x, (1, 30 * 5)),
    "leaky_relu": lambda m, x: unary(m, LeakyRelu, x),
    "hard_swish": lambda m, x: unary(m, HardSwish, x, Quantization((0.03125,), (-100,))),
    "relu6": lambda m, x: unary(m, Relu6, x),
    "resize": lambda m, x: resize(m, x, (7, 9)),
    "concatenation": lambda m, x: concatenation(m, (x, x), 3),
}


@pytest.mark.parametrize("step", STEPS)
def test_a_constant_goes_through(step):
    maker = GraphMaker(3)
    source = maker.activation("pixels", (1, 6, 5, 3))
    x = maker.conv(source, 5, (1, 1))
    silence(maker, x, [0, 4])
    x = STEPS[step](maker, x)
    x = maker.fully_connected(x, 4) if len(maker.tensors[x].shape) == 2 else maker.conv(x, 4, (1, 1))
    graph = maker.graph((source,), (x,))
    smaller = dead_channels(graph)
    assert smaller.network.shape(smaller.network.ops[0].outputs[0])[-1] == 3
    assert_same_program(graph, smaller)


def test_a_constant_stays_where_padding_differs_from_it():
    maker = GraphMaker(4)
    source = maker.activation("pixels", (1, 6, 5, 3))
    x = maker.conv(source, 5, (1, 1))
    silence(maker, x, [1], maker.quantization[x].zero_point)
    silence(maker, x, [2], maker.quantization[x].zero_point // 2 - 40)
    x = maker.conv(pad(maker, x, ((0, 0), (1, 1), (1, 1), (0, 0))), 2, (3, 3), padding=Padding.VALID)
    graph = maker.graph((source,), (x,))
    smaller = dead_channels(graph)
    assert smaller.network.shape(smaller.network.ops[0].outputs[0])[-1] == 4
    assert_equal_in_reference(graph, smaller)


def test_a_channel_always_remains():
    maker = GraphMaker(5)
    source = maker.activation("pixels", (1, 4, 4, 2))
    x = maker.conv(source, 5, (1, 1))
    silence(maker, x, list(range(5)))
    x = maker.conv(maker.depthwise(x, 1, (1, 1)), 3, (1, 1))
    graph = maker.graph((source,), (x,))
    smaller = dead_channels(graph)
    shapes = [smaller.network.shape(op.outputs[0])[-1] for op in smaller.network.ops]
    assert shapes == [1, 1, 3]  # the output keeps its channels, constant or not
    assert dead_channels(smaller) is smaller
    assert_same_program(graph, smaller)


def test_a_fully_connected_layer_keeps_multiplying_by_per_channel_scales():
    maker = GraphMaker(6)
    source = maker.activation("values", (1, 9))
    x = maker.fully_connected(source, 5, per_channel=True)
    silence(maker, x, [0, 1, 2, 4])
    graph = maker.graph((source,), (maker.fully_connected(x, 3),))
    smaller = dead_channels(graph)
    assert smaller.network.shape(smaller.network.ops[0].outputs[0]) == (1, 2)
    assert_same_program(graph, smaller)


def test_a_sum_that_could_overflow_is_left_alone():
    maker = GraphMaker(7)
    source = maker.activation("pixels", (1, 4, 4, 2))
    x = maker.conv(source, 5, (1, 1))
    silence(maker, x, [1])
    y = maker.conv(x, 3, (1, 1))
    maker.constants[maker.ops[-1].inputs[2]][0] = 2**31 - 1
    graph = maker.graph((source,), (y,))
    assert dead_channels(graph) is graph
