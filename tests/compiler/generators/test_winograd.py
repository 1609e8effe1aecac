"""Generated Winograd convolutions on a simulated Cortex-M7 equal firmware/kernels/conv.c, bit for bit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from benchmarks.kernels.arm_function import ArmFunction, Call
from mcu_nas.compiler.generators.generated import GeneratedKernel, Refusal
from mcu_nas.compiler.generators.requantization import Requantization
from mcu_nas.compiler.generators.winograd import winograd
from mcu_nas.compiler.generators.winograd_layer import WinogradLayer, tile_order
from mcu_nas.compiler.generators.winograd_transforms import F2, F4, Transform
from mcu_nas.compiler.overlaps import tile_lag
from tests.compiler.generators.in_place import run_in_place
from tests.compiler.generators.portable_conv import portable_conv
from tests.kernels.kernel_driver import Axis

TRANSFORMS = pytest.mark.parametrize("transform", [F2, F4], ids=["F2", "F4"])
RECTIFIED, ANY_SIGN = -128, 5  # output zero points whose clamp hides negative ties, and not


def layer_of(
    height: int,
    width: int,
    inputs: int,
    outputs: int,
    *,
    same: bool = True,
    zero_point: int = RECTIFIED,
    seed: int = 0,
) -> WinogradLayer:
    """Random weights, outputs that fill int8, and multipliers of which some make many ties."""
    rng = np.random.default_rng(seed)
    shift = round(np.log2(74.0 * 74.0 * (9 * inputs) ** 0.5 / 50.0))
    multipliers = rng.integers(2**30, 2**31, outputs)
    multipliers[: min(outputs, 3)] = [2**30, 3 << 29, 0][: min(outputs, 3)]
    return WinogradLayer(
        height=height,
        width=width,
        same=same,
        weights=rng.integers(-128, 128, (outputs, 3, 3, inputs)).astype(np.int8),
        bias=rng.integers(-3000, 3000, outputs),
        input_zero_point=int(rng.integers(-128, 128)),
        requantization=Requantization(multipliers, -shift + rng.integers(-1, 2, outputs), zero_point),
    )


def image_of(layer: WinogradLayer, seed: int = 1) -> np.ndarray:
    shape = (layer.height, layer.width, layer.in_channels)
    return np.random.default_rng(seed).integers(-128, 128, shape).astype(np.int8)


def expected(layer: WinogradLayer, image: np.ndarray) -> np.ndarray:
    y = Axis(layer.height, layer.out_height, 3, 1, layer.pad, 1)
    x = Axis(layer.width, layer.out_width, 3, 1, layer.pad, 1)
    scaling = layer.requantization
    return portable_conv(image, layer.weights, layer.bias, layer.input_zero_point, scaling, (y, x))


def run(kernel: GeneratedKernel, layer: WinogradLayer, image: np.ndarray, align: tuple[int, int]) -> Call:
    out = np.zeros((layer.out_height, layer.out_width, layer.out_channels), np.int8)
    function = ArmFunction(kernel.assembly, kernel.symbol)
    scratch = np.full(kernel.scratch_bytes, 0xA5, np.uint8)
    return function(image, out, kernel.constants, scratch, align=(*align, 4, 4))


def assert_equal(
    layer: WinogradLayer,
    transform: Transform,
    image: np.ndarray,
    align: tuple[int, int] = (1, 1),
    *,
    descending: bool = False,
) -> None:
    kernel = winograd(layer, transform, "layer_3", descending=descending)
    call = run(kernel, layer, image, align)
    want = expected(layer, image)
    wrong = np.argwhere(call.arrays[1] != want)
    if wrong.size:
        where = tuple(wrong[0])
        pytest.fail(f"{len(wrong)} differ, first {where}: {call.arrays[1][where]}, portable {want[where]}")
    assert np.array_equal(call.arrays[0], image)
    assert call.stack_bytes == kernel.stack_bytes


@TRANSFORMS
def test_transforms_compute_a_convolution_in_multiples(transform: Transform) -> None:
    """Aᵀ[(G g Gᵀ) ⊙ (Bᵀ d B)]A = odd² 2^(p_row + p_column) times the correlation."""
    rng = np.random.default_rng(0)
    g, d = rng.integers(-128, 128, (3, 3)), rng.integers(-128, 128, (transform.window,) * 2)
    product = (transform.g @ g @ transform.g.T) * (transform.bt @ d @ transform.bt.T)
    m = transform.outputs
    sums = [[(d[row : row + 3, column : column + 3] * g).sum() for column in range(m)] for row in range(m)]
    powers = 1 << np.add.outer(transform.powers, transform.powers)
    assert np.array_equal(transform.at @ product @ transform.at.T, transform.odd**2 * powers * sums)


def test_lift_adds_the_same_to_every_value_and_keeps_lanes_apart() -> None:
    lifted = np.zeros((6, 6), np.int64)
    lifted[np.ix_(F4.lifted, F4.lifted)] = F4.lift
    assert np.array_equal(F4.bt @ lifted @ F4.bt.T, np.full((6, 6), F4.lift))
    factors = np.einsum("ia,jb->ijab", F4.bt, F4.bt).reshape(36, 36)
    least = F4.lift + 255 * np.minimum(factors, 0).sum(axis=1)
    most = F4.lift + 255 * np.maximum(factors, 0).sum(axis=1)
    assert least.min() >= 0
    assert most.max() < 2**15


@TRANSFORMS
@pytest.mark.parametrize("zero_point", [RECTIFIED, ANY_SIGN])
@pytest.mark.parametrize("same", [True, False], ids=["SAME", "VALID"])
def test_convolution_equals_the_portable_kernel(transform: Transform, zero_point: int, same: bool) -> None:
    layer = layer_of(11, 9, 8, 5, same=same, zero_point=zero_point)
    assert_equal(layer, transform, image_of(layer))


@TRANSFORMS
@pytest.mark.parametrize("size", [(4, 4), (4, 7), (5, 4), (6, 8), (8, 8), (13, 5)])
@pytest.mark.parametrize("descending", [False, True])
def test_every_size_near_a_tiles_edge(transform: Transform, size: tuple[int, int], descending: bool) -> None:
    layer = layer_of(*size, 4, 2, seed=sum(size))
    assert_equal(layer, transform, image_of(layer), descending=descending)


@TRANSFORMS
@pytest.mark.parametrize("channels", [(4, 1), (12, 2), (16, 3), (20, 4), (36, 7)])
def test_every_remainder_of_channels(transform: Transform, channels: tuple[int, int]) -> None:
    layer = layer_of(6, 6, *channels, zero_point=ANY_SIGN)
    assert_equal(layer, transform, image_of(layer))


@TRANSFORMS
def test_many_input_channels_beyond_the_offsets_of_one_instruction(transform: Transform) -> None:
    layer = layer_of(4, 4, 260, 2)
    layer = replace(layer, weights=layer.weights // 4)
    assert_equal(layer, transform, image_of(layer))


@TRANSFORMS
def test_rows_of_outputs_beyond_the_offsets_of_one_instruction(transform: Transform) -> None:
    layer = layer_of(4, 60, 4, 70)
    assert_equal(layer, transform, image_of(layer))


@TRANSFORMS
@pytest.mark.parametrize("align", [(1, 2), (2, 4), (4, 1)])
def test_input_and_output_may_begin_at_any_address(transform: Transform, align: tuple[int, int]) -> None:
    layer = layer_of(6, 6, 4, 3)
    assert_equal(layer, transform, image_of(layer), align)


@TRANSFORMS
@pytest.mark.parametrize("value", [-128, 127, 0])
@pytest.mark.parametrize("weight", [-128, 127, 0])
def test_constant_images_and_weights(transform: Transform, value: int, weight: int) -> None:
    layer = layer_of(6, 5, 8, 2)
    layer = replace(layer, weights=np.full_like(layer.weights, weight))
    assert_equal(layer, transform, np.full_like(image_of(layer), value))


@TRANSFORMS
def test_single_ones(transform: Transform) -> None:
    """An image of one 1 among zero points shows every weight at its place."""
    layer = replace(layer_of(6, 6, 4, 1), bias=np.array([1000]), input_zero_point=0)
    layer = replace(layer, requantization=Requantization(np.array([2**30]), np.array([-1]), 0))
    kernel = winograd(layer, transform, "layer_3")
    for place in [(0, 0, 0), (5, 5, 3), (2, 3, 1), (3, 2, 2)]:
        image = np.zeros((6, 6, 4), np.int8)
        image[place] = 1
        got = run(kernel, layer, image, (1, 1)).arrays[1]
        assert np.array_equal(got, expected(layer, image)), place


@TRANSFORMS
@pytest.mark.parametrize(("zero_point", "minimum", "maximum"), [(-100, -100, 90), (-128, -128, 60)])
def test_narrow_clamps(transform: Transform, zero_point: int, minimum: int, maximum: int) -> None:
    layer = layer_of(6, 6, 4, 3)
    asked = layer.requantization
    narrow = Requantization(asked.multipliers, asked.shifts, zero_point, minimum, maximum)
    layer = replace(layer, requantization=narrow)
    assert_equal(layer, transform, image_of(layer))
    narrow = replace(narrow, shifts=np.array([-1, -16, -9]))  # too far apart for one final shift
    layer = replace(layer, requantization=narrow)
    assert_equal(layer, transform, image_of(layer))


@settings(max_examples=12, deadline=None)
@given(
    transform=st.sampled_from([F2, F4]),
    size=st.tuples(st.integers(6, 12), st.integers(6, 12)),
    channels=st.tuples(st.sampled_from([4, 8, 12]), st.integers(1, 4)),
    same=st.booleans(),
    zero_point=st.sampled_from([-128, -3, 127]),
    seed=st.integers(0, 1000),
)
def test_any_layer(
    transform: Transform,
    size: tuple[int, int],
    channels: tuple[int, int],
    same: bool,
    zero_point: int,
    seed: int,
) -> None:
    layer = layer_of(*size, *channels, same=same, zero_point=zero_point, seed=seed)
    assert_equal(layer, transform, image_of(layer, seed))


@TRANSFORMS
def test_a_sum_at_the_bound_is_exact_and_one_beyond_is_refused(transform: Transform) -> None:
    """|sum| · 2^(1+k) < 2^31 with 1 + k = 6 or 2: the bias reaches what the weights leave of it."""
    bits = 2 * max(transform.powers)
    largest = (1 << (31 - bits)) - 1
    layer = replace(layer_of(6, 6, 4, 1), weights=np.full((1, 3, 3, 4), 127, np.int8), input_zero_point=-128)
    asked = Requantization(np.array([2**31 - 1]), np.array([-17]), RECTIFIED)
    layer = replace(layer, bias=np.array([largest - 36 * 127 * 255]), requantization=asked)
    assert layer.largest_sums() == [largest]
    image = np.full((6, 6, 4), 127, np.int8)
    assert_equal(layer, transform, image)
    with pytest.raises(Refusal, match="scaled sum may leave"):
        winograd(replace(layer, bias=layer.bias + 1), transform, "layer_3")


@settings(max_examples=15, deadline=None)
@given(
    transform=st.sampled_from([F2, F4]),
    size=st.tuples(st.integers(6, 14), st.integers(6, 14)),
    channels=st.tuples(st.sampled_from([4, 8]), st.integers(1, 9)),
    same=st.booleans(),
)
@example(F4, (11, 9), (4, 4), True)
@example(F4, (9, 10), (4, 8), True)
@example(F2, (8, 8), (8, 4), False)
def test_output_may_overlap_its_input_at_the_lag_in_both_orders(
    transform: Transform, size: tuple[int, int], channels: tuple[int, int], same: bool
) -> None:
    """From the same constants, in as many instructions but for one in a hundred."""
    layer = layer_of(*size, *channels, same=same, zero_point=ANY_SIGN)
    image = image_of(layer)
    want = expected(layer, image).reshape(-1)
    lag = tile_lag(*layer.axes, *channels, transform.outputs)
    kernels = [winograd(layer, transform, "layer_3", descending=descending) for descending in (False, True)]
    counts = []
    for descending, kernel in zip((False, True), kernels, strict=True):
        got, call = run_in_place(kernel, image, lag, want.size, descending=descending)
        assert np.array_equal(got, want), f"descending: {descending}"
        counts.append(call.instructions)
    assert np.array_equal(kernels[0].constants, kernels[1].constants)
    assert counts[1] == pytest.approx(counts[0], rel=0.01)


def test_an_output_nearer_than_the_lag_destroys_inputs() -> None:
    layer = layer_of(10, 10, 4, 4)
    image, nearer = image_of(layer), tile_lag(*layer.axes, 4, 4, 4) - 4
    want = expected(layer, image).reshape(-1)
    for descending in (False, True):
        kernel = winograd(layer, F4, "layer_3", descending=descending)
        got, _ = run_in_place(kernel, image, nearer, want.size, descending=descending)
        assert not np.array_equal(got, want)


def test_descending_tiles_begin_at_the_end() -> None:
    layer = layer_of(7, 9, 4, 1)
    ascending, descending = (tile_order(layer, F4, descending=order) for order in (False, True))
    assert (ascending.first, ascending.last) == (descending.last, descending.first) == ((0, 0), (3, 5))
    assert ascending.pairs == descending.pairs == 3


@pytest.mark.parametrize(
    ("layer", "reason"),
    [
        (layer_of(6, 6, 6, 2), "no multiple of 4"),
        (layer_of(3, 8, 4, 2), "smaller than 4×4"),
        (layer_of(5, 5, 4, 2, same=False), "smaller than 4×4"),
        (layer_of(4, 4, 1024, 1), "more than 1020"),
    ],
)
def test_what_it_does_not_serve_is_refused(layer: WinogradLayer, reason: str) -> None:
    with pytest.raises(Refusal, match=reason):
        winograd(layer, F4, "layer_3")


@TRANSFORMS
@pytest.mark.parametrize("zero_point", [RECTIFIED, ANY_SIGN])
def test_shifts_too_far_apart_for_one_scaling(transform: Transform, zero_point: int) -> None:
    layer = layer_of(6, 6, 16, 4, zero_point=zero_point)
    asked = replace(layer.requantization, shifts=np.array([-1, -7, -9, -16]))
    layer = replace(layer, requantization=asked)
    assert_equal(layer, transform, image_of(layer))


def test_a_narrow_clamp_beside_ties_that_show_is_refused() -> None:
    layer = layer_of(6, 6, 4, 2)
    asked = replace(layer.requantization, zero_point=3, minimum=-9, maximum=11)
    with pytest.raises(Refusal, match="narrow clamp"):
        winograd(replace(layer, requantization=asked), F4, "layer_3")
