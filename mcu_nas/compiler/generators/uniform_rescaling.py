"""One final shift for all channels, in requantization.py's half-up form.

That lets channels share code, and one shift for all layers lets layers share it. The half-up form takes
E = k + 5, or k plus the least e where that is less or 5 too coarse, and rounds m 2^(E - k - e) to an integer
m'. That m' is not exact as a number, but ``out`` is a staircase in y with at most 255 steps: for the range of
sums that the weights permit, an m' with some C is exact if each step lies at the same integer. For a step
from out < j to out >= j at y = T_j,
        floor(T_j 2^(1+k) m' / 2^32) + C >= j 2^E  and  floor((T_j - 1) 2^(1+k) m' / 2^32) + C < j 2^E,
so that C is found, or shown not to exist, by intersecting intervals; with E = k + e the interval holds the C
above. Channels for which none of a few m' has a C keep their own E: an ASR by a register more per output.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mcu_nas.compiler.generators.requantization import (
    Requantization,
    Rescaling,
    check_bounds,
    clamp,
    constants_of,
    exponents,
    half,
    refuse,
)

_NEIGHBOURS = (0, 1, -1, 2, -2, 3, -3)  # of the rounded multiplier, in the order in which they are tried
_COMMON_EXPONENT = 5  # e of most layers is 5 to 10: each less takes a bit from the precision of m'


def uniform_rescaling(layer: Requantization, largest: np.ndarray, scale_bits: int) -> Rescaling | None:
    """The half-up form with one final shift for all channels, or None where a channel has no exact one.

    Raises:
        Refusal: as rescaling.
    """
    if not layer.hides_ties:
        return None
    refuse(largest << scale_bits >= 2**31, "the scaled sum may leave 32 bits")
    low, high = clamp(layer)
    least = int(exponents(layer).min())
    for exponent in dict.fromkeys((min(least, _COMMON_EXPONENT), least)):
        pairs = _adjusted_factors(layer, largest, scale_bits, exponent)
        if pairs is None:
            continue
        multipliers, constants = pairs.T
        bits, finals = np.full((2, len(pairs)), [[scale_bits], [scale_bits - 1 + exponent]], np.int64)
        result = Rescaling(bits, multipliers, constants, finals, False, low, high)
        check_bounds(result, largest)
        return result
    return None


def _adjusted_factors(
    layer: Requantization, largest: np.ndarray, scale_bits: int, exponent: int
) -> np.ndarray | None:
    """m' and C of each channel for E = k + exponent, int64 (channels, 2); None where one has none."""
    steps, outputs = _steps(layer, largest)
    final = scale_bits - 1 + exponent
    usual = int(constants_of(np.array(scale_bits - 1), np.array(exponent), layer.zero_point))
    coarser = (exponents(layer) - exponent).tolist()
    pairs: list[tuple[int, int]] = []
    for channel, m in enumerate(layer.multipliers.tolist()):
        staircase = Staircase(steps[channel], outputs, int(largest[channel]), scale_bits, final)
        pair = staircase.matching(m / 2.0 ** coarser[channel], usual)
        if pair is None:
            return None
        pairs.append(pair)
    return np.array(pairs, np.int64)


def _steps(layer: Requantization, largest: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """TFLM's staircase: int64 (channels, steps), the least sum with an output of at least j, and j (steps,).

    Steps beyond the bound of a channel's sums are clipped to just outside of it.
    """
    outputs = np.arange(layer.minimum + 1, layer.maximum + 1)
    e, m = exponents(layer)[:, None], layer.multipliers.astype(np.int64)[:, None]
    bound = largest[:, None]
    high = (outputs[None, :] - layer.zero_point << e) - half(e)  # the least r 2^e, at ties away the least - 1
    high = np.where((high < 0) & (e > 0), high + 1, high)
    high = np.clip(high, -bound - 1, bound + 1)  # |high| <= |sum|
    least = -(-((high << 31) - (1 << 30)) // np.maximum(m, 1))
    least = np.where(m == 0, np.where(high <= 0, -bound, bound + 1), least)
    return np.clip(least, -bound, bound + 1), outputs


@dataclass(frozen=True)
class Staircase:
    """The steps of a channel, to be met with a given scaling of its sums and a given final shift."""

    steps: np.ndarray
    outputs: np.ndarray
    largest: int
    scale_bits: int
    final: int

    def matching(self, multiplier: float, usual: int) -> tuple[int, int] | None:
        """An m' near ``multiplier`` with the C nearest to ``usual`` that puts each step where it must be."""
        for neighbour in _NEIGHBOURS:
            m = round(multiplier) + neighbour
            if not 0 <= m < 2**31:
                continue
            rounding = 1 << 31 if self.scale_bits == 1 else 0
            at = ((self.steps << self.scale_bits) * m + rounding) >> 32
            below = ((self.steps - 1 << self.scale_bits) * m + rounding) >> 32
            thresholds = self.outputs << self.final
            lower = (thresholds - at)[self.steps <= self.largest].max(initial=-(2**31) + 1)
            upper = (thresholds - below)[self.steps > -self.largest].min(initial=2**31) - 1
            if lower <= upper:
                return m, int(np.clip(usual, lower, upper))
        return None
