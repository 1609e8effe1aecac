"""ADD's output as a straight line of its two operands, where that is exact.

TFLM (firmware/kernels/add.c) brings both operands to a shared scale, adds, and scales the sum to the output:
three roundings. They are all small against the last one, so that the output is nearly always a staircase over

    v(a, b) = floor(Ma a / 2^8) + floor(Mb b / 2^8) + C,        out = clamp(floor(v / 2^F))

whose two products are SMLAWB's, of an operand times 2^8. Whether it always is can be seen, for given Ma and
Mb: there are 65,536 pairs of bytes, and staircase.py finds the C that suits all, if there is one.

Ma and Mb are tried near the real factors. Ties need it: TFLM rounds them away from zero, where one C rounds
all of them one way; a line that is steeper by a hair moves positive ties up and negative ones down. And where
a pair lies so near a step that the first roundings decide, some neighbour of Ma or Mb does as they do.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import product

import numpy as np

from mcu_nas.compiler.generators.generated import Refusal
from mcu_nas.compiler.generators.staircase import Staircase
from mcu_nas.compiler.requantize import ADD_HEADROOM_BITS, Multiplier

_BYTES = np.arange(-128, 128, dtype=np.int64)
_OPERAND_BITS = 8  # operands arrive times 2^8, and SMLAWB takes 2^16 off
_MOST_FRACTION_BITS, _LEAST_FRACTION_BITS = 23, 8
_STEEPER = (Fraction(), *(Fraction(1, 1 << bits) for bits in (22, 20, 18, 16, 14)))
_APART = (1, 3, 8, 20, 50, 120)  # of a multiplier from the real factor, in units
_NEAR = 1 << 9  # of values of v


@dataclass(frozen=True)
class AddLayer:
    """ADD of two tensors of ``count`` elements.

    Attributes:
        zero_points, factors: of the operands; factors to the shared scale, sum_factor from it to the output.
        output_zero_point, output_min, output_max: min and max lie within int8.
    """

    count: int
    zero_points: tuple[int, int]
    factors: tuple[Multiplier, Multiplier]
    sum_factor: Multiplier
    output_zero_point: int
    output_min: int = -128
    output_max: int = 127

    @cached_property
    def outputs(self) -> np.ndarray:
        """add.c's output of each pair of bytes, int64 (256, 256), from -128 on both axes."""
        a, b = (
            _scaled((_BYTES - zero_point) << ADD_HEADROOM_BITS, factor)
            for zero_point, factor in zip(self.zero_points, self.factors, strict=True)
        )
        total = _scaled(a[:, None] + b[None, :], self.sum_factor)
        return np.clip(total + self.output_zero_point, self.output_min, self.output_max)


@dataclass(frozen=True)
class SumLine:
    """The line: Ma and Mb below 2^31, C, and F.

    v stays within 32 bits, also where outputs count from another than 0: C less that output times 2^F.
    """

    multipliers: tuple[int, int]
    constant: int
    fraction_bits: int


def sum_line(layer: AddLayer) -> SumLine:
    """The line of one layer.

    Raises:
        Refusal: none of the lines that are tried gives all outputs; or factors too large for 32 bits.
    """
    slopes = [_real(factor) * _real(layer.sum_factor) * 2**ADD_HEADROOM_BITS for factor in layer.factors]
    bits = _fraction_bits(slopes)
    shares = (slope * zero_point for slope, zero_point in zip(slopes, layer.zero_points, strict=True))
    usual = round((layer.output_zero_point + Fraction(1, 2) - sum(shares)) * (1 << bits))
    pairs = _Pairs.of(layer, bits)
    near = None  # the pairs nearest to a step: where they meet no line, all pairs do not
    for multipliers in _multipliers([slope * (1 << bits + _OPERAND_BITS) for slope in slopes]):
        if near is None:
            near = pairs.nearest(multipliers)
        if near.constant(multipliers, usual) is None:
            continue
        constant = pairs.constant(multipliers, usual)
        if constant is not None:
            return SumLine(multipliers, constant, bits)
    raise Refusal(f"no straight line gives the sums of factors {layer.factors} and {layer.sum_factor}")


@dataclass(frozen=True)
class _Pairs:
    """Pairs of operands, int64 (pairs,), and the staircase of their outputs."""

    operands: tuple[np.ndarray, np.ndarray]
    stairs: Staircase

    @classmethod
    def of(cls, layer: AddLayer, bits: int) -> _Pairs:
        """All of them."""
        stairs = Staircase.of(layer.outputs.reshape(-1), layer.output_min, layer.output_max, bits)
        return cls((np.repeat(_BYTES, len(_BYTES)), np.tile(_BYTES, len(_BYTES))), stairs)

    def constant(self, multipliers: tuple[int, int], usual: int) -> int | None:
        """The C nearest to ``usual`` with which the line is exact for these pairs; None: there is none."""
        return self.stairs.constant(self._products(multipliers), usual)

    def nearest(self, multipliers: tuple[int, int]) -> _Pairs:
        """Those that bound C most tightly."""
        kept = self.stairs.tightest(self._products(multipliers), _NEAR)
        a, b = self.operands
        return _Pairs((a[kept], b[kept]), self.stairs[kept])

    def _products(self, multipliers: tuple[int, int]) -> np.ndarray:
        """The two products of SMLAWB, summed."""
        shift = 16 - _OPERAND_BITS
        a, b = (m * x >> shift for m, x in zip(multipliers, self.operands, strict=True))
        return np.asarray(a + b)


def _scaled(x: np.ndarray, factor: Multiplier) -> np.ndarray:
    """requantize.h's mcu_scale."""
    high = ((x << max(factor.shift, 0)) * factor.value + (1 << 30)) >> 31
    if factor.shift >= 0:
        return high
    return (((high + (high >> 63)) >> (-1 - factor.shift)) + 1) >> 1


def _real(factor: Multiplier) -> Fraction:
    return Fraction(factor.value) * Fraction(2) ** (factor.shift - 31)


def _fraction_bits(slopes: Sequence[Fraction]) -> int:
    """The most bits with which multipliers and sums stay within 32 bits, with room for what is tried nearby.

    v is the output times 2^F before it is clamped: operands less zero points times slopes, and the output's
    zero point. That may count from another output.
    """
    steepest, reach = max(slopes) * (1 << _OPERAND_BITS), 255 * sum(slopes) + 2 * 128 + 1
    for bits in range(_MOST_FRACTION_BITS, _LEAST_FRACTION_BITS - 1, -1):
        if max(steepest, reach) * (1 << bits) < 2**31 - 2**20:
            return bits
    raise Refusal(f"slopes of {[float(slope) for slope in slopes]}: sums leave 32 bits")


def _multipliers(real: Sequence[Fraction]) -> Iterator[tuple[int, int]]:
    """What is tried, the likeliest first."""
    for steeper in _STEEPER:
        a, b = (round(factor * (1 + steeper)) for factor in real)
        yield a, b
    a, b = (round(factor) for factor in real)
    for apart in _APART:
        steps = (-apart, -apart // 2, 0, apart // 2, apart)
        yield from ((max(a + da, 0), max(b + db, 0)) for da, db in product(steps, repeat=2))
