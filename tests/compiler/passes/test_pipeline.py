"""All passes together: the same outputs, an arena that never grows, and a true record of what was saved."""

from __future__ import annotations

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mcu_nas.compiler.passes.pipeline import run_passes
from mcu_nas.compiler.planner import plan
from mcu_nas.compiler.program import compile_graph
from mcu_nas.graph import Graph
from mcu_nas.network import op_macs
from mcu_nas.operators import Activation, Padding, Relu
from mcu_nas.quantize.synthetic import random_graph
from tests.compiler.passes.equality import assert_no_gaps, assert_same_program, names
from tests.compiler.passes.sparse_graphs import sparse_graphs, sparse_residual_stages, zeroed
from tests.elementwise import unary
from tests.graphs import GraphMaker
from tests.mobilenet import mobilenet_v2
from tests.movement import pad


def macs(graph: Graph) -> int:
    return sum(op_macs(graph.network, op) for op in graph.network.ops)


@st.composite
def wasteful_graphs(draw: st.DrawFn) -> Graph:
    """Branches that something can be saved of: PAD, RELU, RESHAPE, dead channels, an order that wastes."""
    seed = draw(st.integers(0, 2**32 - 1))
    maker = GraphMaker(seed)
    source = maker.activation("pixels", (1, 6, 5, 3))
    ends = []
    for _ in range(draw(st.integers(1, 3))):
        x = source
        if draw(st.booleans()):
            x = pad(maker, x, ((0, 0), (1, 1), (0, 2), (0, 0)))
            x = maker.conv(x, draw(st.integers(2, 20)), (3, 3), padding=Padding.VALID)
        else:
            x = maker.conv(x, draw(st.integers(2, 20)), (3, 3))
        ends.append(unary(maker, Relu, x) if draw(st.booleans()) else x)
    ends = [maker.conv(x, 4, (1, 1), activation=Activation.RELU) for x in ends]
    ends = [maker.conv(maker.reshape(x, maker.tensors[x].shape), 3, (1, 1)) for x in ends]
    total = maker.mean(ends[0])
    for x in ends[1:]:
        total = maker.add(total, maker.mean(x))
    return zeroed(maker.graph((source,), (total,)), np.random.default_rng(seed), draw(st.floats(0, 0.6)))


@given(graph=wasteful_graphs())
@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
def test_compiled_programs_equal_the_reference(graph):
    assert_same_program(graph, run_passes(graph).graph)


@given(graph=st.one_of(wasteful_graphs(), sparse_graphs(), sparse_residual_stages()))
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_the_record_is_true_and_no_arena_grows(graph):
    passed = run_passes(graph)
    assert_no_gaps(passed.graph)
    assert passed.given_arena_bytes == plan(graph.network).arena_bytes
    assert passed.arena_bytes == plan(passed.graph.network).arena_bytes <= passed.given_arena_bytes
    assert sum(saving.macs for saving in passed.savings) == macs(graph) - macs(passed.graph)
    gone = len(graph.network.ops) - len(passed.graph.network.ops)
    assert sum(saving.operators for saving in passed.savings) == gone
    saved = sum(saving.arena_saved_bytes for saving in passed.savings)
    assert saved == passed.given_arena_bytes - passed.arena_bytes


@given(graph=wasteful_graphs())
@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
def test_nothing_is_left_for_a_second_time(graph):
    once = run_passes(graph).graph
    assert run_passes(once).savings == ()


def test_each_pass_is_named_with_what_it_saved():
    maker = GraphMaker(0)
    source = maker.activation("pixels", (1, 8, 8, 3))
    x = maker.conv(pad(maker, source, ((0, 0), (1, 1), (1, 1), (0, 0))), 8, (3, 3), padding=Padding.VALID)
    x = unary(maker, Relu, maker.reshape(x, (1, 8, 8, 8)))
    graph = maker.graph((source,), (maker.conv(x, 2, (1, 1)),))
    passed = run_passes(graph)
    assert names(passed.graph) == ["CONV_2D", "CONV_2D"]
    assert [(saving.name, saving.operators) for saving in passed.savings] == [
        ("dead operators", 1),
        ("padding into convolutions", 1),
        ("activations into layers", 1),
    ]


def test_a_large_network_that_pruning_thinned_loses_most_of_its_macs():
    rng = np.random.default_rng(0)
    graph = zeroed(random_graph(mobilenet_v2(96, 10), rng), rng, 0.5)
    passed = run_passes(graph)
    assert [saving.name for saving in passed.savings] == ["dead channels"]
    assert macs(passed.graph) < macs(graph) / 2
    assert passed.arena_bytes < passed.given_arena_bytes


def test_the_compiler_runs_the_passes_unless_told_otherwise():
    maker = GraphMaker(0)
    source = maker.activation("pixels", (1, 8, 8, 3))
    x = unary(maker, Relu, maker.conv(source, 4, (1, 1)))
    graph = maker.graph((source,), (x,))
    assert len(compile_graph(graph, "model", "0" * 16).calls) == 1
    assert len(compile_graph(graph, "model", "0" * 16, as_given=True).calls) == 2
