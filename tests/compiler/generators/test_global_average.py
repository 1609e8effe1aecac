"""Generated averages over whole images on a simulated Cortex-M7 equal average_pool.c and mean.c."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.kernels.arm_function import ArmFunction
from mcu_nas.compiler.generators.generated import Refusal
from mcu_nas.compiler.generators.global_average import (
    GlobalAverage,
    GlobalMean,
    global_average,
    global_mean,
)
from mcu_nas.compiler.generators.requantization import Requantization
from mcu_nas.compiler.requantize import mean_multiplier
from mcu_nas.graph import Quantization
from tests.compiler.generators.portable_average import portable_average


def mean_of(
    pixels: int, channels: int, scales: tuple[float, float], zero_points: tuple[int, int]
) -> GlobalMean:
    """Scales and zero points of input and output."""
    source, output = (Quantization((scale,), (0,)) for scale in scales)
    factor = mean_multiplier(source, output, pixels)
    need = Requantization(np.array([factor.value]), np.array([factor.shift]), zero_points[1])
    return GlobalMean(pixels, channels, -pixels * zero_points[0], need)


def assert_equals_portable(
    layer: GlobalAverage | GlobalMean, image: np.ndarray, align: tuple[int, int] = (1, 1)
) -> None:
    if isinstance(layer, GlobalAverage):
        kernel = global_average(layer, "average")
    else:
        kernel = global_mean(layer, "average")
    call = ArmFunction(kernel.assembly, "average")(
        image, np.zeros(layer.channels, np.int8), kernel.constants, 0, align=(*align, 4)
    )
    np.testing.assert_array_equal(call.arrays[1], portable_average(layer, image))
    assert call.stack_bytes <= kernel.stack_bytes < call.stack_bytes + 8


def random_image(pixels: int, channels: int) -> np.ndarray:
    """Channels whose averages lie all over int8."""
    rng = np.random.default_rng(pixels)
    middle = rng.integers(-128, 128, channels)
    return np.clip(middle + rng.integers(-30, 31, (pixels, channels)), -128, 127).astype(np.int8)


LAYERS = [
    lambda pixels, channels: GlobalAverage(pixels, channels),
    lambda pixels, channels: GlobalAverage(pixels, channels, -20, 90),
    lambda pixels, channels: mean_of(pixels, channels, (0.0237, 0.0213), (-128, -128)),
    lambda pixels, channels: mean_of(pixels, channels, (0.02, 0.02), (4, 4)),
    lambda pixels, channels: mean_of(pixels, channels, (0.0237, 0.0413), (-7, 5)),
]
MADE = pytest.mark.parametrize("made", LAYERS, ids=["average", "clamped average", "relu", "plain", "mean"])


@MADE
@pytest.mark.parametrize("channels", [4, 5, 7, 8, 18])
def test_every_number_of_channels(made, channels):
    assert_equals_portable(made(9, channels), random_image(9, channels))


@MADE
@pytest.mark.parametrize("pixels", [2, 3, 4, 7, 8, 15, 16, 17, 49, 64, 125, 255, 256])
def test_numbers_of_pixels(made, pixels):
    assert_equals_portable(made(pixels, 12), random_image(pixels, 12))


@MADE
@pytest.mark.parametrize("channels", [256, 600, 1500, 4095])
def test_pixels_may_lie_far_apart(made, channels):
    assert_equals_portable(made(5, channels), random_image(5, channels))


@MADE
@pytest.mark.parametrize("value", [-128, 127])
def test_the_largest_sums(made, value):
    assert_equals_portable(made(256, 4), np.full((256, 4), value, np.int8))


@MADE
@pytest.mark.parametrize("align", [(1, 2), (2, 1), (4, 4)])
def test_no_alignment_is_needed(made, align):
    assert_equals_portable(made(6, 9), random_image(6, 9), align)


@pytest.mark.parametrize("pixels", [1, 2, 3, 4, 6, 16, 100, 125, 256])
def test_all_sums_near_ties_round_away_from_zero(pixels):
    """Channels whose sums are neighbours, around each tie of small averages."""
    sums = np.arange(-3 * pixels, 3 * pixels + 1)
    image = np.array([(sums + pixel) // pixels for pixel in range(pixels)]).astype(np.int8)
    assert (image.sum(axis=0) == sums).all()
    assert_equals_portable(GlobalAverage(pixels, sums.size), image)


def test_a_value_takes_less_than_one_instruction():
    image = random_image(125, 64)
    kernel = global_average(GlobalAverage(125, 64), "average")
    call = ArmFunction(kernel.assembly, "average")(image, np.zeros(64, np.int8), kernel.constants, 0)
    assert call.instructions < 0.9 * image.size


@pytest.mark.parametrize(("pixels", "channels"), [(257, 4), (4, 3), (4, 4096)])
def test_other_shapes_are_refused(pixels, channels):
    with pytest.raises(Refusal, match=f"{pixels} pixels of {channels} channels"):
        global_average(GlobalAverage(pixels, channels), "average")
