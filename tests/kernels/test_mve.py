"""Kernels with Helium equal those in portable C bit for bit, on the emulated Cortex-M55."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from mcu_nas.compiler.calls import mve
from mcu_nas.compiler.generators.generated import Refusal
from tests.kernels.kernel_driver import Axis, Layer
from tests.kernels.mve_driver import POINT, MveDriver, Run
from tests.kernels.test_overlap import highest_below, lowest_above

WINDOWED = ("conv", "depthwise", "average_pool", "max_pool")
ORDERED = ("pointwise", *WINDOWED)
HALF = (1 << 30, 0)
RELU = (-128, -128, 127)


@pytest.fixture(scope="module")
def driver() -> Iterator[MveDriver]:
    driver = MveDriver()
    yield driver
    driver.close()


def row(pixels: int) -> Axis:
    return Axis(pixels, pixels, 1, 1, 0, 1)


def random_axis(rng: np.random.Generator, dilated: bool) -> Axis:
    """A window with any padding before the first element, SAME and VALID among them."""
    size, taps, stride = (int(rng.integers(1, most)) for most in (9, 6, 4))
    dilation = int(rng.integers(1, 4)) if dilated else 1
    pad = int(rng.integers(0, (taps - 1) * dilation + 1))
    return Axis(size, int(rng.integers(1, (size - 1 + pad) // stride + 2)), taps, stride, pad, dilation)


def random_run(kernel: str, seed: int) -> Run:
    """A layer of any window and few channels."""
    rng = np.random.default_rng(seed)
    y, x = (row(int(rng.integers(1, 7))) for _ in "yx")
    if kernel != "pointwise":
        y, x = (random_axis(rng, "pool" not in kernel) for _ in "yx")
    inputs = int(rng.integers(8 if kernel == "depthwise" else 1, 40))
    outputs = int(rng.integers(4, 20)) if kernel in ("pointwise", "conv") else inputs
    return Run(kernel, y, x, inputs, outputs, seed, align=int(rng.integers(16)))


def shape_of(run: Run) -> Layer:
    return Layer(run.kernel, run.y, run.x, run.in_channels, run.out_channels, run.seed)


@pytest.mark.parametrize("kernel", ["pointwise", "fully_connected"])
def test_inputs_near_whole_vectors_and_outputs_near_whole_groups(driver: MveDriver, kernel: str) -> None:
    inputs = (1, 2, 8, 15, 16, 17, 31, 32, 33, 47, 48, 49, 64, 130)
    driver.assert_equal(
        [
            Run(kernel, row(2), POINT, some, outputs, seed=some * outputs)
            for some, outputs in itertools.product(inputs, (4, 5, 6, 7, 8, 9, 12, 17))
        ]
    )


@pytest.mark.parametrize("kernel", WINDOWED)
def test_windows_of_any_shape(driver: MveDriver, kernel: str) -> None:
    driver.assert_equal([random_run(kernel, seed) for seed in range(150)])


@pytest.mark.parametrize("kernel", WINDOWED)
def test_channels_near_whole_vectors(driver: MveDriver, kernel: str) -> None:
    window = Axis(5, 5, 3, 1, 1, 1)
    least = 8 if kernel == "depthwise" else 4
    channels = range(least, 36)
    driver.assert_equal([Run(kernel, window, window, count, count, seed=count) for count in channels])


@pytest.mark.parametrize("inputs", [1, 2, 3, 5])
def test_first_layers_of_few_input_channels(driver: MveDriver, inputs: int) -> None:
    windows = [Axis(8, 8, 3, 1, 1, 1), Axis(8, 4, 3, 2, 0, 1), Axis(9, 5, 5, 2, 2, 1), Axis(7, 7, 7, 1, 3, 1)]
    driver.assert_equal([Run("conv", window, window, inputs, 8, seed=inputs) for window in windows])


@pytest.mark.parametrize("kernel", [*ORDERED, "fully_connected", "add", "mean"])
def test_every_alignment(driver: MveDriver, kernel: str) -> None:
    window = Axis(4, 4, 3, 1, 1, 1) if kernel in WINDOWED else row(3)
    outputs = 10 if kernel in ("pointwise", "conv", "fully_connected") else 24
    x = POINT if kernel in ("fully_connected", "add") else window
    y = POINT if kernel == "add" else window
    distances = range(24 * y.in_size * x.in_size, 24 * y.in_size * x.in_size + 4)
    driver.assert_equal(
        [
            Run(kernel, y, x, 24, outputs, align, distance, align=align)
            for align, distance in itertools.product(range(16), distances)
        ]
    )


@pytest.mark.parametrize("kernel", ["pointwise", "conv", "depthwise", "fully_connected"])
def test_saturating_data(driver: MveDriver, kernel: str) -> None:
    """All inputs and weights at either end, so that sums are as large as they can be."""
    y, x = (Axis(4, 4, 3, 1, 1, 1),) * 2 if kernel in WINDOWED else (row(2), POINT)
    ends = ((-128, -128), (127, 127), (0, 0), (-128, 127))
    outputs = 40 if kernel == "depthwise" else 8
    runs = [
        Run(kernel, y, x, 40, outputs, inputs=inputs, weights=weights, shifts=shifts, zero_points=(zero, 0))
        for inputs, weights, shifts, zero in itertools.product(ends, ends, ((0,), (-6, -9)), (-128, 127))
    ]
    outputs_of_all = np.concatenate(driver.assert_equal(runs))
    assert {-128, 127} <= set(outputs_of_all.tolist())


def test_many_inputs(driver: MveDriver) -> None:
    driver.assert_equal([Run("pointwise", POINT, POINT, inputs, 5, seed=inputs) for inputs in (1000, 4096)])


@pytest.mark.parametrize("output", [(0, -128, 127), RELU, (7, 7, 127), (-9, -20, 33)])
@pytest.mark.parametrize("kernel", ["pointwise", "depthwise"])
def test_requantization_with_every_shift_and_at_ties(
    driver: MveDriver, kernel: str, output: tuple[int, int, int]
) -> None:
    """Half of the multipliers are a few multiples of 2^28, with which both roundings meet ties."""
    shifts = tuple(range(-31, 1))
    channels = 1 if kernel == "pointwise" else 256
    small = Run(kernel, row(16), row(16), channels, 256, inputs=(-128, 127), weights=(-3, 3), shifts=shifts)
    runs = [
        replace(small, biases=biases, output=output, zero_points=(0, 0), seed=seed)
        for seed, biases in enumerate(
            [(0, 0), (-40, 40), (-(1 << 20), 1 << 20), (-(1 << 31) + 600, (1 << 31) - 600)]
        )
    ]
    driver.assert_equal(runs)


@pytest.mark.parametrize("kernel", ORDERED)
def test_last_pixel_first_gives_the_same_outputs(driver: MveDriver, kernel: str) -> None:
    runs = [random_run(kernel, seed) for seed in range(40)]
    ascending = driver.assert_equal(runs)
    descending = driver.assert_equal([replace(run, descending=True) for run in runs])
    for first, second in zip(ascending, descending, strict=True):
        np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("kernel", ORDERED)
def test_output_may_overlap_its_input_up_to_the_limit(driver: MveDriver, kernel: str) -> None:
    runs = [run for run in (random_run(kernel, seed) for seed in range(80)) if any(shape_of(run).windows)]
    assert len(runs) > 60
    below = [replace(run, distance=highest_below(shape_of(run))) for run in runs]
    above = [replace(run, distance=lowest_above(shape_of(run)), descending=True) for run in runs]
    for apart, *close in zip(*map(driver.assert_equal, (runs, below, above)), strict=True):
        for outputs in close:
            np.testing.assert_array_equal(outputs, apart)


@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize("place", ["apart", "in place"])
def test_add_of_counts_near_whole_vectors(driver: MveDriver, place: str, swapped: bool) -> None:
    """Either operand has the larger scale; the output lies apart or over the first."""
    fine = [HALF, (1 << 30, -1), (1_717_986_918, -3), ((1 << 30) + (3 << 28), -2), ((1 << 31) - 1, -20)]
    sums = [((1 << 30) + 12_345, -18), (1 << 30, -19), ((1 << 31) - 1, -17), (1 << 30, 0)]
    driver.assert_equal(
        [
            Run(
                "add",
                POINT,
                POINT,
                count,
                count,
                seed=count,
                distance=None if place == "apart" else 0,
                factors=((HALF, factor) if swapped else (factor, HALF)) + (total,),
            )
            for count, factor, total in itertools.product((1, 2, 3, 4, 5, 31, 256), fine, sums)
        ]
    )


@pytest.mark.parametrize("pixels", [1, 9, 255, 256, 1000])
def test_mean_of_many_pixels_and_channels_near_whole_groups(driver: MveDriver, pixels: int) -> None:
    """More than 255 of the largest values leave int16."""
    ends = ((-128, 127), (-128, -128), (127, 127))
    factors = [(1 << 30, -1), (1 << 30, -8), (1_431_655_765, -3)]
    driver.assert_equal(
        [
            Run("mean", row(2), row(pixels), channels, channels, inputs=inputs, factors=(factor, HALF, HALF))
            for channels, inputs, factor in itertools.product((1, 7, 8, 9, 16, 17), ends, factors)
        ]
    )


@pytest.mark.parametrize("kernel", ["average_pool", "max_pool"])
def test_pools_over_whole_images(driver: MveDriver, kernel: str) -> None:
    ends = ((-128, 127), (-128, -128), (127, 127))
    driver.assert_equal(
        [
            Run(kernel, Axis(2, 1, 2, 1, 0, 1), Axis(columns, 1, columns, 1, 0, 1), 17, 17, inputs=inputs)
            for columns, inputs in itertools.product((1, 8, 255, 256, 300), ends)
        ]
    )


def test_a_factor_of_1_or_more_is_refused() -> None:
    arrays = {
        "weights": np.ones(8, np.int8),
        "bias": np.zeros(4, np.int32),
        "factors": np.array([(1 << 30, shift) for shift in (0, -1, 1, 0)], np.int32),
    }
    with pytest.raises(Refusal, match="output channel 2: a factor of 1 or more"):
        mve.product(lambda graph, op: ({}, arrays))(None, None)
