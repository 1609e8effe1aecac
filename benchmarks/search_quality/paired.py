"""Paired differences over seeds: mean, standard deviation, interval by Student's t."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

LEVEL = 0.9


@dataclass(frozen=True)
class Difference:
    """Of ``pairs`` paired differences: mean, sample standard deviation, and half of the LEVEL interval; the
    latter two are None for a single pair."""

    pairs: int
    mean: float
    deviation: float | None
    half_width: float | None

    def __str__(self) -> str:
        if self.deviation is None or self.half_width is None:
            return f"{self.mean:+.2f} (one seed: no interval)"
        low, high = self.mean - self.half_width, self.mean + self.half_width
        return f"{self.mean:+.2f}, sd {self.deviation:.2f}, {LEVEL:.0%} interval [{low:+.2f}, {high:+.2f}]"


def paired_difference(ours: Sequence[float], theirs: Sequence[float]) -> Difference:
    """Of equally long sequences, a pair a seed."""
    differences = np.subtract(ours, theirs)
    pairs = len(differences)
    if pairs == 1:
        return Difference(1, float(differences[0]), None, None)
    deviation = float(differences.std(ddof=1))
    half = t_quantile((1 + LEVEL) / 2, pairs - 1) * deviation / math.sqrt(pairs)
    return Difference(pairs, float(differences.mean()), deviation, half)


def t_quantile(probability: float, degrees: int) -> float:
    """The quantile of Student's t for a probability above one half, to six digits."""
    low, high = 0.0, 1.0
    while _t_cdf(high, degrees) < probability:
        high *= 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _t_cdf(middle, degrees) < probability else (low, middle)
    return (low + high) / 2


def _t_cdf(t: float, degrees: int) -> float:
    """Of t >= 0, by the finite series of Abramowitz and Stegun, 26.7.3 and 26.7.4."""
    angle = math.atan(t / math.sqrt(degrees))
    cosine = math.cos(angle) ** 2
    if degrees % 2:
        term, total = math.cos(angle), 0.0
        for k in range(1, degrees - 1, 2):
            total += term
            term *= cosine * (k + 1) / (k + 2)
        inside = 2 / math.pi * (angle + math.sin(angle) * total)
    else:
        term, total = 1.0, 0.0
        for k in range(0, degrees, 2):
            total += term
            term *= cosine * (k + 1) / (k + 2)
        inside = math.sin(angle) * total
    return 0.5 + inside / 2
