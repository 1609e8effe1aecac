"""Layers that need the same instructions run one copy of them."""

from __future__ import annotations

import re

import numpy as np
import pytest

from mcu_nas.compiler.emit_kernels import emit_kernels
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
