"""Every requantization form computes what TFLite Micro computes, in numpy and as instructions."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.kernels.arm_function import ArmFunction
from mcu_nas.compiler.generators.generated import Refusal
from mcu_nas.compiler.generators.requantization import (
    Requantization,
    Rescaling,
    instructions,
    largest_sums,
    rescaled,
    rescaling,
)
from mcu_nas.compiler.generators.uniform_rescaling import uniform_rescaling
from mcu_nas.compiler.int8_arithmetic import scaled
from mcu_nas.compiler.requantize import Multiplier

CHANNELS = 24
LARGEST = 1 << 20  # of the sums tried, as large as 64 inputs give


def reference(layer: Requantization, sums: np.ndarray) -> np.ndarray:
    """TFLM's outputs of int64 sums (count, channels)."""
    factors = zip(layer.multipliers.tolist(), layer.shifts.tolist(), strict=True)
    columns = [scaled(sums[:, n], [Multiplier(*factor)]) for n, factor in enumerate(factors)]
    return np.clip(np.stack(columns, 1) + layer.zero_point, layer.minimum, layer.maximum)


def layers(shifts: tuple[int, ...], zero_point: int, minimum: int, maximum: int = 127) -> Requantization:
    """Random multipliers, and those whose ties are most frequent: 2^30, few bits, the largest, 0."""
    rng = np.random.default_rng([len(shifts), zero_point + 128])
    multipliers = rng.integers(2**30, 2**31, CHANNELS)
    few_bits = [2**30, 3 << 29, 5 << 28, 7 << 28, 2**31 - 1, 2**30 + 1, (2**31 - 2**20), 0]
    multipliers[: len(few_bits)] = few_bits
    return Requantization(multipliers, -rng.choice(shifts, CHANNELS), zero_point, minimum, maximum)


def sums_of(layer: Requantization, count: int = 6_000) -> np.ndarray:
    """Around every step of the outputs and every tie, small ones, the extremes, and random ones."""
    rng = np.random.default_rng(3)
    near = np.arange(-130, 131)[:, None] * 2.0**-layer.shifts - 2.0 ** (-layer.shifts - 1)
    exact = np.rint(near * 2.0**31 / np.maximum(layer.multipliers, 2**30)).astype(np.int64)
    around = (exact[None] + np.arange(-3, 4)[:, None, None]).reshape(-1, CHANNELS)
    small = np.broadcast_to(np.arange(-600, 601)[:, None], (1201, CHANNELS))
    extremes = np.broadcast_to(np.array([[-LARGEST], [LARGEST]]), (2, CHANNELS))
    random = rng.integers(-LARGEST, LARGEST + 1, (count, CHANNELS))
    middle = rng.normal(0, 64.0 * 2.0**-layer.shifts, (count, CHANNELS)).astype(np.int64)
    return np.clip(np.concatenate([around, small, extremes, random, middle]), -LARGEST, LARGEST)


def assert_equal(layer: Requantization, form: Rescaling) -> None:
    sums = sums_of(layer)
    got, expected = rescaled(form, sums), reference(layer, sums)
    wrong = np.argwhere(got != expected)
    if wrong.size:
        row, n = wrong[0]
        pytest.fail(
            f"sum {sums[row, n]}, multiplier {layer.multipliers[n]}, shift {layer.shifts[n]}: "
            f"{got[row, n]}, TFLM gives {expected[row, n]}"
        )


BOUND = np.full(CHANNELS, LARGEST)


@pytest.mark.parametrize("scale_bits", [1, 2, 7, 10])
@pytest.mark.parametrize("shifts", [(0,), (1,), (0, 1, 2), (5, 6, 7, 8, 9), (12,)])
def test_half_up_is_exact_where_the_clamp_hides_ties(scale_bits: int, shifts: tuple[int, ...]) -> None:
    layer = layers(shifts, -128, -128)
    assert_equal(layer, rescaling(layer, BOUND, scale_bits))


@pytest.mark.parametrize("scale_bits", [1, 2, 7])
@pytest.mark.parametrize("zero_point", [-128, -7, 0, 3, 127])
@pytest.mark.parametrize("shifts", [(0,), (1,), (2, 3), (5, 6, 7, 8, 9), (12,)])
def test_ties_away_is_exact_for_any_zero_point(
    scale_bits: int, zero_point: int, shifts: tuple[int, ...]
) -> None:
    layer = layers(shifts, zero_point, -128)
    form = rescaling(layer, BOUND, scale_bits)
    assert_equal(layer, form)
    assert form.ties_away == (zero_point > -128 and shifts != (0,))


@pytest.mark.parametrize(
    ("zero_point", "minimum", "maximum"), [(-100, -100, 127), (-128, -128, 64), (4, -9, 11)]
)
def test_narrow_clamps_are_exact(zero_point: int, minimum: int, maximum: int) -> None:
    layer = layers((6, 7), zero_point, minimum, maximum)
    assert_equal(layer, rescaling(layer, BOUND, 1))


@pytest.mark.parametrize("scale_bits", [4, 10])
@pytest.mark.parametrize("shifts", [(8,), (7, 8), (8, 9, 10), (6, 31)])
def test_uniform_final_shift_is_exact_for_every_sum_within_the_bound(
    scale_bits: int, shifts: tuple[int, ...]
) -> None:
    layer = layers(shifts, -128, -128)
    form = uniform_rescaling(layer, BOUND, scale_bits)
    assert form is not None
    assert form.final_shift in (5 + scale_bits - 1, min(shifts) + scale_bits - 1)
    assert_equal(layer, form)


@pytest.mark.parametrize("scale_bits", [8, 10])
def test_layers_of_other_factors_have_the_same_final_shift(scale_bits: int) -> None:
    forms = [uniform_rescaling(layers(e, -128, -128), BOUND, scale_bits) for e in ((5, 6), (6, 7, 8), (8,))]
    assert [form and form.final_shift for form in forms] == [scale_bits + 4] * 3


def test_a_layer_for_which_the_common_final_shift_is_too_coarse_keeps_its_own() -> None:
    layer = layers((13,), -128, -128)
    form = uniform_rescaling(layer, BOUND, 10)
    assert form is not None
    assert form.final_shift == 13 + 9
    assert_equal(layer, form)


def test_no_uniform_final_shift_where_a_step_would_move() -> None:
    layer = layers((1, 12), -128, -128)
    assert uniform_rescaling(layer, BOUND, 10) is None


def test_half_up_would_be_wrong_where_ties_show() -> None:
    layer = layers((6,), 0, -128)
    form = rescaling(layer, BOUND, 1)
    wrong = Rescaling(form.scale_bits, form.multipliers, form.constants, form.final_shifts, False)
    assert (rescaled(wrong, sums_of(layer)) != reference(layer, sums_of(layer))).any()


@pytest.mark.parametrize(
    ("layer", "largest", "scale_bits", "reason"),
    [
        (Requantization(np.array([2**30]), np.array([1]), 0), 1000, 1, "factor of 1 or more"),
        (Requantization(np.array([2**30]), np.array([-5]), 0), 1 << 30, 1, "scaled sum may leave"),
        (Requantization(np.array([2**30]), np.array([-5]), 0, 1, 127), 1000, 1, "clamped to"),
        (Requantization(np.array([2**30]), np.array([-25]), -128), 1000, 10, "longer than 31"),
        (Requantization(np.array([2**30]), np.array([-25]), -128), 1000, 1, "times its multiplier"),
    ],
)
def test_what_has_no_exact_form_is_refused(
    layer: Requantization, largest: int, scale_bits: int, reason: str
) -> None:
    with pytest.raises(Refusal, match=reason):
        rescaling(layer, np.array([largest]), scale_bits)


def test_largest_sum_is_reached_by_the_worst_inputs() -> None:
    weights = np.array([[[-128, 3]], [[0, 5]]], np.int8)
    assert largest_sums(weights, np.array([-7, 9])).tolist() == [7 + 128 * 131, 9 + 128 * 5]


FORMS = [
    (layers((6, 7), -128, -128), 10, True),
    (layers((6,), -128, -128), 1, False),
    (layers((5, 9), -3, -128), 1, False),
    (layers((6,), -3, -128), 1, False),
    (layers((0,), -3, -128), 1, False),
    (layers((6, 7), 4, -9, 11), 1, False),
    (layers((5, 9), -3, -128), 6, False),
]


@pytest.mark.parametrize(("layer", "scale_bits", "uniform"), FORMS)
def test_instructions_compute_what_the_model_says(
    layer: Requantization, scale_bits: int, uniform: bool
) -> None:
    form = (uniform_rescaling if uniform else rescaling)(layer, BOUND, scale_bits)
    assert form is not None
    # r0 sums, r1 outputs, r2 rows of m, C, E, low, high, 2^k, one a sum, r3 count
    registers = {"temporary": "r7", "final": "" if uniform else "r8", "low": "r9", "high": "r10"}
    body = "\n    ".join(instructions(form, "r4", "r5", "r6", **registers, sign_unit="r11"))
    function = ArmFunction(
        f"""
    .syntax unified
    .thumb
    .text
    .global rescale
    .thumb_func
rescale:
    push {{r3-r11, lr}}
    mov r11, #{1 << scale_bits - 1}
1:  ldr r4, [r0], #4
    ldm r2!, {{r5, r6, r8, r9, r10, r11}}
    {body}
    str r4, [r1], #4
    subs r3, #1
    bne 1b
    pop {{r3-r11, pc}}
""",
        "rescale",
    )
    rows = sums_of(layer, 300)[::7]
    parameters = [form.multipliers, form.constants, form.final_shifts]
    parameters += [np.full(CHANNELS, form.low), np.full(CHANNELS, form.high), 1 << (form.scale_bits - 1)]
    table = np.broadcast_to(np.stack(parameters, 1), (len(rows), CHANNELS, 6)).astype(np.uint32).copy()
    scaled_sums = (rows << scale_bits).astype(np.int32)
    call = function(scaled_sums, np.zeros_like(scaled_sums), table, scaled_sums.size)
    assert np.array_equal(call.arrays[1], rescaled(form, rows))
