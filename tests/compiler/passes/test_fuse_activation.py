"""RELU and RELU6 become the fused activation of the layer before them, where they only clamp."""

from __future__ import annotations

import pytest

from mcu_nas.compiler.passes.fuse_activation import fuse_activation
from mcu_nas.graph import Quantization
from mcu_nas.operators import Activation, Relu, Relu6
from tests.compiler.passes.equality import assert_no_gaps, assert_same_program, names
from tests.elementwise import unary
from tests.graphs import GraphMaker

LAYERS = {
    "conv": lambda m, x: m.conv(x, 4, (3, 3)),
    "depthwise": lambda m, x: m.depthwise(x, 1, (3, 3)),
    "fully_connected": lambda m, x: m.fully_connected(x, 5),
    "add": lambda m, x: m.add(x, x),
}


@pytest.mark.parametrize("kind", [Relu, Relu6])
@pytest.mark.parametrize("layer", LAYERS)
def test_an_activation_is_fused(layer, kind):
    maker = GraphMaker(1)
    source = maker.activation("pixels", (1, 5, 4, 3))
    x = LAYERS[layer](maker, source)
    maker.quantization[x] = Quantization((0.0625,), (-30,))  # both clamps cut something off
    graph = maker.graph((source,), (unary(maker, kind, x),))
    fused = fuse_activation(graph)
    assert names(fused) == names(graph)[:1]
    assert fused.network.ops[0].activation is (Activation.RELU if kind is Relu else Activation.RELU6)
    assert fused.network.tensors[fused.network.outputs[0]].name == "out1"
    assert_no_gaps(fused)
    assert_same_program(graph, fused)


@pytest.mark.parametrize("first", Activation)
@pytest.mark.parametrize("then", [Relu, Relu6])
def test_a_second_activation_only_narrows_the_range(first, then):
    maker = GraphMaker(2)
    source = maker.activation("pixels", (1, 5, 4, 3))
    x = unary(maker, then, maker.conv(source, 4, (3, 3), activation=first))
    graph = maker.graph((source,), (x,))
    six = Activation.RELU6 in (first, Activation.RELU6 if then is Relu6 else None)
    fused = fuse_activation(graph)
    assert fused.network.ops[0].activation is (Activation.RELU6 if six else Activation.RELU)
    assert_same_program(graph, fused)


def test_an_activation_that_rescales_stays():
    maker = GraphMaker(3)
    source = maker.activation("pixels", (1, 5, 4, 3))
    x = unary(maker, Relu, maker.conv(source, 4, (3, 3)), Quantization((0.0625,), (-128,)))
    graph = maker.graph((source,), (x,))
    assert fuse_activation(graph) is graph


def test_an_activation_of_a_value_that_others_need_stays():
    maker = GraphMaker(4)
    source = maker.activation("pixels", (1, 5, 4, 3))
    x = maker.conv(source, 4, (3, 3))
    read_twice = maker.graph((source,), (maker.add(unary(maker, Relu, x), x),))
    assert fuse_activation(read_twice) is read_twice
    maker.ops.pop()
    output_too = maker.graph((source,), (maker.ops[-1].outputs[0], x))
    assert fuse_activation(output_too) is output_too
