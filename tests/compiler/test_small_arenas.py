"""Arenas of well-known shapes stay as small as overlapping makes them, and nothing lost is read."""

from __future__ import annotations

import pytest

from mcu_nas.compiler.planner import plan
from mcu_nas.compiler.program import compile_graph
from mcu_nas.cost.peak_rules import peaks
from mcu_nas.devices.host import HostModel
from mcu_nas.graph import Graph
from mcu_nas.network import Network
from mcu_nas.operators import Activation
from mcu_nas.spaces.builder import NetworkBuilder
from tests.graphs import GraphMaker
from tests.mobilenet import mobilenet_v2
from tests.reference import assert_same_outputs, reference_outputs, sample_inputs


def ds_cnn() -> Graph:
    """MLPerf Tiny's keyword spotter: a 10×4 convolution, four depthwise separable blocks of 64 channels."""
    maker = GraphMaker(1)
    source = maker.activation("spectrogram", (1, 49, 10, 1))
    x = maker.conv(source, 64, (10, 4), (2, 2), activation=Activation.RELU)
    for _ in range(4):
        x = maker.depthwise(x, 1, (3, 3), activation=Activation.RELU)
        x = maker.conv(x, 64, (1, 1), activation=Activation.RELU)
    x = maker.reshape(maker.pool(x, (25, 5), (25, 5)), (1, 64))
    return maker.graph((source,), (maker.softmax(maker.fully_connected(x, 12)),))


def resnet_8() -> Graph:
    """MLPerf Tiny's image classifier: three residual stages of 16, 32 and 64 channels."""
    maker = GraphMaker(2)
    source = maker.activation("pixels", (1, 32, 32, 3))
    x = maker.conv(source, 16, (3, 3), activation=Activation.RELU)
    for channels, stride in ((16, 1), (32, 2), (64, 2)):
        y = maker.conv(x, channels, (3, 3), (stride, stride), activation=Activation.RELU)
        y = maker.conv(y, channels, (3, 3))
        if stride > 1:
            x = maker.conv(x, channels, (1, 1), (stride, stride))
        x = maker.add(x, y, Activation.RELU)
    x = maker.reshape(maker.pool(x, (8, 8), (8, 8)), (1, 64))
    return maker.graph((source,), (maker.softmax(maker.fully_connected(x, 10)),))


def mobilenet_v1(width: float, resolution: int) -> Network:
    """MobileNetV1 (arXiv 1704.04861, table 1)."""
    builder = NetworkBuilder()
    x = builder.input("pixels", (1, resolution, resolution, 3))
    x = builder.conv("stem", x, int(32 * width), 3, 2, Activation.RELU6)
    rows = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1)]
    for number, (channels, stride) in enumerate(rows):
        x = builder.depthwise(f"block{number}.depthwise", x, 3, stride, Activation.RELU6)
        x = builder.conv(f"block{number}.pointwise", x, int(channels * width), 1, 1, Activation.RELU6)
    return builder.build(builder.fully_connected("classifier", builder.mean("mean", x), 1000))


@pytest.mark.parametrize(("build", "most_bytes"), [(ds_cnn, 9_200), (resnet_8, 36_000)])
def test_mlperf_tiny_shapes_run_in_a_small_arena_though_dead_bytes_are_overwritten(build, most_bytes):
    graph = build()
    program = compile_graph(graph, "model", "0" * 16)
    assert program.arena_bytes <= most_bytes
    assert program.arena_bytes == program.plan.bound_bytes
    inputs = sample_inputs(graph, 3, seed=5)
    got = HostModel(program, poison=True).run(*inputs)
    assert_same_outputs(got, reference_outputs(graph, *inputs), *inputs)


@pytest.mark.parametrize("resolution", [48, 96, 128, 160, 224])
@pytest.mark.parametrize("width", [0.25, 0.5, 1.0])
def test_mobilenet_v1_needs_at_most_the_overlap_bound(width: float, resolution: int) -> None:
    assert_near_overlap_bound(mobilenet_v1(width, resolution))


@pytest.mark.parametrize("resolution", [48, 96, 128, 160, 224])
def test_mobilenet_v2_needs_at_most_the_overlap_bound(resolution: int) -> None:
    assert_near_overlap_bound(mobilenet_v2(resolution))


def assert_near_overlap_bound(network: Network) -> None:
    the_plan = plan(network)
    assert the_plan.arena_bytes <= peaks(network, the_plan).total["overlap"] * 1.05 + 1024
    assert the_plan.arena_bytes == the_plan.bound_bytes
