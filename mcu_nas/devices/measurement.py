"""Latency and accuracy of a model on a device. Every number says what it counts, and of what kind it is.

An emulator has no time, only instructions; a real part has cycles and milliseconds. Neither is ever
given in the other's name.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from statistics import median_low
from typing import Literal

import numpy as np

from mcu_nas.compiler.program import Encoding, Program
from mcu_nas.devices.answers import ClockInfo, DeviceInfo
from mcu_nas.devices.emulator import INSTRUCTIONS_PER_SECOND
from mcu_nas.devices.serial_link import DeviceLink
from mcu_nas.errors import DataError

_Z_95 = 1.959964  # two-sided 95 % quantile of the normal distribution


@dataclass(frozen=True)
class Unit:
    """What a tick of the device's timer stands for."""

    name: Literal["instructions", "cycles", "ticks"]
    kind: Literal["emulated", "measured"]
    per_tick: Fraction
    per_second: int | None  # None where the device has no real time

    def __str__(self) -> str:
        """``instructions (emulated)``, ``cycles (measured)``, ``ticks (measured)``."""
        return f"{self.name} ({self.kind})"

    def of(self, ticks: int) -> int:
        """Ticks in this unit; one tick's worth is the resolution."""
        return round(ticks * self.per_tick)

    def milliseconds(self, count: int) -> float | None:
        """The real time of so many units, or None on an emulator."""
        return None if self.per_second is None else count * 1000 / self.per_second


def timer_unit(clock: ClockInfo, emulated: bool) -> Unit:
    """The unit that a device's timer is reported in."""
    if emulated:
        per_tick = Fraction(INSTRUCTIONS_PER_SECOND, clock.timer_hz)
        return Unit("instructions", "emulated", per_tick, None)
    return Unit(clock.timer, "measured", Fraction(1), clock.timer_hz)


@dataclass(frozen=True)
class LatencyMeasurement:
    """Single runs of a model, in ``unit``; ``median`` is one of them, the lower of the middle two."""

    unit: Unit
    runs: int
    least: int
    median: int
    most: int

    @property
    def milliseconds(self) -> float | None:
        """The median run's real time, or None on an emulator."""
        return self.unit.milliseconds(self.median)

    def per_mac(self, macs: int) -> float:
        """Units of the median run for each of the model's ``macs``."""
        return self.median / macs


@dataclass(frozen=True)
class LayerMeasurement:
    """One layer of one run: TFLite operator, MACs, and its count in the unit of the whole."""

    name: str
    macs: int
    count: int


@dataclass(frozen=True)
class LayersMeasurement:
    """One inference as a whole and layer by layer, in ``unit``, without what the timing itself takes.

    ``total`` is of the whole: from the input tensor to the output tensor.
    """

    unit: Unit
    layers: tuple[LayerMeasurement, ...]
    total: int

    @property
    def between(self) -> int:
        """The whole less the sum of its layers: their calls. The whole is compiled as one function, so that
        it can even be less than the layers one by one."""
        return self.total - sum(layer.count for layer in self.layers)

    @property
    def macs(self) -> int:
        """The model's MACs."""
        return sum(layer.macs for layer in self.layers)


@dataclass(frozen=True, eq=False)
class AccuracyMeasurement:
    """How often the largest output was the label; ``predictions`` int64 (count,) in the images' order."""

    kind: Literal["emulated", "measured"]
    correct: int
    count: int
    predictions: np.ndarray

    @property
    def accuracy(self) -> float:
        """Share of the images that were classified correctly, 0 to 1."""
        return self.correct / self.count

    @property
    def interval(self) -> tuple[float, float]:
        """95 % confidence interval of the accuracy (Wilson, JASA 1927): what a sample can tell."""
        share, squared = self.accuracy, _Z_95 * _Z_95
        centre = share + squared / (2 * self.count)
        spread = _Z_95 * math.sqrt(share * (1 - share) / self.count + squared / (4 * self.count**2))
        scale = 1 + squared / self.count
        return (centre - spread) / scale, (centre + spread) / scale


def input_bytes(info: DeviceInfo, *sample: np.ndarray) -> bytes:
    """One array for each of a model's inputs, as the device wants them sent, one after another: pixels
    (uint8) or the input tensor's values (int8).

    Raises:
        DataError: another number of inputs, another type, or pixels for an input that does not take them.
    """
    if len(sample) != len(info.input_encodings):
        raise DataError(
            f"{len(sample)} inputs are given: model '{info.model}' takes {len(info.input_encodings)}"
        )
    pairs = zip(sample, info.input_encodings, strict=True)
    return b"".join(_one_input_bytes(array, encoding, info) for array, encoding in pairs)


def _one_input_bytes(array: np.ndarray, encoding: str, info: DeviceInfo) -> bytes:
    if array.dtype == np.int8:
        # A device that takes pixels stores each as pixel XOR 0x80, i.e. pixel - 128.
        return (array.view(np.uint8) ^ (0x80 if encoding == "pixel_u8" else 0)).tobytes()
    if array.dtype == np.uint8 and encoding == "pixel_u8":
        return array.tobytes()
    raise DataError(
        f"the input is {array.dtype}: model '{info.model}' takes "
        f"{'uint8 pixels or int8' if encoding == 'pixel_u8' else 'int8'}"
    )


def split_outputs(program: Program, outputs: np.ndarray) -> list[np.ndarray]:
    """Outputs int8 (output_bytes,) of a device as an array for each of the model's outputs, in the type that
    its users hold: int8, or uint8 where the .tflite has it.
    """
    tensors = [program.graph.network.tensors[tensor] for tensor in program.graph.network.outputs]
    parts = np.split(outputs, np.cumsum([tensor.bytes for tensor in tensors])[:-1])
    return [
        part.view(np.uint8) ^ np.uint8(0x80) if encoding is Encoding.PIXEL_U8 else part
        for part, encoding in zip(parts, program.output_encodings, strict=True)
    ]


def measure_latency(link: DeviceLink, runs: int, warmup: int, *, emulated: bool) -> LatencyMeasurement:
    """Times ``runs`` single runs after ``warmup`` untimed ones, on the input that is loaded.

    Raises:
        DeviceError: no input is loaded, or the device fails.
    """
    unit = timer_unit(link.clock(), emulated)
    counts = [unit.of(link.infer(1, warmup if i == 0 else 0).total) for i in range(runs)]
    return LatencyMeasurement(unit, runs, min(counts), median_low(counts), max(counts))


def measure_layers(link: DeviceLink, *sample: np.ndarray, emulated: bool) -> LayersMeasurement:
    """Loads an array for each input and runs the model twice, as a whole and layer by layer;
    ``link.outputs()`` has the outputs afterwards.

    Some kernels branch on values, so both runs get the input itself, not what the first left of it.

    Raises:
        DataError: the input does not suit the model.
        DeviceError: the device fails.
    """
    unit = timer_unit(link.clock(), emulated)
    data = input_bytes(link.hello(), *sample)
    link.load(data)
    whole = link.infer(1, 0).total
    link.load(data)
    counts = link.layers()

    # Each count is exact once rounded; a sum or difference of ticks would gather the rounding.
    timing = unit.of(counts.timing)

    def net(ticks: int) -> int:
        return max(unit.of(ticks) - timing, 0)  # a clock that is no cycle counter may read nothing as more

    layers = tuple(LayerMeasurement(layer.name, layer.macs, net(layer.ticks)) for layer in counts.layers)
    return LayersMeasurement(unit, layers, net(whole))


def measure_accuracy(
    link: DeviceLink,
    images: np.ndarray,
    labels: np.ndarray,
    *,
    emulated: bool,
    on_image: Callable[[int], None] = lambda done: None,
) -> AccuracyMeasurement:
    """Classifies ``images`` (N, H, W, C), uint8 or int8, with ``labels`` int64 (N,) on the device.

    ``on_image`` is called with the number of images done, after each.

    Raises:
        DataError: there are no images, or they do not suit the model.
        DeviceError: the device fails; no accuracy is given for the rest.
    """
    if len(images) == 0:
        raise DataError("no images to measure the accuracy on")
    info = link.hello()
    predictions = np.empty(len(images), dtype=np.int64)
    for i, image in enumerate(images):
        link.load(input_bytes(info, image))
        link.infer(1, 0)
        predictions[i] = np.argmax(link.outputs())
        on_image(i + 1)
    return AccuracyMeasurement(
        kind="emulated" if emulated else "measured",
        correct=int(np.sum(predictions == labels)),
        count=len(images),
        predictions=predictions,
    )
