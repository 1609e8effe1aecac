"""Winograd convolutions that transform weights at run time equal firmware/kernels/conv.c, bit for bit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mcu_nas.compiler.generators.generated import Refusal
from mcu_nas.compiler.generators.winograd import winograd
from mcu_nas.compiler.generators.winograd_bytes import winograd_bytes
from mcu_nas.compiler.generators.winograd_layer import WinogradLayer
from mcu_nas.compiler.generators.winograd_transforms import F2, F4, Transform
from mcu_nas.compiler.overlaps import tile_lag
from tests.compiler.generators.in_place import run_in_place
from tests.compiler.generators.test_winograd import (
    ANY_SIGN,
    RECTIFIED,
    TRANSFORMS,
    expected,
    image_of,
    layer_of,
    run,
)

ORDERS = pytest.mark.parametrize("descending", [False, True])


def tiles_of(layer: WinogradLayer, transform: Transform) -> int:
    """Tiles of the image, an even number."""
    m = transform.outputs
    tiles = -(-layer.out_height // m) * -(-layer.out_width // m)
    return tiles + tiles % 2


def assert_equal(layer: WinogradLayer, transform: Transform, tiles: int, *, descending: bool = False) -> None:
    tiles = min(tiles, tiles_of(layer, transform))
    kernel = winograd_bytes(layer, transform, "layer_3", tiles, descending=descending)
    image = image_of(layer)
    call = run(kernel, layer, image, (1, 1))
    want = expected(layer, image)
    wrong = np.argwhere(call.arrays[1] != want)
    if wrong.size:
        where = tuple(wrong[0])
        pytest.fail(f"{len(wrong)} differ, first {where}: {call.arrays[1][where]}, portable {want[where]}")
    assert np.array_equal(call.arrays[0], image)
    assert kernel.stack_bytes - 8 < call.stack_bytes <= kernel.stack_bytes  # a byte may equal the fill


@TRANSFORMS
@ORDERS
@pytest.mark.parametrize("tiles", [2, 4, 6, 100])
def test_groups_of_any_size(transform: Transform, tiles: int, descending: bool) -> None:
    assert_equal(layer_of(11, 13, 8, 4), transform, tiles, descending=descending)


@TRANSFORMS
@pytest.mark.parametrize("zero_point", [RECTIFIED, ANY_SIGN])
@pytest.mark.parametrize("same", [True, False], ids=["SAME", "VALID"])
def test_padding_and_signs(transform: Transform, zero_point: int, same: bool) -> None:
    assert_equal(layer_of(9, 7, 8, 3, same=same, zero_point=zero_point), transform, 4)


@TRANSFORMS
@pytest.mark.parametrize("channels", [(4, 1), (12, 2), (16, 3), (28, 4), (36, 7), (260, 2)])
def test_every_remainder_of_channels_and_length_of_rounds(
    transform: Transform, channels: tuple[int, int]
) -> None:
    layer = layer_of(6, 6, *channels, zero_point=ANY_SIGN)
    assert_equal(replace(layer, weights=layer.weights // (1 + channels[0] // 64)), transform, 4)


@TRANSFORMS
@pytest.mark.parametrize("weight", [-128, 127])
def test_extreme_weights(transform: Transform, weight: int) -> None:
    layer = layer_of(6, 5, 8, 2)
    signs = np.random.default_rng(0).choice([1, -1], layer.weights.shape)
    assert_equal(replace(layer, weights=np.full_like(layer.weights, weight)), transform, 2)
    mixed = np.clip(signs * weight, -128, 127).astype(np.int8)
    assert_equal(replace(layer, weights=mixed), transform, 2)


@TRANSFORMS
def test_shifts_too_far_apart_for_one_scaling(transform: Transform) -> None:
    layer = layer_of(6, 6, 16, 4, zero_point=ANY_SIGN)
    asked = replace(layer.requantization, shifts=np.array([-1, -7, -9, -16]))
    assert_equal(replace(layer, requantization=asked), transform, 4)


@settings(max_examples=15, deadline=None)
@given(
    transform=st.sampled_from([F2, F4]),
    size=st.tuples(st.integers(6, 14), st.integers(6, 14)),
    channels=st.tuples(st.sampled_from([4, 8]), st.integers(1, 9)),
    same=st.booleans(),
    tiles=st.sampled_from([2, 4, 6, 10]),
    descending=st.booleans(),
)
@example(F4, (11, 9), (4, 4), True, 4, True)
@example(F4, (12, 16), (4, 4), True, 4, False)
@example(F2, (8, 8), (8, 4), False, 6, True)
def test_output_may_overlap_its_input_at_the_lag_in_both_orders(
    transform: Transform,
    size: tuple[int, int],
    channels: tuple[int, int],
    same: bool,
    tiles: int,
    descending: bool,
) -> None:
    layer = layer_of(*size, *channels, same=same, zero_point=ANY_SIGN)
    tiles = min(tiles, tiles_of(layer, transform))
    image = image_of(layer)
    want = expected(layer, image).reshape(-1)
    lag = tile_lag(*layer.axes, *channels, transform.outputs, tiles)
    kernel = winograd_bytes(layer, transform, "layer_3", tiles, descending=descending)
    got, _ = run_in_place(kernel, image, lag, want.size, descending=descending)
    assert np.array_equal(got, want)


@ORDERS
def test_an_output_nearer_than_the_lag_destroys_inputs(descending: bool) -> None:
    layer = layer_of(14, 14, 4, 4)
    image, nearer = image_of(layer), tile_lag(*layer.axes, 4, 4, 4, 6) - 4
    want = expected(layer, image).reshape(-1)
    kernel = winograd_bytes(layer, F4, "layer_3", 6, descending=descending)
    got, _ = run_in_place(kernel, image, nearer, want.size, descending=descending)
    assert not np.array_equal(got, want)


def test_a_weight_takes_a_byte() -> None:
    layer = layer_of(8, 8, 16, 16)
    bytes_, wide = winograd_bytes(layer, F4, "layer_3", 4), winograd(layer, F4, "layer_3")
    numbers = wide.constants.nbytes - 2 * 36 * 16 * 16
    assert bytes_.constants.nbytes <= layer.weights.size + numbers


@pytest.mark.parametrize("tiles", [0, 3, 6])
def test_a_group_that_is_odd_or_too_large_is_refused(tiles: int) -> None:
    with pytest.raises(Refusal, match="a group of"):
        winograd_bytes(layer_of(8, 8, 4, 2), F4, "layer_3", tiles)
