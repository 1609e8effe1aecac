"""Operators that do nothing go; network inputs and outputs stay."""

from __future__ import annotations

import pytest

from mcu_nas.compiler.passes.drop_dead import drop_dead
from mcu_nas.compiler.program import compile_graph
from mcu_nas.errors import UnsupportedError
from mcu_nas.graph import Quantization
from mcu_nas.operators import Activation, MaxPool2D, Quantize, Relu
from tests.compiler.passes.equality import assert_no_gaps, assert_same_program, names
from tests.elementwise import unary
from tests.graphs import GraphMaker
from tests.movement import concatenation, pad, part, transpose

SHAPE = (1, 4, 3, 6)
LOWEST = Quantization((0.05,), (-128,))  # nothing lies below the zero point

IDENTITIES = {
    "reshape": lambda m, x: m.reshape(x, SHAPE),
    "quantize": lambda m, x: unary(m, Quantize, x),
    "pad": lambda m, x: pad(m, x, ((0, 0),) * 4),
    "slice": lambda m, x: part(m, x, (0, 0, 0, 0), SHAPE),
    "transpose": lambda m, x: transpose(m, x, (0, 1, 2, 3)),
    "concatenation": lambda m, x: concatenation(m, [x], 3),
    "relu": lambda m, x: unary(m, Relu, x),
    "average pool": lambda m, x: m.pool(x, (1, 1), activation=Activation.RELU),
    "max pool": lambda m, x: m.pool(x, (1, 1), kind=MaxPool2D),
}
CHANGES = {
    "reshape": lambda m, x: m.reshape(x, (1, 3, 4, 6)),
    "quantize": lambda m, x: unary(m, Quantize, x, Quantization((0.04,), (-128,))),
    "pad": lambda m, x: pad(m, x, ((0, 0), (0, 1), (0, 0), (0, 0))),
    "slice": lambda m, x: part(m, x, (0, 3, 0, 0), SHAPE, (1, -1, 1, 1)),
    "transpose": lambda m, x: transpose(m, x, (0, 2, 1, 3)),
    "average pool": lambda m, x: m.pool(x, (1, 1), activation=Activation.RELU6),
    "max pool": lambda m, x: m.pool(x, (1, 1), (2, 2), kind=MaxPool2D),
}


def between_convolutions(step, quantization: Quantization = LOWEST):
    maker = GraphMaker(0)
    source = maker.activation("pixels", (1, 4, 3, 2))
    x = maker.conv(source, 6, (1, 1))
    maker.quantization[x] = quantization
    return maker.graph((source,), (maker.conv(step(maker, x), 2, (1, 1)),))


@pytest.mark.parametrize("kind", IDENTITIES)
def test_an_identity_goes(kind):
    graph = between_convolutions(IDENTITIES[kind])
    dropped = drop_dead(graph)
    assert names(dropped) == ["CONV_2D", "CONV_2D"]
    assert_no_gaps(dropped)
    assert_same_program(graph, dropped)


@pytest.mark.parametrize("kind", CHANGES)
def test_what_changes_something_stays(kind):
    graph = between_convolutions(CHANGES[kind])
    assert drop_dead(graph) is graph


def test_a_relu_that_clamps_stays():
    graph = between_convolutions(IDENTITIES["relu"], Quantization((0.05,), (-127,)))
    assert drop_dead(graph) is graph


def test_an_identity_between_input_and_output_stays():
    maker = GraphMaker(0)
    x = maker.activation("pixels", SHAPE)
    graph = maker.graph((x,), (maker.reshape(x, SHAPE),))
    assert drop_dead(graph) is graph


def test_an_identity_before_an_output_hands_over_the_outputs_name():
    maker = GraphMaker(0)
    source = maker.activation("pixels", SHAPE)
    x = maker.reshape(maker.reshape(maker.conv(source, 6, (1, 1)), SHAPE), SHAPE)
    out = maker.graph((source,), (x,))
    dropped = drop_dead(out)
    assert names(dropped) == ["CONV_2D"]
    assert dropped.network.tensors[dropped.network.outputs[0]].name == out.network.tensors[x].name
    assert_same_program(out, dropped)


def test_an_identity_between_two_outputs_stays():
    maker = GraphMaker(0)
    source = maker.activation("pixels", SHAPE)
    x = maker.conv(source, 6, (1, 1))
    graph = maker.graph((source,), (x, maker.reshape(x, SHAPE)))
    assert drop_dead(graph) is graph


def test_operators_that_no_output_needs_go_with_their_constants():
    maker = GraphMaker(0)
    source = maker.activation("pixels", SHAPE)
    x = maker.conv(source, 5, (3, 3))
    maker.mean(maker.conv(x, 4, (1, 1)))
    graph = maker.graph((source,), (maker.conv(x, 2, (1, 1)),))
    dropped = drop_dead(graph)
    assert names(dropped) == ["CONV_2D", "CONV_2D"]
    assert_no_gaps(dropped)
    assert_same_program(graph, dropped)


def test_reshapes_in_a_row_become_one():
    maker = GraphMaker(0)
    source = maker.activation("pixels", SHAPE)
    x = maker.conv(source, 6, (1, 1))
    x = maker.reshape(maker.reshape(maker.reshape(x, (1, 72)), (1, 3, 4, 6)), (1, 1, 1, 72))
    graph = maker.graph((source,), (maker.conv(x, 2, (1, 1)),))
    dropped = drop_dead(graph)
    assert names(dropped) == ["CONV_2D", "RESHAPE", "CONV_2D"]
    assert_same_program(graph, dropped)


def test_a_reshape_that_others_read_is_not_passed_over():
    maker = GraphMaker(0)
    source = maker.activation("pixels", SHAPE)
    flat = maker.reshape(maker.conv(source, 6, (1, 1)), (1, 72))
    tall = maker.reshape(flat, (1, 12, 1, 6))
    graph = maker.graph((source,), (maker.fully_connected(flat, 3), maker.conv(tall, 2, (1, 1))))
    assert drop_dead(graph) is graph


def test_an_activation_whose_scale_is_refused_is_left_to_the_compiler_which_names_it():
    maker = GraphMaker(0)
    source = maker.activation("pixels", SHAPE)
    maker.quantization[source] = Quantization((2.0**-40,), (0,))
    graph = maker.graph((source,), (maker.pool(source, (1, 1), activation=Activation.RELU6),))
    assert drop_dead(graph) is graph
    with pytest.raises(UnsupportedError, match=r"op 0 AVERAGE_POOL_2D .*: output scale .* too fine"):
        compile_graph(graph, "model", "0" * 16)
