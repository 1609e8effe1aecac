"""Layers that need the same instructions run one copy of them."""

from __future__ import annotations

import re

import numpy as np
import pytest

from mcu_nas.compiler.emit_kernels import emit_kernels
from mcu_nas.compiler.generators.depthwise_nhwc import depthwise_nhwc
from mcu_nas.compiler.generators.depthwise_planes import DepthwiseLayer
from mcu_nas.compiler.generators.formats import Planes
from mcu_nas.compiler.generators.pointwise_lanes import pointwise_lanes
from mcu_nas.compiler.generators.pointwise_layer import PointwiseLayer
from mcu_nas.compiler.generators.requantization import Requantization
from mcu_nas.compiler.planner import Optimize
from mcu_nas.compiler.program import Program, compile_graph
from mcu_nas.compiler.target import Target, targets
from mcu_nas.operators import Activation
from mcu_nas.quantize.synthetic import random_graph
from mcu_nas.spaces.builder import NetworkBuilder

TARGETS = targets("cortex-m7")[:2]


def separable(target: Target, inputs: int, *channels: int) -> Program:
    """Depthwise convolutions of 8 x 8 pixels, each before a pointwise one to so many channels."""
    builder = NetworkBuilder()
    x = builder.input("x", (1, 8, 8, inputs))
    for number, outputs in enumerate(channels):
        x = builder.depthwise(f"depthwise{number}", x, 3, 1, Activation.RELU6)
        x = builder.conv(f"pointwise{number}", x, outputs, 1, 1, Activation.RELU6)
    graph = random_graph(builder.build(x), np.random.default_rng(7))
    return compile_graph(graph, "model", "0" * 16, optimize=Optimize.SPEED, target=target)


def symbols(program: Program) -> list[str]:
    return [kernel.symbol for kernel in program.generated]


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.weights)
def test_layers_of_one_shape_run_one_function(target: Target) -> None:
    program = separable(target, 16, 16, 16, 16)
    assert [call.generated is not None for call in program.calls] == [True] * 6
    assert symbols(program)[::2] == ["model_layer_00"] * 3
    text = emit_kernels(program)
    assert "@ Layers 0, 2, 4." in text
    assert text.count("bl model_layer_00_compute") == 1
    assert "layer_02" not in text


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.weights)
def test_every_function_of_the_file_is_another(target: Target) -> None:
    bodies = re.findall(
        r"%function\n\S+:\n(.*?)\.size", emit_kernels(separable(target, 16, 32, 32)), re.DOTALL
    )
    assert len(bodies) > 5
    assert len(bodies) == len(set(bodies))


def test_a_local_function_is_shared_where_the_rest_differs() -> None:
    program = separable(TARGETS[0], 16, 32, 16)
    first, second = (str(program.generated[number].assembly) for number in (0, 2))
    assert "model_layer_00_border:" in first
    assert "bl model_layer_00_border" in second
    assert "_border:" not in second
    assert "model_layer_02_compute:" in second


def test_layers_of_other_shapes_have_their_own_functions() -> None:
    assert len(set(symbols(separable(TARGETS[0], 16, 32, 64, 16)))) == 6


def test_shared_functions_change_no_constant() -> None:
    arrays = [kernel.constants for kernel in separable(TARGETS[0], 16, 16, 16).generated]
    assert not np.array_equal(arrays[0], arrays[2])


def factors(channels: int, shifts: tuple[int, ...]) -> Requantization:
    rng = np.random.default_rng(shifts)
    multipliers = rng.integers(2**30, 2**31, channels)
    return Requantization(multipliers, -rng.choice(shifts, channels), -128, -128)


def test_pointwise_layers_of_other_factors_run_one_function() -> None:
    weights = np.random.default_rng(0).integers(-50, 51, (12, 16)).astype(np.int8)
    bias = np.zeros(12, np.int64)
    texts = set()
    for shifts in ((5, 6), (6, 7, 8), (8, 9)):
        asked = factors(12, shifts)
        layer = PointwiseLayer(20, weights, bias, 3, asked.multipliers, asked.shifts, -128)
        texts.add(str(pointwise_lanes(layer, "kernel").assembly))
    assert len(texts) == 1


def test_depthwise_layers_of_other_factors_run_one_function() -> None:
    planes = Planes(8, 6, 6, 1, 1, 1, 1, zero_point=-128)
    weights = np.random.default_rng(0).integers(-127, 128, (3, 3, 8)).astype(np.int8)
    texts = set()
    for shifts in ((5,), (5, 6), (6, 7, 8), (8, 9)):
        layer = DepthwiseLayer(planes, weights, np.zeros(8, np.int64), 1, factors(8, shifts))
        texts.add(str(depthwise_nhwc(layer, "kernel").assembly))
    assert len(texts) == 1


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.weights)
def test_winograd_layers_of_as_many_inputs_share_transform_and_products(target: Target) -> None:
    builder = NetworkBuilder()
    x = builder.input("x", (1, 12, 12, 8))
    for number, outputs in enumerate((8, 12)):
        x = builder.conv(f"conv{number}", x, outputs, 3, 1, Activation.RELU6)
    graph = random_graph(builder.build(x), np.random.default_rng(7))
    program = compile_graph(graph, "model", "0" * 16, optimize=Optimize.SPEED, target=target)
    assert [call.kernel.name.startswith("winograd") for call in program.calls] == [True, True]
    assert len({kernel.symbol for kernel in program.generated}) == 2
    text = emit_kernels(program)
    for function in ("input", "products"):
        assert text.count(f"_{function}:") == 1
        assert text.count(f"bl model_layer_00_{function}") == 2
