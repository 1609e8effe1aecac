"""MACs as published, and constants in flash equal to what the compiler emits."""

from __future__ import annotations

from hypothesis import given, settings

from mcu_nas.compiler.program import compile_graph
from mcu_nas.cost.flash import constants_bytes
from mcu_nas.cost.macs import network_macs
from mcu_nas.graph import Graph
from mcu_nas.network import op_macs, op_weight_bytes
from tests.graphs import GraphMaker, graphs
from tests.mobilenet import mobilenet_v2


def test_mobilenet_v2_has_the_published_macs() -> None:
    assert round(network_macs(mobilenet_v2()) / 1e6, 1) == 300.8


def test_mobilenet_v2_weights() -> None:
    parameters = 3_504_872  # torchvision's count: weights, batch norm's scale and shift, classifier's bias
    normalised_channels, classes = 17_056, 1_000
    network = mobilenet_v2()
    weights = sum(op_weight_bytes(network, op) for op in network.ops)
    assert weights == parameters - 2 * normalised_channels - classes


def test_macs_and_weights_of_each_kind_of_layer() -> None:
    maker = GraphMaker(0)
    pixels = maker.activation("pixels", (1, 8, 8, 3))
    x = maker.conv(pixels, 6, (3, 5), (2, 2))
    y = maker.depthwise(x, 2, (3, 3))
    x = maker.pool(maker.add(y, y), (2, 2))
    x = maker.fully_connected(maker.mean(x), 7)
    network = maker.graph((pixels,), (x,)).network
    assert [op_macs(network, op) for op in network.ops] == [
        4 * 4 * 6 * 3 * 5 * 3,
        4 * 4 * 12 * 9,
        0,
        0,
        0,
        7 * 12,
    ]
    assert [op_weight_bytes(network, op) for op in network.ops] == [6 * 15 * 3, 12 * 9, 0, 0, 0, 7 * 12]


@given(graphs())
@settings(deadline=None)
def test_constants_in_flash_are_those_that_the_compiler_emits(graph: Graph) -> None:
    program = compile_graph(graph, "model", "0" * 16, as_given=True)
    assert sum(constants_bytes(graph.network, program.plan)) == program.constants_bytes
