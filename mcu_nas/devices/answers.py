"""What a device answers, as values: parsed from the ``m-KEY-VALUE`` lines of docs/serial_protocol.md."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

# KEY is words of lower-case letters; VALUE is bracketed text, a number, or hexadecimal digits.
_LINE = re.compile(r"m-([a-z-]+)-(?:\[(.*)\]|([0-9a-f]+))")
_LAYER = re.compile(r"m-layer-\[(\d+) (\S+) (\d+) (\d+)\]")


@dataclass(frozen=True)
class DeviceInfo:
    """Which board answers, and which model its firmware holds. Sizes are in bytes."""

    board: str
    model: str
    model_hash: str  # first 16 hex digits of the SHA-256 of the .tflite file
    input_encodings: tuple[str, ...]  # of each input, "int8" or "pixel_u8"
    input_bytes: int
    output_bytes: int
    arena_bytes: int
    layer_count: int


@dataclass(frozen=True)
class ClockInfo:
    """The core's clock as it really runs, and what the timer counts."""

    core_hz: int
    timer: Literal["cycles", "ticks"]  # the core's cycles, or ticks of some other clock
    timer_hz: int


@dataclass(frozen=True)
class InferTiming:
    """One batch of runs, in the timer's unit; ``total`` includes what lies between the runs."""

    runs: int
    total: int
    least: int
    most: int


@dataclass(frozen=True)
class LayerCount:
    """One layer's run: TFLite operator, MACs, and its time in the timer's unit."""

    name: str
    macs: int
    ticks: int


@dataclass(frozen=True)
class LayerCounts:
    """One inference, layer by layer; ``total`` is the sum of the layers. Each of them contains ``timing``,
    what it takes to time a layer that does nothing."""

    layers: tuple[LayerCount, ...]
    total: int
    timing: int


@dataclass(frozen=True)
class MemoryUse:
    """Bytes of stack ever written since boot, of stack reserved, and of the model's arena."""

    stack_used: int
    stack_bytes: int
    arena_bytes: int


class AnswerError(Exception):
    """An answer without a line that it must have; the text names the line. Never leaves this package."""


def _values(lines: Sequence[str]) -> dict[str, str]:
    matches = (_LINE.fullmatch(line) for line in lines)
    return {match[1]: match[2] if match[3] is None else match[3] for match in matches if match}


def _value(values: dict[str, str], key: str) -> str:
    if key not in values:
        raise AnswerError(f"m-{key}-")
    return values[key]


def _count(values: dict[str, str], key: str) -> int:
    text = _value(values, key)
    if not text.isdecimal():
        raise AnswerError(f"m-{key}-NUMBER")
    return int(text)


def parse_device_info(lines: Sequence[str]) -> DeviceInfo:
    """From the answers to ``name%`` and ``model%`` together."""
    values = _values(lines)
    return DeviceInfo(
        board=_value(values, "name-dut"),
        model=_value(values, "model-name"),
        model_hash=_value(values, "model-hash"),
        input_encodings=tuple(_value(values, "input-encoding").split()),
        input_bytes=_count(values, "input-bytes"),
        output_bytes=_count(values, "output-bytes"),
        arena_bytes=_count(values, "arena-bytes"),
        layer_count=_count(values, "layer-count"),
    )


def parse_clock(lines: Sequence[str]) -> ClockInfo:
    """From the answer to ``clock%``."""
    values = _values(lines)
    timer = _value(values, "timer")
    if timer not in ("cycles", "ticks"):
        raise AnswerError("m-timer-[cycles] or m-timer-[ticks]")
    return ClockInfo(
        core_hz=_count(values, "clock-hz"),
        timer="cycles" if timer == "cycles" else "ticks",
        timer_hz=_count(values, "timer-hz"),
    )


def parse_ticks(lines: Sequence[str]) -> InferTiming:
    """From the answer to ``ticks%``."""
    values = _values(lines)
    return InferTiming(
        runs=_count(values, "ticks-runs"),
        total=_count(values, "ticks-total"),
        least=_count(values, "ticks-min"),
        most=_count(values, "ticks-max"),
    )


def parse_layers(lines: Sequence[str], layer_count: int) -> LayerCounts:
    """From the answer to ``layers%`` of a model with ``layer_count`` layers."""
    matches = [match for line in lines if (match := _LAYER.fullmatch(line))]
    if [int(match[1]) for match in matches] != list(range(layer_count)):
        raise AnswerError(f"one m-layer- line for each of {layer_count} layers")
    layers = tuple(LayerCount(match[2], int(match[3]), int(match[4])) for match in matches)
    values = _values(lines)
    return LayerCounts(layers, _count(values, "layers-total"), _count(values, "layers-timing"))


def parse_memory(lines: Sequence[str]) -> MemoryUse:
    """From the answer to ``memory%``."""
    values = _values(lines)
    return MemoryUse(
        stack_used=_count(values, "stack-used"),
        stack_bytes=_count(values, "stack-bytes"),
        arena_bytes=_count(values, "arena-bytes"),
    )


def parse_results(lines: Sequence[str]) -> tuple[float, ...]:
    """Real outputs to three decimals, from the answer to ``results%``."""
    text = _value(_values(lines), "results")
    try:
        return tuple(float(number) for number in text.split(","))
    except ValueError as error:
        raise AnswerError("m-results-[NUMBERS]") from error


def parse_outputs(lines: Sequence[str], output_bytes: int) -> np.ndarray:
    """Outputs int8 (output_bytes,), tensor after tensor, from the answer to ``outputs%``."""
    digits = "".join(match[3] or "" for line in lines if (match := _LINE.fullmatch(line)))
    if len(digits) != 2 * output_bytes:
        raise AnswerError(f"{output_bytes} bytes in its m-outputs- lines")
    return np.frombuffer(bytes.fromhex(digits), dtype=np.int8)


def parse_crc(lines: Sequence[str]) -> int:
    """CRC-32 of the loaded input, from the answer to ``crc%``."""
    digits = _value(_values(lines), "crc")
    if not re.fullmatch("[0-9a-f]{8}", digits):
        raise AnswerError("m-crc-XXXXXXXX")
    return int(digits, 16)
