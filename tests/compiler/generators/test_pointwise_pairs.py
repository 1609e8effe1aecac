"""The pointwise kernel of few inputs equals the portable one, on a simulated Cortex-M7."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from benchmarks.kernels.arm_function import ArmFunction
from mcu_nas.compiler.generators.generated import Refusal
from mcu_nas.compiler.generators.pointwise_layer import PointwiseLayer
from mcu_nas.compiler.generators.pointwise_pairs import pointwise_pairs
from mcu_nas.compiler.target import WeightStorage
from tests.compiler.generators.in_place import run_in_place
from tests.compiler.generators.portable_pointwise import portable_pointwise
from tests.compiler.generators.test_pointwise_lanes import image_of, lag_of, layer_of


def assert_equals_portable(
    layer: PointwiseLayer, image: np.ndarray | None = None, align: tuple[int, ...] = ()
) -> None:
    image = image_of(layer) if image is None else image
    for descending, weights in ((False, WeightStorage.WIDE), (True, WeightStorage.BYTES)):
        kernel = pointwise_pairs(replace(layer, descending=descending, weight_storage=weights), "kernel")
        out, scratch = (
            np.zeros((layer.pixels, layer.outputs), np.int8),
            np.zeros(kernel.scratch_bytes, np.uint8),
        )
        done = ArmFunction(kernel.assembly, "kernel")(image, out, kernel.constants, scratch, align=align)
        np.testing.assert_array_equal(done.arrays[1], portable_pointwise(layer, image))
        assert done.stack_bytes <= kernel.stack_bytes


@pytest.mark.parametrize("outputs", [1, 2, 3, 8, 16, 17, 24, 31, 127, 128])
@pytest.mark.parametrize("inputs", [4, 5, 6, 7, 8])
def test_inputs_and_outputs(inputs: int, outputs: int) -> None:
    assert_equals_portable(layer_of(4, inputs, outputs))


@pytest.mark.parametrize("offset", [1, 2])
@pytest.mark.parametrize("pixels", [2, 6, 20])
def test_pairs_of_pixels_at_any_alignment(pixels: int, offset: int) -> None:
    assert_equals_portable(layer_of(pixels, 7, 5), align=(offset, offset))


@pytest.mark.parametrize("inputs", [4, 8])
@pytest.mark.parametrize(
    ("shifts", "zero_point", "minimum", "maximum"),
    [
        ((6, 7), -128, -128, 127),
        ((2, 12), -128, -128, 127),
        ((6,), 5, -128, 127),
        ((4, 6, 7), -9, -128, 127),
        ((0,), 3, -128, 127),
        ((6,), -100, -100, 127),
        ((6,), -128, -128, 50),
        ((2, 12), -128, -128, 50),
        ((5, 7), 4, -20, 33),
        ((5, 7), -20, -20, 33),
    ],
)
def test_every_requantization(
    shifts: tuple[int, ...], zero_point: int, minimum: int, maximum: int, inputs: int
) -> None:
    layer = layer_of(4, inputs, 7, shifts, zero_point)
    assert_equals_portable(replace(layer, output_min=minimum, output_max=maximum))


@pytest.mark.parametrize("weight", [-128, 127])
def test_the_largest_sums(weight: int) -> None:
    layer = layer_of(2, 8, 3, shifts=(9,))
    layer = replace(layer, weights=np.full_like(layer.weights, weight))
    for value in (-128, 127):
        assert_equals_portable(layer, np.full((2, 8), value, np.int8))


@pytest.mark.parametrize("bias", [1 << 20, -(1 << 24), 1 << 28])
def test_large_biases(bias: int) -> None:
    layer = layer_of(2, 8, 3, shifts=(22,))
    assert_equals_portable(replace(layer, bias=np.array([bias, 0, -bias])))


def test_a_bias_beyond_any_form_is_refused() -> None:
    layer = replace(layer_of(2, 8, 3), bias=np.array([0, 1 << 30, 0]))
    with pytest.raises(Refusal, match="output channel 1: the scaled sum"):
        pointwise_pairs(layer, "kernel")


@pytest.mark.parametrize(("pixels", "inputs"), [(3, 8), (4, 3), (4, 9)])
def test_what_does_not_fill_the_registers_is_refused(pixels: int, inputs: int) -> None:
    with pytest.raises(Refusal, match="stay in registers"):
        pointwise_pairs(layer_of(pixels, inputs, 4), "kernel")


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 5), st.integers(4, 8), st.integers(3, 20), st.booleans())
@example(3, 8, 8, True)
@example(3, 4, 8, False)
@example(2, 8, 4, True)
def test_output_may_overlap_its_input_at_the_lag_in_both_orders(
    pairs: int, inputs: int, outputs: int, descending: bool
) -> None:
    layer = replace(layer_of(2 * pairs, inputs, outputs), descending=descending)
    image = image_of(layer)
    want = portable_pointwise(layer, image).reshape(-1)
    kernel = pointwise_pairs(layer, "kernel")
    got, _ = run_in_place(kernel, image, lag_of(layer), want.size, descending=descending)
    assert np.array_equal(got, want)
