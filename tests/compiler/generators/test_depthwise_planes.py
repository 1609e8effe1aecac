"""Generated depthwise kernels give what firmware/kernels/depthwise.c gives."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np
import pytest

from benchmarks.kernels.arm_function import ArmFunction
from mcu_nas.compiler.generators.depthwise_planes import DepthwiseLayer, depthwise_planes
from mcu_nas.compiler.generators.formats import Format, pairs_from_nhwc
from mcu_nas.compiler.generators.generated import Refusal
from tests.compiler.generators.portable_depthwise import depthwise_layer, portable, random_image, run
from tests.kernels.kernel_driver import KernelDriver

RELU, NO_ACTIVATION, RELU6 = ((-128, (-128, 127)), (5, (-128, 127)), (-20, (-20, 90)))


@pytest.fixture(scope="module")
def driver() -> Iterator[KernelDriver]:
    driver = KernelDriver()
    yield driver
    driver.close()


def assert_equals_portable(
    driver: KernelDriver, layer: DepthwiseLayer, image: np.ndarray, out_align: int = 1
) -> None:
    expected = portable(driver, layer, image)
    kernel = depthwise_planes(layer, "depthwise")
    if layer.output is Format.PAIRS:
        expected, out_align = pairs_from_nhwc(expected.reshape(-1, expected.shape[2])), 4
    got = run(kernel, layer.planes.from_nhwc(image), np.zeros_like(expected), (4, out_align))
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("taps", [3, 5, 7])
def test_every_width_gives_the_portable_kernels_outputs(driver: KernelDriver, taps: int, stride: int) -> None:
    rng = np.random.default_rng(taps * 10 + stride)
    for columns in (*range(1, 13), 20, 31):
        layer = depthwise_layer(rng, (taps + columns % 3, columns, 1 + columns % 3), (taps, taps), stride)
        assert_equals_portable(driver, layer, random_image(rng, layer.planes))


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("taps", [3, 5, 7])
def test_windows_without_padding(driver: KernelDriver, taps: int, stride: int) -> None:
    rng = np.random.default_rng(taps * 10 + stride)
    for columns in range(taps, taps + 5):
        layer = depthwise_layer(rng, (taps + columns % 3, columns, 2), (taps, taps), stride, same=False)
        assert_equals_portable(driver, layer, random_image(rng, layer.planes))


@pytest.mark.parametrize("taps", [(3, 7), (7, 3), (5, 3)], ids=str)
def test_windows_need_not_be_square(driver: KernelDriver, taps: tuple[int, int]) -> None:
    rng = np.random.default_rng(1)
    for stride in (1, 2):
        layer = depthwise_layer(rng, (9, 10, 3), taps, stride)
        assert_equals_portable(driver, layer, random_image(rng, layer.planes))


@pytest.mark.parametrize("output", [RELU, NO_ACTIVATION, RELU6], ids=["relu", "none", "relu6"])
@pytest.mark.parametrize("exponents", [(7,), (5, 9), (3, 14)], ids=["one shift", "near shifts", "far shifts"])
@pytest.mark.parametrize(("taps", "stride"), [(3, 1), (3, 2), (5, 1), (7, 1), (7, 2)])
def test_every_form_of_requantization_fits_the_registers(
    driver: KernelDriver,
    taps: int,
    stride: int,
    exponents: tuple[int, ...],
    output: tuple[int, tuple[int, int]],
) -> None:
    rng = np.random.default_rng(2)
    zero_point, clamp = output
    layer = depthwise_layer(
        rng, (8, 17, 5), (taps, taps), stride, zero_point=zero_point, clamp=clamp, exponents=exponents
    )
    assert_equals_portable(driver, layer, random_image(rng, layer.planes))


@pytest.mark.parametrize(("taps", "stride"), [(3, 1), (3, 2), (5, 1), (5, 2), (7, 1), (7, 2)])
def test_pairs_hold_two_neighbouring_outputs(driver: KernelDriver, taps: int, stride: int) -> None:
    rng = np.random.default_rng(3)
    for columns in (2, 4, 6, 10, 14, 24):
        layer = depthwise_layer(rng, (7, columns * stride, 3), (taps, taps), stride, output=Format.PAIRS)
        assert_equals_portable(driver, layer, random_image(rng, layer.planes))


def test_pairs_across_the_end_of_a_row_are_refused() -> None:
    layer = depthwise_layer(np.random.default_rng(3), (4, 5, 3), (3, 3), 1, output=Format.PAIRS)
    with pytest.raises(Refusal, match="rows of 5 pixels"):
        depthwise_planes(layer, "depthwise")


@pytest.mark.parametrize("channels", [64, 250, 400, 1024, 1500])
@pytest.mark.parametrize("output", [Format.NHWC, Format.PAIRS])
def test_pixels_may_lie_far_apart(driver: KernelDriver, channels: int, output: Format) -> None:
    rng = np.random.default_rng(4)
    layer = depthwise_layer(rng, (1, 12, channels), (3, 3), 1, output=output)
    layer = dataclasses.replace(layer, planes=dataclasses.replace(layer.planes, channels=channels))
    assert_equals_portable(driver, layer, random_image(rng, layer.planes))


@pytest.mark.parametrize(("taps", "stride", "columns"), [(3, 1, 400), (3, 2, 255), (5, 2, 200), (7, 1, 150)])
def test_long_rows_are_computed(driver: KernelDriver, taps: int, stride: int, columns: int) -> None:
    rng = np.random.default_rng(5)
    layer = depthwise_layer(rng, (taps + 1, columns, 1), (taps, taps), stride)
    assert_equals_portable(driver, layer, random_image(rng, layer.planes))


@pytest.mark.parametrize(("taps", "columns"), [(3, 512), (5, 256), (7, 170)])
def test_rows_out_of_reach_are_refused(taps: int, columns: int) -> None:
    layer = depthwise_layer(np.random.default_rng(5), (taps + 1, columns, 1), (taps, taps), 1)
    with pytest.raises(Refusal, match="rows lie too far apart"):
        depthwise_planes(layer, "depthwise")


@pytest.mark.parametrize("value", [-128, 0, 127])
def test_saturating_layers_are_exact(driver: KernelDriver, value: int) -> None:
    """Constant images and weights reach the largest sums; factors near 1 saturate the outputs."""
    for taps, weight in ((3, -128), (3, 127), (7, -128), (7, 127)):
        layer = depthwise_layer(np.random.default_rng(6), (8, 8, 4), (taps, taps), 1, exponents=(1, 5, 9))
        layer = dataclasses.replace(layer, weights=np.full_like(layer.weights, weight))
        assert_equals_portable(driver, layer, np.full((8, 8, 4), value, np.int8))


@pytest.mark.parametrize("output", [RELU, NO_ACTIVATION], ids=["relu", "none"])
def test_ties_round_as_in_the_portable_kernel(
    driver: KernelDriver, output: tuple[int, tuple[int, int]]
) -> None:
    """A multiplier of 2^30 halves: every other sum is a tie of one of the two roundings."""
    rng = np.random.default_rng(7)
    zero_point, clamp = output
    for exponents in ((1,), (2, 3)):
        layer = depthwise_layer(
            rng, (9, 16, 4), (3, 3), 1, zero_point=zero_point, clamp=clamp, exponents=exponents
        )
        small = rng.integers(-2, 3, layer.weights.shape, dtype=np.int8)
        halves = dataclasses.replace(layer.requantization, multipliers=np.full(4, 2**30))
        layer = dataclasses.replace(layer, weights=small, bias=rng.integers(-9, 9, 4), requantization=halves)
        image = rng.integers(-20, 20, (9, 16, 4)).astype(np.int8)
        assert_equals_portable(driver, layer, image)


def test_single_weights_meet_single_pixels(driver: KernelDriver) -> None:
    """Each weight alone, each far from any symmetry: a swapped tap or half shows."""
    for taps, stride in ((3, 1), (3, 2), (5, 1), (7, 2)):
        channels = taps * taps
        layer = depthwise_layer(np.random.default_rng(8), (11, 13, channels), (taps, taps), stride)
        single = np.eye(channels, dtype=np.int8).reshape(taps, taps, channels) * np.int8(100)
        layer = dataclasses.replace(layer, weights=single, bias=np.zeros(channels, np.int64))
        image = np.full((11, 13, channels), layer.planes.zero_point, np.int8)
        image[5, 6] = 127 if layer.planes.zero_point < 0 else -128
        assert_equals_portable(driver, layer, image)


@pytest.mark.parametrize("align", [1, 2, 4])
def test_output_needs_no_alignment(driver: KernelDriver, align: int) -> None:
    rng = np.random.default_rng(9)
    layer = depthwise_layer(rng, (5, 9, 3), (3, 3), 1)
    assert_equals_portable(driver, layer, random_image(rng, layer.planes), out_align=align)


def test_channels_with_a_factor_of_zero_give_the_zero_point(driver: KernelDriver) -> None:
    rng = np.random.default_rng(10)
    layer = depthwise_layer(rng, (5, 8, 4), (3, 3), 1)
    multipliers = np.array([0, 2**30, 0, 2**31 - 1])
    shifts = np.array([0, -7, -31, -8])
    need = dataclasses.replace(layer.requantization, multipliers=multipliers, shifts=shifts)
    layer = dataclasses.replace(layer, requantization=need)
    assert_equals_portable(driver, layer, random_image(rng, layer.planes))


def test_a_sum_at_the_bound_is_exact_and_one_beyond_is_refused(driver: KernelDriver) -> None:
    """(|start value| + 128 sum |w|) * 2 < 2^31, reached by an image of -128 and weights of 127."""
    layer = depthwise_layer(np.random.default_rng(11), (6, 6, 1), (3, 3), 1, same=False, exponents=(14,))
    weights = np.full((3, 3, 1), 127, np.int8)
    planes = dataclasses.replace(layer.planes, zero_point=0)
    largest = 2**30 - 1 - 128 * 9 * 127
    layer = dataclasses.replace(layer, planes=planes, weights=weights, bias=np.array([-largest]))
    assert_equals_portable(driver, layer, np.full((6, 6, 1), -128, np.int8))
    beyond = dataclasses.replace(layer, bias=np.array([-largest - 1]))
    with pytest.raises(Refusal, match="channel 0"):
        depthwise_planes(beyond, "depthwise")


def test_large_sums_take_fewer_scale_bits(driver: KernelDriver) -> None:
    """Factors far apart ask for more bits than a channel's sums leave."""
    rng = np.random.default_rng(12)
    layer = depthwise_layer(rng, (6, 8, 3), (3, 3), 1, exponents=(9,))
    need = dataclasses.replace(layer.requantization, shifts=np.array([-9, -13, -15]))
    layer = dataclasses.replace(layer, bias=np.array([2**27, -(2**24), 5]), requantization=need)
    assert_equals_portable(driver, layer, random_image(rng, layer.planes))


@pytest.mark.parametrize(("taps", "stride"), [(3, 1), (3, 2), (5, 1), (7, 2)])
def test_bands_slide_over_an_image(driver: KernelDriver, taps: int, stride: int) -> None:
    """The module's recipe: a band's kernel for every output row, its rows written as the image goes by."""
    rng = np.random.default_rng(13)
    layer = depthwise_layer(rng, (12, 10, 5), (taps, taps), stride)
    image = random_image(rng, layer.planes)
    whole = layer.planes.from_nhwc(image)
    height, row_stride, channels = layer.planes.height, layer.planes.row_stride, 5
    band = dataclasses.replace(layer.planes, rows=taps, top=0, bottom=0)
    function = ArmFunction(
        (kernel := depthwise_planes(dataclasses.replace(layer, planes=band), "band")).assembly, "band"
    )
    buffer = np.zeros((channels * taps + height - taps, row_stride), np.int16)
    rows = []
    written = 0
    for y in range(layer.output_rows):
        for row in range(written, y * stride + taps):
            buffer[row : row + channels * taps : taps] = whole[:, row]
        written = y * stride + taps
        seen = buffer[y * stride : y * stride + channels * taps]
        out = np.zeros((layer.output_columns, channels), np.int8)
        rows.append(function(seen.copy(), out, kernel.constants, 0, align=(4, 1, 4)).arrays[1])
    np.testing.assert_array_equal(np.array(rows), portable(driver, layer, image))


@pytest.mark.parametrize(("taps", "stride"), [((1, 3), 1), ((3, 4), 1), ((3, 3), 3)], ids=str)
def test_other_windows_are_refused(taps: tuple[int, int], stride: int) -> None:
    layer = depthwise_layer(np.random.default_rng(17), (9, 9, 4), taps, stride)
    with pytest.raises(Refusal, match="window of stride"):
        depthwise_planes(layer, "depthwise")
