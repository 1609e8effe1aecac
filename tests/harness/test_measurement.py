"""What is measured on a device, in which unit, and of what kind."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcu_nas.datasets.splits import stratified_sample
from mcu_nas.devices.answers import ClockInfo, DeviceInfo
from mcu_nas.devices.emulator import INSTRUCTIONS_PER_SECOND
from mcu_nas.devices.measurement import (
    AccuracyMeasurement,
    LatencyMeasurement,
    input_bytes,
    measure_accuracy,
    measure_latency,
    measure_layers,
    timer_unit,
)
from mcu_nas.devices.serial_link import DeviceLink
from mcu_nas.errors import DataError, DeviceError

CYCLES = ClockInfo(core_hz=216_000_000, timer="cycles", timer_hz=216_000_000)
TICKS = ClockInfo(core_hz=25_000_000, timer="ticks", timer_hz=25_000_000)
PIXELS = np.arange(12, dtype=np.uint8)


@pytest.fixture
def link(port: str) -> Iterator[DeviceLink]:
    with DeviceLink(port, timeout=2.0) as link:
        yield link


def info(encoding: str) -> DeviceInfo:
    return DeviceInfo("board", "toy", "0" * 16, (encoding,), 12, 3, 12, 2)


def test_an_emulator_counts_instructions_and_has_no_milliseconds() -> None:
    unit = timer_unit(TICKS, emulated=True)
    assert str(unit) == "instructions (emulated)"
    assert unit.per_tick == Fraction(INSTRUCTIONS_PER_SECOND, 25_000_000)
    assert unit.milliseconds(1000) is None


def test_a_real_part_counts_cycles_and_has_milliseconds() -> None:
    unit = timer_unit(CYCLES, emulated=False)
    assert str(unit) == "cycles (measured)"
    assert unit.of(216_000) == 216_000
    assert unit.milliseconds(216_000) == 1.0


def test_a_part_without_a_cycle_counter_does_not_claim_cycles() -> None:
    assert str(timer_unit(TICKS, emulated=False)) == "ticks (measured)"


def test_latency_is_of_single_runs(link: DeviceLink) -> None:
    link.load(PIXELS.tobytes())
    latency = measure_latency(link, runs=5, warmup=3, emulated=False)
    assert latency.runs == 5
    assert 0 < latency.least <= latency.median <= latency.most
    assert latency.milliseconds == latency.median / 1e6


def test_latency_per_mac_is_the_medians() -> None:
    latency = LatencyMeasurement(timer_unit(CYCLES, emulated=False), 3, least=90, median=100, most=400)
    assert latency.per_mac(50) == 2.0


def test_latency_without_an_input_is_an_error(link: DeviceLink) -> None:
    with pytest.raises(DeviceError, match="No input is loaded"):
        measure_latency(link, runs=5, warmup=0, emulated=False)


def test_layers_and_what_lies_between_them_add_up_to_the_total(link: DeviceLink) -> None:
    layers = measure_layers(link, PIXELS, emulated=False)
    assert [layer.name for layer in layers.layers] == ["CUSTOM", "MAX_POOL_2D"]
    assert layers.total == sum(layer.count for layer in layers.layers) + layers.between
    assert layers.macs == 12


def test_accuracy_is_counted_on_the_device(link: DeviceLink) -> None:
    """The toy's third class has the largest output exactly where the last four pixels have the maximum."""
    images = np.zeros((6, 2, 2, 3), dtype=np.uint8)
    truth = np.array([0, 1, 2, 2, 1, 0])
    for image, label in zip(images, truth, strict=True):
        image.reshape(12)[4 * label] = 200
    labels = truth.copy()
    labels[0] = 1
    done: list[int] = []
    result = measure_accuracy(link, images, labels, emulated=False, on_image=done.append)
    assert result.predictions.tolist() == truth.tolist()
    assert (result.correct, result.count, result.kind) == (5, 6, "measured")
    assert done == [1, 2, 3, 4, 5, 6]


def test_accuracy_of_a_board_that_resets_is_an_error(link: DeviceLink) -> None:
    images = np.zeros((3, 12), dtype=np.uint8)
    images[1, 0] = 0xEE  # the toy model restarts the device on this
    with pytest.raises(DeviceError, match="the device restarted"):
        measure_accuracy(link, images, np.zeros(3, dtype=np.int64), emulated=False)


def test_accuracy_of_no_images_is_an_error(link: DeviceLink) -> None:
    with pytest.raises(DataError, match="no images"):
        measure_accuracy(link, np.empty((0, 12), np.uint8), np.empty(0, np.int64), emulated=False)


@pytest.mark.parametrize(
    ("correct", "low", "high"), [(50, 0.4038, 0.5962), (0, 0.0, 0.0370), (100, 0.9630, 1.0)]
)
def test_interval_is_wilsons(correct: int, low: float, high: float) -> None:
    """Expected values: Wilson score interval for n = 100, z = 1.96."""
    result = AccuracyMeasurement("measured", correct, 100, np.empty(0, np.int64))
    assert result.interval == pytest.approx((low, high), abs=1e-4)


def test_pixels_and_int8_mean_the_same_input() -> None:
    as_int8 = (PIXELS.astype(np.int16) - 128).astype(np.int8)
    assert input_bytes(info("pixel_u8"), PIXELS) == input_bytes(info("pixel_u8"), as_int8) == PIXELS.tobytes()
    assert input_bytes(info("int8"), as_int8) == as_int8.tobytes()


@pytest.mark.parametrize(
    ("sample", "encoding"), [(PIXELS, "int8"), (PIXELS.astype(np.float32), "pixel_u8"), (PIXELS > 3, "int8")]
)
def test_an_input_of_another_type_is_refused(sample: np.ndarray, encoding: str) -> None:
    with pytest.raises(DataError, match=r"^the input is \w+: model 'toy' takes "):
        input_bytes(info(encoding), sample)


@given(st.lists(st.integers(0, 4), min_size=1, max_size=300), st.integers(0, 320), st.integers(0, 5))
def test_a_sample_holds_each_class_in_proportion(classes: list[int], count: int, seed: int) -> None:
    labels = np.array(classes)
    sample = stratified_sample(labels, count, seed)
    assert len(sample) == len(set(sample.tolist())) == min(count, len(labels))
    assert sample.tolist() == sorted(sample.tolist())
    assert np.array_equal(sample, stratified_sample(labels, count, seed))
    for label in set(classes):
        share = np.mean(labels == label) * len(sample)
        assert abs(np.sum(labels[sample] == label) - share) < len(set(classes)) + 1
