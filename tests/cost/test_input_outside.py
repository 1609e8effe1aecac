"""The arena beside an input that lies in a caller's buffer."""

from __future__ import annotations

import numpy as np
import pytest

from mcu_nas.compiler.planner import Optimize, plan
from mcu_nas.cost.input_outside import arena_without_input
from mcu_nas.network import Network
from mcu_nas.operators import Activation
from mcu_nas.spaces.builder import NetworkBuilder
from mcu_nas.spaces.space import mbconv_space

plans = pytest.mark.parametrize("optimize", list(Optimize))


def stem_and_classifier(pixels: int, channels: int) -> Network:
    """A convolution that reads a large input, and a small rest."""
    builder = NetworkBuilder()
    x = builder.input("pixels", (1, pixels, pixels, 3))
    x = builder.conv("stem", x, channels, 3, 2, Activation.RELU6)
    return builder.build(builder.fully_connected("classifier", builder.mean("mean", x), 10))


@plans
def test_large_input_leaves_what_the_first_layer_writes_and_the_rest(optimize: Optimize) -> None:
    network = stem_and_classifier(32, 4)
    written, averages = 16 * 16 * 4, 4
    assert plan(network, optimize).arena_bytes >= 32 * 32 * 3
    assert arena_without_input(network, plan(network, optimize)) == written + averages


@plans
def test_never_more_than_with_the_input_nor_less_by_more_than_it(optimize: Optimize) -> None:
    space, rng = mbconv_space(28, 1, 10, widths=(0.2, 0.5)), np.random.default_rng(5)
    for _ in range(20):
        network = space.lower(space.sample(rng))
        whole = plan(network, optimize).arena_bytes
        without = arena_without_input(network, plan(network, optimize))
        assert without is not None
        assert whole - network.tensors[network.inputs[0]].bytes <= without <= whole


def test_peak_that_lies_elsewhere_is_the_same_with_and_without_the_input() -> None:
    space = mbconv_space(28, 1, 10, resolutions=(28,), widths=(1.0,))
    network = space.lower(space.largest())
    assert arena_without_input(network, plan(network)) == plan(network).arena_bytes


def test_input_that_is_read_again_has_no_such_figure() -> None:
    builder = NetworkBuilder()
    x = builder.input("pixels", (1, 8, 8, 4))
    y = builder.conv("one", x, 4, 3, 1, Activation.NONE)
    network = builder.build(builder.add("sum", x, y))
    assert arena_without_input(network, plan(network)) is None
