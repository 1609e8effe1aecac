"""Kendall's tau-b and paired differences: the figures that the studies' verdicts rest on."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.ranking.correlation import tau_estimate, tau_gain
from benchmarks.search_quality.paired import paired_difference, t_quantile
from mcu_nas.search.exploration.predictor import kendall_tau

values = st.lists(st.integers(-5, 5), min_size=2, max_size=12)


def test_tau_counts_the_pairs_that_are_ordered_alike() -> None:
    # Of the six pairs, five agree and one does not.
    assert kendall_tau(np.array([1, 2, 3, 4]), np.array([1, 2, 4, 3])) == pytest.approx(4 / 6)


def test_tau_b_divides_by_the_pairs_that_are_not_tied() -> None:
    # Pairs (0,2) and (1,2) agree; (0,1) is tied in x alone: 2 / sqrt(2 * 3).
    assert kendall_tau(np.array([1, 1, 2]), np.array([1, 2, 3])) == pytest.approx(2 / math.sqrt(6))


def test_tau_with_a_constant_is_zero() -> None:
    assert kendall_tau(np.ones(4), np.arange(4)) == 0.0


@given(values, st.randoms(use_true_random=False))
def test_tau_is_symmetric_bounded_and_turns_its_sign_with_an_order(xs: list[int], random) -> None:  # type: ignore[no-untyped-def]
    x = np.array(xs)
    y = np.array(random.sample(xs, len(xs)))
    tau = kendall_tau(x, y)
    assert -1 - 1e-12 <= tau <= 1 + 1e-12
    assert kendall_tau(y, x) == pytest.approx(tau)
    assert kendall_tau(-x, y) == pytest.approx(-tau)


def test_interval_holds_the_estimate_and_narrows_with_more_networks() -> None:
    rng = np.random.default_rng(1)
    widths = []
    for count in (12, 120):
        x = rng.normal(size=count)
        found = tau_estimate(x, x + rng.normal(size=count))
        assert found.low <= found.value <= found.high
        widths.append(found.high - found.low)
    assert widths[1] < widths[0]


def test_gain_over_itself_is_nothing() -> None:
    x = np.arange(10.0)
    found = tau_gain(x, x, np.array([1, 0, 3, 2, 5, 4, 7, 6, 9, 8]))
    assert (found.value, found.low, found.high) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize(("degrees", "expected"), [(1, 6.3138), (2, 2.9200), (3, 2.3534), (10, 1.8125)])
def test_t_quantile_is_that_of_the_tables(degrees: int, expected: float) -> None:
    assert t_quantile(0.95, degrees) == pytest.approx(expected, abs=5e-5)


def test_paired_difference_of_three_seeds() -> None:
    found = paired_difference([93.0, 94.0, 95.0], [92.0, 92.0, 92.0])
    assert (found.pairs, found.mean, found.deviation) == (3, 2.0, 1.0)
    assert found.half_width == pytest.approx(2.9200 / math.sqrt(3), abs=1e-3)


def test_one_seed_has_no_interval() -> None:
    found = paired_difference([93.0], [92.0])
    assert (found.mean, found.deviation, found.half_width) == (1.0, None, None)
