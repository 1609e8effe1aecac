"""The named peak rules: published figures, TFLite Micro's arena, and how the rules relate."""

from __future__ import annotations

import re

import pytest
from hypothesis import HealthCheck, assume, given, settings

from mcu_nas.compiler.planner import plan
from mcu_nas.cost.peak_rules import RULES, inplace_dw, layer_sum, live, overlap, peaks
from mcu_nas.graph import Graph
from mcu_nas.network import Network
from mcu_nas.operators import Add, Conv2D, DepthwiseConv2D, Mean, Reshape
from mcu_nas.tflite.writer import serialize_tflite
from tests.graphs import GraphMaker, graphs
from tests.mobilenet import mobilenet_v2

TFLM_ALIGNMENT = 16


@pytest.fixture(scope="module")
def mobilenet() -> Network:
    return mobilenet_v2()


def test_mobilenet_v2_has_the_published_peak_under_inplace_dw(mobilenet: Network) -> None:
    assert peaks(mobilenet, plan(mobilenet)).total["inplace_dw"] / 1024 == 1372.0


def test_mobilenet_v2_under_the_other_rules(mobilenet: Network) -> None:
    total = peaks(mobilenet, plan(mobilenet)).total
    expanded, projected = 112 * 112 * 96, 56 * 56 * 96  # around the first stride-2 depthwise convolution
    assert total["layer_sum"] == total["live"] == expanded + projected
    assert total["overlap"] == expanded + 56 * 56  # in place, one output plane beside it
    assert total["planned"] == expanded + 96  # the expansion runs one pixel behind its input


def layer_index(network: Network, layer: str) -> int:
    names = [network.tensors[op.outputs[0]].name for op in network.ops]
    return names.index(f"{layer}.out")


def test_published_rules_forget_the_residual_at_the_projection(mobilenet: Network) -> None:
    projection = layer_index(mobilenet, "stage2.block2.project")
    residual = 56 * 56 * 24
    assert layer_sum(mobilenet, projection) == inplace_dw(mobilenet, projection)
    assert live(mobilenet, projection) == layer_sum(mobilenet, projection) + residual


def test_published_rules_count_the_residual_at_the_depthwise_convolution(mobilenet: Network) -> None:
    depthwise = layer_index(mobilenet, "stage2.block2.depthwise")
    plane, channels = 56 * 56, 144
    assert layer_sum(mobilenet, depthwise) == plane * (24 + 2 * channels)
    assert inplace_dw(mobilenet, depthwise) == plane * (24 + channels + 1)


def test_published_rules_skip_what_is_no_convolution(mobilenet: Network) -> None:
    add = layer_index(mobilenet, "stage2.block2.add")
    assert layer_sum(mobilenet, add) is None
    assert inplace_dw(mobilenet, add) is None


def test_overlap_lags_by_window_rows_or_one_pixel(mobilenet: Network) -> None:
    stem, projection = layer_index(mobilenet, "stem"), layer_index(mobilenet, "stage1.block1.project")
    assert overlap(mobilenet, stem) == 112 * 112 * 32 + 3 * 224 * 3
    assert overlap(mobilenet, projection) == 112 * 112 * 32 + 32


def test_overlap_needs_both_tensors_where_the_input_lives_on(mobilenet: Network) -> None:
    expand = layer_index(mobilenet, "stage2.block2.expand")
    assert overlap(mobilenet, expand) == live(mobilenet, expand)


def test_planned_add_lies_in_its_input(mobilenet: Network) -> None:
    add = layer_index(mobilenet, "stage2.block2.add")
    layers = peaks(mobilenet, plan(mobilenet)).layers
    assert layers[add]["planned"] == 2 * 56 * 56 * 24
    assert layers[add]["live"] == 3 * 56 * 56 * 24


@given(graphs())
@settings(deadline=None)
def test_rules_stand_in_their_order(graph: Graph) -> None:
    network = graph.network
    the_plan = plan(network)
    measured = peaks(network, the_plan)
    for op, kernel, layer in zip(network.ops, the_plan.kernels, measured.layers, strict=True):
        scratch = kernel.scratch_bytes(network, op)
        assert layer["planned"] <= layer["live"] + scratch
        assert (layer["layer_sum"] is None) == (not isinstance(op, Conv2D | DepthwiseConv2D))
        if layer["layer_sum"] is not None:
            assert layer["layer_sum"] <= layer["live"]
    assert set(measured.total) == set(RULES)
    assert measured.total["planned"] == the_plan.arena_bytes
    assert max(layer["planned"] for layer in measured.layers) <= the_plan.arena_bytes


@given(graphs(branched=False, max_ops=2))
@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_live_equals_the_arena_head_of_tflite_micro(capfd: pytest.CaptureFixture[str], graph: Graph) -> None:
    assume(not uses_scratch_in_tflite_micro(graph))
    assume(not any(isinstance(op, Reshape) for op in graph.network.ops))  # it copies what is a view here
    assert arena_head(capfd, graph) == live_peak(graph)


@given(graphs(branched=False, max_ops=8))
@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_tflite_micro_never_needs_less_than_live(capfd: pytest.CaptureFixture[str], graph: Graph) -> None:
    """On longer chains its planner, which places tensors by falling size, may leave gaps."""
    assert arena_head(capfd, graph) >= live_peak(graph)


@pytest.mark.parametrize("resolution", [28, 33])
def test_live_equals_the_arena_head_of_a_mobile_network_without_residuals(
    capfd: pytest.CaptureFixture[str], resolution: int
) -> None:
    maker = GraphMaker(3)
    pixels = maker.activation("pixels", (1, resolution, resolution, 1))
    x = maker.conv(pixels, 8, (3, 3), (2, 2))
    for channels, stride in ((16, 1), (24, 2), (24, 1), (40, 2)):
        x = maker.conv(x, 4 * channels, (1, 1))
        x = maker.depthwise(x, 1, (3, 3), (stride, stride))
        x = maker.conv(x, channels, (1, 1))
    graph = maker.graph((pixels,), (maker.fully_connected(maker.mean(x), 10),))
    assert arena_head(capfd, graph) == live_peak(graph)


def live_peak(graph: Graph) -> int:
    return max(live(graph.network, index, TFLM_ALIGNMENT) for index in range(len(graph.network.ops)))


def uses_scratch_in_tflite_micro(graph: Graph) -> bool:
    """MEAN keeps its sums in scratch buffers of the same arena."""
    assert not any(isinstance(op, Add) for op in graph.network.ops)
    return any(isinstance(op, Mean) for op in graph.network.ops)


def arena_head(capfd: pytest.CaptureFixture[str], graph: Graph) -> int:
    """Bytes of the part of the arena that holds activations, as the interpreter prints them."""
    from tflite_micro.python.tflite_micro import runtime

    interpreter = runtime.Interpreter.from_bytes(serialize_tflite(graph), arena_size=1 << 21)
    interpreter.invoke()
    capfd.readouterr()
    interpreter.print_allocations()
    found = re.search(r"Arena allocation head (\d+) bytes", "".join(capfd.readouterr()))
    assert found, "tflite-micro printed no allocations"
    return int(found[1])
