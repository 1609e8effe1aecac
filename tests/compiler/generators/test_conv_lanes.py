"""Generated three-lane convolutions on a simulated Cortex-M7 equal firmware/kernels/conv.c, bit for bit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from benchmarks.kernels.arm_function import ArmFunction
from mcu_nas.compiler.generators.conv_blocks import conv_blocks
from mcu_nas.compiler.generators.conv_lanes import conv_lanes
from mcu_nas.compiler.generators.conv_layer import ConvLayer
from mcu_nas.compiler.generators.generated import GeneratedKernel, Refusal
from mcu_nas.compiler.generators.requantization import Requantization
from mcu_nas.compiler.overlaps import block_lag, group_lag
from tests.compiler.generators.in_place import run_in_place
from tests.compiler.generators.portable_conv import portable_conv
from tests.kernels.kernel_driver import Axis

Pair = tuple[int, int]
RECTIFIED, ANY_SIGN = -128, 5  # output zero points whose clamp hides negative ties, and not


def layer_of(
    image: Pair,
    channels: Pair,
    window: Pair = (3, 3),
    stride: Pair = (2, 2),
    *,
    same: bool = True,
    zero_point: int = RECTIFIED,
    seed: int = 0,
) -> ConvLayer:
    """Random weights, outputs that fill int8, TFLite's padding."""
    rng = np.random.default_rng(seed)
    inputs, outputs = channels
    out, pad = [], []
    for size, taps, step in zip(image, window, stride, strict=True):
        count = -(-size // step) if same else (size - taps) // step + 1
        out.append(count)
        pad.append(max((count - 1) * step + taps - size, 0) // 2 if same else 0)
    shift = round(np.log2(74.0 * 74.0 * (window[0] * window[1] * inputs) ** 0.5 / 50.0))
    factors = (rng.integers(2**30, 2**31, outputs), -shift + rng.integers(-1, 2, outputs))
    return ConvLayer(
        image=image,
        out=(out[0], out[1]),
        stride=stride,
        pad=(pad[0], pad[1]),
        weights=rng.integers(-128, 128, (outputs, *window, inputs)).astype(np.int8),
        bias=rng.integers(-3000, 3000, outputs),
        input_zero_point=int(rng.integers(-128, 128)),
        requantization=Requantization(*factors, zero_point),
    )


def image_of(layer: ConvLayer, seed: int = 1) -> np.ndarray:
    shape = (*layer.image, layer.in_channels)
    return np.random.default_rng(seed).integers(-128, 128, shape).astype(np.int8)


def expected(layer: ConvLayer, image: np.ndarray) -> np.ndarray:
    y, x = (
        Axis(layer.image[axis], layer.out[axis], layer.window[axis], layer.stride[axis], layer.pad[axis], 1)
        for axis in (0, 1)
    )
    scaling = layer.requantization
    return portable_conv(image, layer.weights, layer.bias, layer.input_zero_point, scaling, (y, x))


def assert_equal(layer: ConvLayer, image: np.ndarray, *, align: int = 1) -> None:
    check(conv_lanes(layer, "layer_3"), layer, image, align)


def check(kernel: GeneratedKernel, layer: ConvLayer, image: np.ndarray, align: int = 1) -> int:
    """The bytes of stack that a kernel used, whose outputs are right."""
    out = np.zeros((*layer.out, layer.out_channels), np.int8)
    scratch = np.full(kernel.scratch_bytes, 0xA5, np.uint8)
    function = ArmFunction(kernel.assembly, kernel.symbol)
    call = function(image, out, kernel.constants, scratch, align=(align, align, 4, 4))
    want = expected(layer, image)
    wrong = np.argwhere(call.arrays[1] != want)
    if wrong.size:
        where = tuple(wrong[0])
        pytest.fail(f"{len(wrong)} differ, first {where}: {call.arrays[1][where]}, portable {want[where]}")
    assert call.stack_bytes <= kernel.stack_bytes
    return call.stack_bytes


@pytest.mark.parametrize("same", [True, False], ids=["SAME", "VALID"])
@pytest.mark.parametrize("stride", [(1, 1), (2, 2), (1, 2), (3, 2)])
@pytest.mark.parametrize("window", [(1, 1), (3, 3), (2, 5)])
def test_windows_and_strides(window: Pair, stride: Pair, same: bool) -> None:
    layer = layer_of((9, 10), (4, 4), window, stride, same=same)
    assert_equal(layer, image_of(layer))


@pytest.mark.parametrize("channels", [(1, 3), (2, 5), (3, 16), (5, 4), (18, 3), (33, 3)])
def test_every_remainder_of_channels(channels: Pair) -> None:
    layer = layer_of((5, 6), channels, zero_point=ANY_SIGN)
    assert_equal(layer, image_of(layer))


@pytest.mark.parametrize("image", [(3, 3), (1, 4), (7, 1), (2, 5), (8, 8)])
def test_small_and_odd_images(image: Pair) -> None:
    layer = layer_of(image, (4, 3), (3, 3), (1, 1), seed=sum(image))
    assert_equal(layer, image_of(layer))


def test_first_layer_of_a_keyword_spotter() -> None:
    layer = layer_of((13, 10), (1, 8), (10, 4))
    assert_equal(layer, image_of(layer))


@pytest.mark.parametrize("value", [-128, 127])
@pytest.mark.parametrize("weight", [-128, 127, 0])
def test_saturated_images_and_weights_cut_into_segments(value: int, weight: int) -> None:
    layer = layer_of((4, 4), (32, 3))
    layer = replace(layer, weights=np.full_like(layer.weights, weight))
    assert_equal(layer, np.full_like(image_of(layer), value))


@pytest.mark.parametrize("align", [1, 2, 4])
def test_input_and_output_may_begin_at_any_address(align: int) -> None:
    layer = layer_of((6, 6), (4, 4))
    assert_equal(layer, image_of(layer), align=align)


def test_a_pair_at_the_border_needs_the_stated_stack() -> None:
    layer = layer_of((6, 6), (4, 4))
    kernel = conv_lanes(layer, "layer_3")
    assert check(kernel, layer, image_of(layer)) == kernel.stack_bytes


@pytest.mark.parametrize("block", [2, 4, 6, 8])
@pytest.mark.parametrize(("image", "channels"), [((6, 5), (3, 4)), ((5, 5), (4, 5)), ((4, 4), (32, 3))])
def test_blocks_with_weights_of_one_byte(block: int, image: Pair, channels: Pair) -> None:
    layer = layer_of(image, channels, (3, 3), (1, 1), zero_point=ANY_SIGN)
    kernel = conv_blocks(layer, "layer_3", block)
    assert check(kernel, layer, image_of(layer)) == kernel.stack_bytes


def test_blocks_of_the_whole_output_and_of_strided_windows() -> None:
    layer = layer_of((9, 8), (6, 7))
    for block in (4, 14, layer.pixels):
        check(conv_blocks(layer, "layer_3", block), layer, image_of(layer))


@pytest.mark.parametrize("block", [0, 3, 22])
def test_a_block_that_is_odd_or_too_large_is_refused(block: int) -> None:
    with pytest.raises(Refusal, match="a block of"):
        conv_blocks(layer_of((9, 8), (6, 7)), "layer_3", block)


@settings(max_examples=15, deadline=None)
@given(
    image=st.tuples(st.integers(3, 9), st.integers(3, 9)),
    channels=st.tuples(st.integers(1, 9), st.integers(3, 8)),
    window=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    stride=st.tuples(st.integers(1, 3), st.integers(1, 2)),
    same=st.booleans(),
    zero_point=st.sampled_from([-128, -3, 127]),
    seed=st.integers(0, 1000),
)
def test_any_layer(
    image: Pair, channels: Pair, window: Pair, stride: Pair, same: bool, zero_point: int, seed: int
) -> None:
    layer = layer_of(image, channels, window, stride, same=same, zero_point=zero_point, seed=seed)
    if layer.pixels > 1:
        assert_equal(layer, image_of(layer, seed))


@settings(max_examples=20, deadline=None)
@given(
    image=st.tuples(st.integers(3, 9), st.integers(3, 12)),
    channels=st.tuples(st.integers(1, 9), st.integers(3, 8)),
    window=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    stride=st.tuples(st.integers(1, 3), st.integers(1, 2)),
    same=st.booleans(),
    block=st.sampled_from([0, 2, 4, 10]),  # 0: pair by pair, packed weights
)
@example((7, 7), (4, 4), (3, 3), (1, 1), True, 0)
@example((7, 7), (4, 4), (3, 3), (1, 1), True, 10)
@example((9, 12), (4, 8), (3, 3), (2, 2), True, 4)
@example((9, 12), (8, 4), (3, 3), (2, 1), False, 10)
def test_output_may_overlap_its_input_at_the_lag_in_both_orders(
    image: Pair, channels: Pair, window: Pair, stride: Pair, same: bool, block: int
) -> None:
    layer = layer_of(image, channels, window, stride, same=same, zero_point=ANY_SIGN)
    if layer.pixels >= max(block, 2):
        assert_right_in_place(layer, block)


def kernel_of(layer: ConvLayer, block: int, *, descending: bool) -> GeneratedKernel:
    if block:
        return conv_blocks(layer, "layer_3", block, descending=descending)
    return conv_lanes(layer, "layer_3", descending=descending)


def lag_of(layer: ConvLayer, block: int) -> int:
    shape = (*layer.axes, layer.in_channels, layer.out_channels)
    return block_lag(*shape, block) if block else group_lag(*shape)


def assert_right_in_place(layer: ConvLayer, block: int) -> None:
    """Both orders, at the lag, from the same constants."""
    image = image_of(layer)
    want = expected(layer, image).reshape(-1)
    kernels = [kernel_of(layer, block, descending=descending) for descending in (False, True)]
    for descending, kernel in zip((False, True), kernels, strict=True):
        got, _ = run_in_place(kernel, image, lag_of(layer, block), want.size, descending=descending)
        assert np.array_equal(got, want), f"descending: {descending}"
    assert np.array_equal(kernels[0].constants, kernels[1].constants)


@pytest.mark.parametrize("block", [0, 10])
@pytest.mark.parametrize("descending", [False, True])
def test_an_output_nearer_than_the_lag_destroys_inputs(descending: bool, block: int) -> None:
    layer = layer_of((7, 7), (4, 4), (3, 3), (1, 1), zero_point=ANY_SIGN)
    image, nearer = image_of(layer), lag_of(layer, block) - 4
    want = expected(layer, image).reshape(-1)
    kernel = kernel_of(layer, block, descending=descending)
    got, _ = run_in_place(kernel, image, nearer, want.size, descending=descending)
    assert not np.array_equal(got, want)


@pytest.mark.parametrize("block", [0, 8])
def test_descending_order_takes_as_many_instructions_but_for_one_in_a_hundred(block: int) -> None:
    layer = layer_of((8, 8), (8, 8), (3, 3), (1, 1))
    image = image_of(layer)
    counts = []
    for descending in (False, True):
        kernel = kernel_of(layer, block, descending=descending)
        _, call = run_in_place(kernel, image, lag_of(layer, block), layer.pixels * 8, descending=descending)
        counts.append(call.instructions)
    assert counts[1] == pytest.approx(counts[0], rel=0.01)


@pytest.mark.parametrize("block", [0, 4, 10])
@pytest.mark.parametrize("same", [True, False], ids=["SAME", "VALID"])
@pytest.mark.parametrize("image", [(5, 5), (5, 6), (7, 9)])
def test_descending_order_equals_the_portable_kernel(image: Pair, same: bool, block: int) -> None:
    layer = layer_of(image, (3, 4), (3, 3) if same else (2, 2), (1, 1), same=same)
    check(kernel_of(layer, block, descending=True), layer, image_of(layer))


@pytest.mark.parametrize(
    ("layer", "reason"),
    [
        (layer_of((1, 1), (4, 4)), "two pixels"),
        (layer_of((6, 6), (4, 2)), "three output channels"),
        (layer_of((6, 6), (1, 4200)), "farther apart"),
    ],
)
def test_what_it_does_not_serve_is_refused(layer: ConvLayer, reason: str) -> None:
    with pytest.raises(Refusal, match=reason):
        conv_lanes(layer, "layer_3")
