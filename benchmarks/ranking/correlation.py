"""Kendall's tau-b with a bootstrap interval over the networks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mcu_nas.search.exploration.predictor import kendall_tau

RESAMPLES = 2000
LEVEL = 0.9


@dataclass(frozen=True)
class Estimate:
    """A statistic of the sample, and the ``LEVEL`` percentile interval of its bootstrap."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:+.2f} [{self.low:+.2f}, {self.high:+.2f}]"


def tau_estimate(x: np.ndarray, y: np.ndarray, seed: int = 0) -> Estimate:
    """Tau-b of x and y (N,), networks resampled."""
    return bootstrap(lambda rows: kendall_tau(x[rows], y[rows]), len(x), seed)


def tau_gain(x: np.ndarray, rival: np.ndarray, y: np.ndarray, seed: int = 0) -> Estimate:
    """How much better x orders y than ``rival`` does: the difference of their taus, resampled together."""
    return bootstrap(
        lambda rows: kendall_tau(x[rows], y[rows]) - kendall_tau(rival[rows], y[rows]), len(x), seed
    )


def bootstrap(statistic: Callable[[np.ndarray], float], count: int, seed: int) -> Estimate:
    """``statistic`` of all row numbers, and its interval over RESAMPLES draws with replacement."""
    rng = np.random.default_rng(seed)
    found = [statistic(rng.integers(0, count, count)) for _ in range(RESAMPLES)]
    low, high = np.quantile(found, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Estimate(statistic(np.arange(count)), float(low), float(high))
