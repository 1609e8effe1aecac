"""Kernels whose output overlaps their input: right as far as their headers allow, and no further.

The limits are found here from the windows alone (firmware/kernels/pixel_order.h states the rule).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.kernels.kernel_driver import ORDERED, Axis, KernelDriver, Layer, layers

BY_CHANNEL = ("depthwise", "average_pool", "max_pool")  # an output channel reads its own input channel only


@pytest.fixture(scope="module")
def driver() -> Iterator[KernelDriver]:
    driver = KernelDriver()
    yield driver
    driver.close()


def highest_below(layer: Layer, own: bool = True) -> int:
    """The largest distance at which an output below its input, first pixel first, is right.

    Without ``own``, an output pixel may lie on inputs that only its own window reads.
    """
    return min(
        min(map(min, needed)) * layer.in_channels - (pixel + 1) * layer.out_channels
        for pixel in range(len(layer.windows))
        if (needed := [window for window in layer.windows[pixel + (not own) :] if window])
    )


def lowest_above(layer: Layer, own: bool = True) -> int:
    """The smallest distance at which an output above its input, last pixel first, is right."""
    return max(
        (max(map(max, needed)) + 1) * layer.in_channels - pixel * layer.out_channels
        for pixel in range(len(layer.windows))
        if (needed := [window for window in layer.windows[: pixel + own] if window])
    )


@given(layers())
def test_last_pixel_first_gives_the_same_outputs(driver: KernelDriver, layer: Layer) -> None:
    descending = driver.run(layer, layer.in_bytes, descending=True)
    np.testing.assert_array_equal(descending, driver.disjoint(layer))


@given(layers(), st.integers(0, 5))
def test_output_below_its_input_is_right_up_to_the_limit(
    driver: KernelDriver, layer: Layer, slack: int
) -> None:
    assume(any(layer.windows))
    close = driver.run(layer, highest_below(layer) - slack)
    np.testing.assert_array_equal(close, driver.disjoint(layer))


@given(layers(), st.integers(0, 5))
def test_output_above_its_input_is_right_down_to_the_limit(
    driver: KernelDriver, layer: Layer, slack: int
) -> None:
    assume(any(layer.windows))
    close = driver.run(layer, lowest_above(layer) + slack, descending=True)
    np.testing.assert_array_equal(close, driver.disjoint(layer))


@given(layers(BY_CHANNEL).filter(lambda layer: layer.in_channels == layer.out_channels))
def test_kernels_by_channel_may_write_a_pixel_onto_its_own_window(driver: KernelDriver, layer: Layer) -> None:
    assume(any(layer.windows[1:]) and any(layer.windows[:-1]))
    expected = driver.disjoint(layer)
    np.testing.assert_array_equal(driver.run(layer, highest_below(layer, own=False)), expected)
    np.testing.assert_array_equal(driver.run(layer, lowest_above(layer, own=False), True), expected)


@pytest.mark.parametrize("kernel", ORDERED)
def test_overlapping_further_is_wrong(driver: KernelDriver, kernel: str) -> None:
    """By one pixel; a kernel by channel has then written no input that it still needs, a byte more has."""
    window = Axis(6, 6, 1, 1, 0, 1) if kernel == "pointwise" else Axis(6, 6, 3, 1, 1, 1)
    layer = Layer(kernel, window, window, 8, 8, 0)
    further = layer.out_channels + (kernel in BY_CHANNEL)
    layers = [dataclasses.replace(layer, seed=seed) for seed in range(10)]
    below = [driver.run(each, highest_below(each) + further) for each in layers]
    above = [driver.run(each, lowest_above(each) - further, descending=True) for each in layers]
    expected = [driver.disjoint(each) for each in layers]
    assert not np.array_equal(below, expected)
    assert not np.array_equal(above, expected)


@given(layers(("depthwise_planar",)))
def test_planar_depthwise_equals_depthwise(driver: KernelDriver, layer: Layer) -> None:
    plain = dataclasses.replace(layer, kernel="depthwise")
    np.testing.assert_array_equal(driver.disjoint(layer), driver.disjoint(plain))


@given(layers(("depthwise_planar",)))
def test_planar_depthwise_is_right_at_every_distance_of_whole_pixels(
    driver: KernelDriver, layer: Layer
) -> None:
    expected = driver.disjoint(layer)
    for distance in range(-layer.out_bytes, layer.in_bytes + 1, layer.in_channels):
        np.testing.assert_array_equal(driver.run(layer, distance), expected)


def test_planar_depthwise_is_wrong_at_other_distances(driver: KernelDriver) -> None:
    window = Axis(6, 6, 3, 1, 1, 1)
    layer = Layer("depthwise_planar", window, window, 4, 4, 0)
    expected = driver.disjoint(layer)
    assert all((driver.run(layer, distance) != expected).any() for distance in (-2, -1, 1, 2))
