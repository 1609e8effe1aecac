"""AVERAGE_POOL_2D and MEAN over a whole image, ARMv7E-M: sums of channel_sums.py, and what is made of them.

AVERAGE_POOL_2D (firmware/kernels/average_pool.c): sum / pixels, ties away from zero. As a staircase over
    v = floor(M sum / 2^16) + C,    out = clamp(floor(v / 2^F)),
SMLAWB and SSAT: 2 instructions. A line slightly steeper than 1 / pixels moves positive ties up and negative
ones down; all sums are tried (staircase.py). A clamp narrower than int8 is USAT, RSB, USAT, RSB, as in
add_words.py.

MEAN (firmware/kernels/mean.c): the sum less the zero points', times a factor, rounded twice, too coarsely for
a line. SMLABB doubles the sum and adds -2 pixels * zero point; requantization.py has the rest, 2 or 3
instructions.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from mcu_nas.compiler.generators.channel_sums import CONSTANTS, SUM, TEMPORARY, Finish, channel_sums
from mcu_nas.compiler.generators.generated import GeneratedKernel, Refusal
from mcu_nas.compiler.generators.requantization import Requantization, instructions, rescaling
from mcu_nas.compiler.generators.staircase import Staircase

_STEEPER = tuple(Fraction(1, 1 << bits) for bits in (20, 18, 16, 14, 12))
_MOST_FRACTION_BITS = 22  # |v| < 2^9 * 2^22
_DOUBLE = 0x0002_0002


@dataclass(frozen=True)
class GlobalAverage:
    """AVERAGE_POOL_2D of one window with ``pixels`` taps inside the image: all pixels of it."""

    pixels: int
    channels: int
    output_min: int = -128
    output_max: int = 127


@dataclass(frozen=True)
class GlobalMean:
    """MEAN over height and width.

    Attributes:
        sum_offset: -pixels * zero point of the input.
        requantization: of the one factor that all channels share, with 1 / pixels in it.
    """

    pixels: int
    channels: int
    sum_offset: int
    requantization: Requantization


def global_average(layer: GlobalAverage, symbol: str) -> GeneratedKernel:
    """The kernel of one layer.

    Raises:
        Refusal: as channel_sums; no line that is tried gives all averages.
    """
    low, high = layer.output_min, layer.output_max
    narrow = (low, high) != (-128, 127)
    multiplier, constant, bits = _line(layer)

    def lines(register: str, half: str) -> Iterator[str]:
        yield f"smlaw{half} {SUM}, {CONSTANTS[0]}, {register}, {CONSTANTS[1]}"
        if not narrow:
            yield f"ssat {SUM}, #8, {SUM}, asr #{bits}"
            return
        yield from (f"usat {SUM}, #8, {SUM}, asr #{bits}", f"rsb {SUM}, {SUM}, #{high - low}")
        yield from (f"usat {SUM}, #8, {SUM}", f"rsb {SUM}, {SUM}, #{high & 0xFF}")

    finish = Finish((multiplier, constant - (low << bits) * narrow), lines)
    comment = [f"int8 average of {layer.pixels} pixels, {layer.channels} channels, four at once."]
    return channel_sums(layer.pixels, layer.channels, finish, symbol, comment)


def global_mean(layer: GlobalMean, symbol: str) -> GeneratedKernel:
    """The kernel of one layer.

    Raises:
        Refusal: as channel_sums and requantization.rescaling.
    """
    form = rescaling(layer.requantization, np.array([abs(layer.sum_offset) + 128 * layer.pixels]), 1)
    multiplier, constant, offset, double = CONSTANTS

    def lines(register: str, half: str) -> Iterator[str]:
        yield f"smla{half}b {SUM}, {register}, {double}, {offset}"
        yield from instructions(form, SUM, multiplier, constant, temporary=TEMPORARY)

    words = (int(form.multipliers[0]), int(form.constants[0]), 2 * layer.sum_offset, _DOUBLE)
    comment = [f"int8 mean of {layer.pixels} pixels, {layer.channels} channels, four at once."]
    return channel_sums(layer.pixels, layer.channels, Finish(words, lines), symbol, comment)


def _line(layer: GlobalAverage) -> tuple[int, int, int]:
    """M, C and F."""
    pixels = layer.pixels
    sums = np.arange(-128 * pixels, 127 * pixels + 1)
    away = np.where(sums > 0, 1, -1) * ((np.abs(sums) + pixels // 2) // pixels)
    outputs = np.clip(away, layer.output_min, layer.output_max)
    bits = min(_MOST_FRACTION_BITS, 14 + (pixels - 1).bit_length())
    stairs = Staircase.of(outputs, layer.output_min, layer.output_max, bits)
    for steeper in _STEEPER:
        multiplier = round(Fraction(1 << bits + 16, pixels) * (1 + steeper))
        constant = stairs.constant(multiplier * sums >> 16, 1 << bits - 1)
        if constant is not None:
            return multiplier, constant, bits
    raise Refusal(f"no straight line gives the averages of {pixels} pixels")
