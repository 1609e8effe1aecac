"""PAD goes into the convolution behind it wherever that computes the same."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mcu_nas.compiler.passes.merge_padding import merge_padding
from mcu_nas.compiler.planner import plan
from mcu_nas.compiler.program import compile_graph
from mcu_nas.devices.host import HostModel
from mcu_nas.operators import Activation, Padding
from mcu_nas.tflite.writer import serialize_tflite
from tests.compiler.passes.equality import assert_no_gaps, assert_same_program, names
from tests.graphs import GraphMaker
from tests.movement import pad
from tests.reference import assert_same_outputs, reference_outputs, sample_inputs

ONE_AROUND = ((0, 0), (1, 1), (1, 1), (0, 0))


def padded(amounts, kernel, depthwise=False, value=None, **attributes):
    maker = GraphMaker(0)
    source = maker.activation("pixels", (1, 7, 6, 3))
    x = pad(maker, source, amounts, value)
    x = maker.depthwise(x, 1, kernel, **attributes) if depthwise else maker.conv(x, 4, kernel, **attributes)
    return maker.graph((source,), (x,))


@given(
    edges=st.tuples(*[st.tuples(st.integers(0, 2), st.integers(0, 2))] * 2),
    depthwise=st.booleans(),
    stride=st.integers(1, 3),
    dilation=st.integers(1, 2),
    padding=st.sampled_from(Padding),
)
@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
def test_convolutions_with_merged_padding_equal_the_reference(edges, depthwise, stride, dilation, padding):
    if padding is Padding.SAME:  # its own padding and PAD's have to stay below the window together
        edges = tuple((min(before, 1), min(after, 1)) for before, after in edges)
    graph = padded(
        ((0, 0), *edges, (0, 0)),
        (3, 3) if padding is Padding.VALID else (5, 5),
        depthwise,
        stride=(stride, stride),
        padding=padding,
        dilation=(dilation, dilation) if stride == 1 else (1, 1),
        activation=Activation.RELU6,
    )
    merged = merge_padding(graph)
    assert names(merged) == names(graph)[1:]
    assert_no_gaps(merged)
    assert_same_program(graph, merged)
    assert plan(merged.network).arena_bytes <= plan(graph.network).arena_bytes


def test_merged_padding_needs_no_dead_byte():
    graph = padded(ONE_AROUND, (3, 3), padding=Padding.VALID)
    inputs = sample_inputs(graph, 5, seed=1)
    program = compile_graph(merge_padding(graph), "model", "0" * 16, as_given=True)
    got = HostModel(program, poison=True).run(*inputs)
    assert_same_outputs(got, reference_outputs(graph, *inputs), *inputs)


@pytest.mark.parametrize(
    ("amounts", "kernel", "value"),
    [
        (((0, 0), (1, 1), (1, 1), (0, 1)), (3, 3), None),
        (((0, 0), (3, 0), (0, 0), (0, 0)), (3, 3), None),
        (ONE_AROUND, (1, 1), None),
        (ONE_AROUND, (3, 3), 5),
    ],
    ids=["channels", "a window wholly outside", "pointwise", "another value than zero"],
)
def test_padding_that_a_convolution_cannot_do_stays(amounts, kernel, value):
    graph = padded(amounts, kernel, value=value, padding=Padding.VALID)
    assert merge_padding(graph) is graph


def test_padding_with_two_readers_or_before_a_pool_stays():
    maker = GraphMaker(0)
    source = maker.activation("pixels", (1, 7, 6, 3))
    x = pad(maker, source, ONE_AROUND)
    shared = maker.graph((source,), (maker.conv(x, 4, (3, 3)), maker.conv(x, 4, (3, 3))))
    assert merge_padding(shared) is shared
    pool = maker.graph((source,), (maker.pool(pad(maker, source, ONE_AROUND), (3, 3)),))
    assert "PAD" in names(merge_padding(pool))


def test_no_tflite_is_written_of_it():
    merged = merge_padding(padded(ONE_AROUND, (3, 3), padding=Padding.VALID))
    with pytest.raises(ValueError, match="CONV_2D is padded by"):
        serialize_tflite(merged)
