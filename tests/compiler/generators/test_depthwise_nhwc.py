"""Generated depthwise kernels that write the planes of NHWC themselves give the portable kernel's outputs."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from benchmarks.kernels.arm_function import ArmFunction
from mcu_nas.compiler.generators.depthwise_nhwc import depthwise_nhwc
from mcu_nas.compiler.generators.depthwise_plane import depthwise_plane
from mcu_nas.compiler.generators.depthwise_planes import DepthwiseLayer
from mcu_nas.compiler.generators.formats import Format, pairs_from_nhwc
from mcu_nas.compiler.generators.generated import GeneratedKernel, Refusal
from tests.compiler.generators.portable_depthwise import depthwise_layer, portable, random_image, run
from tests.kernels.kernel_driver import KernelDriver


@pytest.fixture(scope="module")
def driver() -> Iterator[KernelDriver]:
    driver = KernelDriver()
    yield driver
    driver.close()


@pytest.mark.parametrize("channels", [4, 5, 6, 7, 12])
@pytest.mark.parametrize(("taps", "stride"), [(3, 1), (3, 2), (5, 1), (7, 2)])
def test_nhwc_input_goes_through_planes_of_four_channels(
    driver: KernelDriver, taps: int, stride: int, channels: int
) -> None:
    rng = np.random.default_rng(14)
    for output in (Format.NHWC, Format.PAIRS):
        layer = depthwise_layer(rng, (8, 12, channels), (taps, taps), stride, output=output)
        image = random_image(rng, layer.planes)
        expected = portable(driver, layer, image)
        if output is Format.PAIRS:
            expected = pairs_from_nhwc(expected.reshape(-1, channels))
        out_align = 1 if output is Format.NHWC else 4
        got = run(depthwise_nhwc(layer, "layer"), image, np.zeros_like(expected), (1, out_align))
        np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("channels", [1, 2, 3, 5])
@pytest.mark.parametrize(("taps", "stride"), [(3, 1), (3, 2), (5, 1), (7, 2)])
def test_nhwc_input_goes_through_the_plane_of_a_channel(
    driver: KernelDriver, taps: int, stride: int, channels: int
) -> None:
    rng = np.random.default_rng(14)
    for output, columns in ((Format.NHWC, 11), (Format.PAIRS, 12)):
        layer = depthwise_layer(rng, (8, columns, channels), (taps, taps), stride, output=output)
        image = random_image(rng, layer.planes)
        expected = portable(driver, layer, image)
        if output is Format.PAIRS:
            expected = pairs_from_nhwc(expected.reshape(-1, channels))
        out_align = 1 if output is Format.NHWC else 4
        got = run(depthwise_plane(layer, "layer"), image, np.zeros_like(expected), (1, out_align))
        np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("same", [True, False])
@pytest.mark.parametrize(("taps", "stride"), [(3, 1), (5, 2), (7, 1)])
def test_the_plane_of_a_channel_has_any_width(
    driver: KernelDriver, taps: int, stride: int, same: bool
) -> None:
    rng = np.random.default_rng(15)
    for columns in (*range(1 if same else taps, 20), 31, 32, 33, 50):
        layer = depthwise_layer(rng, (taps + columns % 3, columns, 2), (taps, taps), stride, same=same)
        image = random_image(rng, layer.planes)
        expected = portable(driver, layer, image)
        got = run(depthwise_plane(layer, "layer"), image, np.zeros_like(expected), (1, 1))
        np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize(("columns", "channels"), [(9, 600), (40, 300), (3, 2047)])
def test_the_pixels_of_a_channel_may_lie_far_apart(driver: KernelDriver, columns: int, channels: int) -> None:
    rng = np.random.default_rng(16)
    layer = depthwise_layer(rng, (2, columns, channels), (3, 3), 1)
    image = random_image(rng, layer.planes)
    expected = portable(driver, layer, image)
    got = run(depthwise_plane(layer, "layer"), image, np.zeros_like(expected), (1, 1))
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("value", [-128, 127])
def test_saturating_layers_are_exact_on_the_plane_of_a_channel(driver: KernelDriver, value: int) -> None:
    for taps, weight in ((3, -128), (7, 127)):
        layer = depthwise_layer(np.random.default_rng(6), (8, 8, 4), (taps, taps), 1, exponents=(1, 5, 9))
        layer = dataclasses.replace(layer, weights=np.full_like(layer.weights, weight))
        image = np.full((8, 8, 4), value, np.int8)
        expected = portable(driver, layer, image)
        got = run(depthwise_plane(layer, "layer"), image, np.zeros_like(expected), (1, 1))
        np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("pixels", [-1, 0, 1, 5])
def test_nhwc_output_may_lie_on_the_input_channel_by_channel(
    driver: KernelDriver, channels: int, stride: int, pixels: int
) -> None:
    assert_in_one_buffer(driver, depthwise_plane, channels, stride, pixels)


@pytest.mark.parametrize("channels", [4, 6, 9, 11])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("pixels", [-1, 0, 1, 5])
def test_nhwc_output_may_lie_on_the_input(
    driver: KernelDriver, channels: int, stride: int, pixels: int
) -> None:
    assert_in_one_buffer(driver, depthwise_nhwc, channels, stride, pixels)


def assert_in_one_buffer(
    driver: KernelDriver,
    generator: Callable[[DepthwiseLayer, str], GeneratedKernel],
    channels: int,
    stride: int,
    pixels: int,
) -> None:
    """At any distance of whole pixels: one buffer holds both."""
    rng = np.random.default_rng(15)
    layer = depthwise_layer(rng, (6, 8, channels), (3, 3), stride)
    image = random_image(rng, layer.planes)
    expected = portable(driver, layer, image)
    begin, end = max(-pixels, 0) * channels, (max(-pixels, 0) + pixels) * channels
    buffer = np.zeros(begin + image.size + max(pixels, 0) * channels, np.int8)
    buffer[begin : begin + image.size] = image.reshape(-1)
    call = in_one_buffer(generator(layer, "layer"), buffer, begin, end)
    np.testing.assert_array_equal(call[end : end + expected.size], expected.reshape(-1))


def in_one_buffer(kernel: GeneratedKernel, buffer: np.ndarray, source: int, out: int) -> np.ndarray:
    """The buffer after a call whose input and output begin at these places in it."""
    entry = [
        ".syntax unified",
        ".thumb",
        ".text",
        ".global in_place",
        ".type in_place, %function",
        "in_place:",
        f"add r1, r0, #{out}",
        f"add r0, r0, #{source}",
        f"b.w {kernel.symbol}",
        "",
    ]
    function = ArmFunction("\n".join(entry) + str(kernel.assembly), "in_place")
    scratch = np.zeros(kernel.scratch_bytes, np.uint8)
    return function(buffer, 0, kernel.constants, scratch, align=(1, 4, 4)).arrays[0]


def test_fewer_than_four_channels_of_nhwc_are_refused() -> None:
    layer = depthwise_layer(np.random.default_rng(16), (4, 4, 3), (3, 3), 1)
    with pytest.raises(Refusal, match="3 channels"):
        depthwise_nhwc(layer, "layer")
