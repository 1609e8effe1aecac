"""Outputs as a staircase over a value v in 32 bits: out = clamp(floor(v / 2^F)), v = products + C.

Each combination of inputs bounds v: from below so that its output is reached, from above so that the next one
is not. A clamped output has one bound only. Products are exact for some C if the largest lower bound that
they leave to C is not above the smallest upper bound.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_FAR = 1 << 40  # beyond any v


@dataclass(frozen=True)
class Staircase:
    """The least and the largest v of each combination of inputs, int64 (combinations,)."""

    begins: np.ndarray
    ends: np.ndarray

    @classmethod
    def of(cls, outputs: np.ndarray, minimum: int, maximum: int, fraction_bits: int) -> Staircase:
        """Of outputs that are clamped to [minimum, maximum], F = fraction_bits."""
        begins = np.where(outputs > minimum, outputs << fraction_bits, -_FAR)
        ends = np.where(outputs < maximum, (outputs + 1 << fraction_bits) - 1, _FAR)
        return cls(begins, ends)

    def constant(self, products: np.ndarray, usual: int) -> int | None:
        """The C nearest to ``usual`` with which all outputs are right; None: there is none."""
        lower, upper = int((self.begins - products).max()), int((self.ends - products).min())
        return min(max(usual, lower), upper) if lower <= upper else None

    def tightest(self, products: np.ndarray, margin: int) -> np.ndarray:
        """Which combinations bound C, bool (combinations,): also those that do within ``margin``."""
        lower, upper = self.begins - products, self.ends - products
        margin += max(int(lower.max() - upper.min()), 0)
        return np.asarray((lower > lower.max() - margin) | (upper < upper.min() + margin))

    def __getitem__(self, kept: np.ndarray) -> Staircase:
        return Staircase(self.begins[kept], self.ends[kept])
