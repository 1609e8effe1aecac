"""Generated pointwise kernels by blocks of pixels equal the portable one, on a simulated Cortex-M7."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from benchmarks.kernels.arm_function import ArmFunction
from mcu_nas.compiler.generators.generated import Refusal
from mcu_nas.compiler.generators.pointwise_blocks import pointwise_blocks
from mcu_nas.compiler.generators.pointwise_layer import PointwiseLayer
from mcu_nas.compiler.overlaps import group_lag
from mcu_nas.network import WindowAxis
from tests.compiler.generators.in_place import run_in_place
from tests.compiler.generators.portable_pointwise import portable_pointwise
from tests.compiler.generators.test_pointwise_lanes import image_of, layer_of

ORDERS = pytest.mark.parametrize("descending", [False, True])


def assert_equals_portable(layer: PointwiseLayer, block: int, align: int = 1) -> int:
    """Instructions of a call whose outputs are right."""
    image = image_of(layer)
    kernel = pointwise_blocks(layer, "kernel", block)
    out = np.zeros((layer.pixels, layer.outputs), np.int8)
    scratch = np.full(kernel.scratch_bytes, 0xA5, np.uint8)
    function = ArmFunction(kernel.assembly, "kernel")
    call = function(image, out, kernel.constants, scratch, align=(align, align, 4, 4))
    want = portable_pointwise(layer, image)
    wrong = np.argwhere(call.arrays[1] != want)
    if wrong.size:
        where = tuple(wrong[0])
        pytest.fail(f"{len(wrong)} differ, first {where}: {call.arrays[1][where]}, portable {want[where]}")
    assert call.stack_bytes == kernel.stack_bytes
    return call.instructions


@ORDERS
@pytest.mark.parametrize(
    ("pixels", "block"), [(2, 2), (7, 2), (7, 4), (8, 4), (7, 6), (9, 6), (9, 9), (25, 10), (24, 24)]
)
def test_every_remainder_of_pixels(pixels: int, block: int, descending: bool) -> None:
    assert_equals_portable(replace(layer_of(pixels, 5, 4), descending=descending), block)


@ORDERS
@pytest.mark.parametrize("channels", [(1, 3), (4, 127), (4, 128), (33, 5), (72, 3)])
def test_channels_near_quads_triples_and_the_reach_of_a_store(
    channels: tuple[int, int], descending: bool
) -> None:
    assert_equals_portable(replace(layer_of(5, *channels), descending=descending), 4, align=2)


def test_ties_away_from_zero() -> None:
    assert_equals_portable(layer_of(6, 8, 6, shifts=(4, 6), zero_point=5), 4)


def test_a_pointwise_layer_of_a_keyword_spotter_takes_two_thirds_of_an_instruction_a_product() -> None:
    layer = layer_of(125, 64, 64)
    layer = replace(layer, weights=layer.weights // 2)  # unsplit, as trained ones are
    assert assert_equals_portable(layer, 64) <= 0.67 * layer.pixels * layer.weights.size


@settings(max_examples=15, deadline=None)
@given(st.integers(2, 14), st.integers(1, 12), st.integers(3, 12), st.sampled_from([2, 4, 6]), st.booleans())
@example(9, 4, 8, 4, True)
@example(9, 8, 4, 6, False)
def test_output_may_overlap_its_input_at_the_lag_in_both_orders(
    pixels: int, inputs: int, outputs: int, block: int, descending: bool
) -> None:
    layer = replace(layer_of(pixels, inputs, outputs), descending=descending)
    block = min(block, pixels // 2 * 2)
    image = image_of(layer)
    want = portable_pointwise(layer, image).reshape(-1)
    kernel = pointwise_blocks(layer, "kernel", block)
    lag = group_lag(WindowAxis(1, 1, 1, 1, 0, 0), WindowAxis(pixels, 1, 1, 1, 0, 0), inputs, outputs, block)
    got, _ = run_in_place(kernel, image, lag, want.size, descending=descending)
    assert np.array_equal(got, want)


@pytest.mark.parametrize(("outputs", "block"), [(2, 2), (4, 3), (4, 8), (4, 0)])
def test_what_it_does_not_serve_is_refused(outputs: int, block: int) -> None:
    with pytest.raises(Refusal, match=r" outputs: | pixels out of "):
        pointwise_blocks(layer_of(6, 4, outputs), "kernel", block)
