"""Generated ADD kernels on a simulated Cortex-M7 equal firmware/kernels/add.c."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from benchmarks.kernels.arm_function import ArmFunction, Call
from mcu_nas.compiler.generators.add_words import add_words
from mcu_nas.compiler.generators.generated import GeneratedKernel, Refusal
from mcu_nas.compiler.generators.sum_line import AddLayer
from mcu_nas.compiler.requantize import add_multipliers
from mcu_nas.graph import Quantization
from tests.compiler.generators.portable_add import portable_add

ALL_PAIRS = np.arange(-128, 128, dtype=np.int8)
SCALES = (0.023718, 0.031149, 0.040213)


def layer_of(
    count: int,
    scales: tuple[float, float, float],
    zero_points: tuple[int, int, int] = (3, -7, 11),
    clamp: tuple[int, int] = (-128, 127),
) -> AddLayer:
    """Scales and zero points of a, b, and the output."""
    a, b, output = (Quantization((float(np.float32(scale)),), (0,)) for scale in scales)
    first, second, sums = add_multipliers(a, b, output)
    return AddLayer(count, zero_points[:2], (first, second), sums, zero_points[2], *clamp)


def run(kernel: GeneratedKernel, a: np.ndarray, b: np.ndarray, align: tuple[int, ...] = (1, 1, 4, 1)) -> Call:
    call = ArmFunction(kernel.assembly, kernel.symbol)(a, np.zeros_like(a), kernel.constants, b, align=align)
    assert call.stack_bytes <= kernel.stack_bytes < call.stack_bytes + 8
    return call


@settings(max_examples=20, deadline=None)
@given(
    scale=st.floats(1e-3, 1.0),
    ratios=st.tuples(st.floats(0.1, 10.0), st.floats(0.5, 4.0)),
    zero_points=st.tuples(*[st.integers(-128, 127)] * 3),
    clamp=st.tuples(st.integers(-128, 126), st.integers(0, 255)),
    count=st.integers(1, 67),
    seed=st.integers(0, 999),
)
def test_random_layers_give_the_portable_kernels_outputs(scale, ratios, zero_points, clamp, count, seed):
    low, span = clamp
    scales = (scale, scale * ratios[0], scale * max(ratios[0], 1) * ratios[1])
    layer = layer_of(count, scales, zero_points, (low, min(low + span + 1, 127)))
    try:
        kernel = add_words(layer, "add")
    except Refusal:
        assume(False)
    a, b = np.random.default_rng(seed).integers(-128, 128, (2, count), dtype=np.int8)
    np.testing.assert_array_equal(run(kernel, a, b).arrays[1], portable_add(layer, a, b))


@pytest.mark.parametrize(
    "scales",
    [
        SCALES,
        (SCALES[1], SCALES[0], SCALES[2]),
        (0.01, 0.01, 0.01),
        (0.01, 0.01, 0.02),  # every odd sum is a tie
        (0.25, 0.5, 0.5),
        (0.5, 0.125, 1.0),
        (0.01, 0.01, 0.0004),  # saturates
        (0.01, 0.01, 3.0),
        (0.009765342809259892, 0.061808668076992035, 0.04365222156047821),  # only a neighbour is exact
    ],
    ids=str,
)
@pytest.mark.parametrize("zero_points", [(3, -7, 11), (0, 0, 0), (-128, 127, -128)], ids=str)
def test_the_line_is_exact_for_all_pairs_of_bytes(scales, zero_points):
    layer = layer_of(256 * 256, scales, zero_points)
    a, b = np.repeat(ALL_PAIRS, 256), np.tile(ALL_PAIRS, 256)
    kernel = add_words(layer, "add")
    expected = portable_add(layer, a, b)
    np.testing.assert_array_equal(layer.outputs.reshape(-1), expected)
    part = np.random.default_rng(1).permutation(a.size)[:4096]
    got = run(add_words(replace(layer, count=part.size), "add"), a[part], b[part]).arrays[1]
    np.testing.assert_array_equal(got, expected[part])
    assert kernel.constants.size == 4


@pytest.mark.parametrize("count", [*range(1, 18), 64])
def test_every_number_of_elements(count):
    layer = layer_of(count, SCALES)
    a, b = np.random.default_rng(count).integers(-128, 128, (2, count), dtype=np.int8)
    np.testing.assert_array_equal(run(add_words(layer, "add"), a, b).arrays[1], portable_add(layer, a, b))


@pytest.mark.parametrize("clamp", [(-128, 20), (11, 127), (11, 90), (-100, -3), (5, 6)], ids=str)
def test_narrow_clamps(clamp):
    layer = layer_of(1024, SCALES, clamp=clamp)
    a, b = np.random.default_rng(2).integers(-128, 128, (2, 1024), dtype=np.int8)
    np.testing.assert_array_equal(run(add_words(layer, "add"), a, b).arrays[1], portable_add(layer, a, b))


@pytest.mark.parametrize("align", [(1, 2, 4, 1), (2, 1, 4, 4), (4, 4, 4, 2), (4, 1, 4, 1)], ids=str)
def test_no_tensor_needs_alignment(align):
    layer = layer_of(23, SCALES)
    a, b = np.random.default_rng(3).integers(-128, 128, (2, 23), dtype=np.int8)
    got = run(add_words(layer, "add"), a, b, align).arrays[1]
    np.testing.assert_array_equal(got, portable_add(layer, a, b))


@pytest.mark.parametrize("place", ["a", "b", "both"])
@pytest.mark.parametrize("count", [16, 31])
def test_the_output_may_be_an_operand(place, count):
    layer = layer_of(count, SCALES)
    a, b = np.random.default_rng(4).integers(-128, 128, (2, count), dtype=np.int8)
    b = a if place == "both" else b
    kernel = add_words(layer, "add")
    moves = {"a": "mov r1, r0", "b": "mov r1, r3", "both": "mov r1, r0; mov r3, r0"}[place]
    entry = f"\n.global in_place\n.thumb_func\nin_place:\n{moves}\nb.w add\n"
    call = ArmFunction(str(kernel.assembly) + entry, "in_place")(
        a, 0, kernel.constants, 0 if place == "both" else b, align=(1, 4, 1)
    )
    got = call.arrays[2 if place == "b" else 0]
    np.testing.assert_array_equal(got, portable_add(layer, a, b))


def test_layers_of_other_sizes_run_one_function():
    small, large = (add_words(layer_of(count, SCALES), "add") for count in (64, 4096))
    assert small.assembly == large.assembly


def test_an_element_takes_less_than_six_instructions():
    layer = layer_of(1024, SCALES)
    a, b = np.random.default_rng(5).integers(-128, 128, (2, 1024), dtype=np.int8)
    assert run(add_words(layer, "add"), a, b).instructions < 5.8 * 1024


def test_ties_that_no_line_rounds_are_refused():
    """At 2 : 3, TFLM's first rounding decides ties one way or the other."""
    layer = layer_of(4, (0.02, 0.03, 0.04))
    with pytest.raises(Refusal, match="no straight line"):
        add_words(layer, "add")


def test_factors_that_leave_32_bits_are_refused():
    with pytest.raises(Refusal, match="sums leave 32 bits"):
        add_words(layer_of(4, (1.0, 1.0, 2.0**-17)), "add")
