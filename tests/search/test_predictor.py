"""The accuracy predictor: what it learns from a log, and that it learns the same again."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcu_nas.search.exploration.predictor import cross_validated, fit, kendall_tau
from mcu_nas.spaces.architecture import Architecture
from tests.search.synthetic import space


def landscape(architecture: Architecture) -> float:
    """A loss with effects of single choices, and of two together: kernels help the deeper stages more."""
    gains = 0.0
    for name in space().active(architecture):
        if name.endswith("expand"):
            gains += 0.001 * float(architecture[name])
        elif name.endswith("kernel"):
            gains += 0.0005 * float(architecture[name]) * int(name[len("stage")])
    return 0.4 - gains


def drawn(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    architectures = [space().sample(rng) for _ in range(count)]
    rows = np.array([space().encode(a) for a in architectures])
    return rows, np.array([landscape(a) for a in architectures])


def test_predictor_ranks_networks_that_it_has_not_seen() -> None:
    rows, losses = drawn(100, seed=0)
    others, truth = drawn(200, seed=1)
    predicted = fit(rows, losses, seed=0).predict(others)
    assert kendall_tau(predicted, truth) > 0.75
    assert np.abs(predicted - truth).mean() < 0.4 * np.abs(truth - losses.mean()).mean()


def test_prediction_is_in_the_unit_of_the_losses() -> None:
    rows, losses = drawn(100, seed=0)
    predicted = fit(rows, losses, seed=0).predict(rows)
    scaled = fit(rows, 100 * losses + 7, seed=0).predict(rows)
    np.testing.assert_allclose(scaled, 100 * predicted + 7, rtol=1e-4)


def test_same_log_and_seed_give_the_same_predictions_and_another_seed_others() -> None:
    rows, losses = drawn(40, seed=0)
    others, _ = drawn(20, seed=1)
    one, same, other = (fit(rows, losses, seed).predict(others) for seed in (5, 5, 6))
    np.testing.assert_array_equal(one, same)
    assert (one != other).all()


def test_held_out_quality_is_far_above_chance() -> None:
    quality = cross_validated(*drawn(100, seed=0), seed=0)
    assert quality.evaluations == 100
    assert quality.kendall_tau > 0.6
    assert quality.mean_absolute_error < 0.6 * quality.error_of_mean


def test_held_out_quality_of_noise_is_chance() -> None:
    rows, _ = drawn(100, seed=0)
    noise = np.random.default_rng(0).normal(size=100)
    quality = cross_validated(rows, noise, seed=0)
    assert abs(quality.kendall_tau) < 0.2
    assert quality.mean_absolute_error > 0.9 * quality.error_of_mean


def test_equal_losses_are_predicted_as_such() -> None:
    rows, _ = drawn(20, seed=0)
    np.testing.assert_allclose(fit(rows, np.full(20, 0.25), seed=0).predict(rows), 0.25, atol=1e-6)


@given(st.permutations(range(8)))
def test_kendall_tau_counts_pairs(order: list[int]) -> None:
    pairs = [(i, j) for j in range(8) for i in range(j)]
    concordant = sum(1 if order[i] < order[j] else -1 for i, j in pairs)
    assert kendall_tau(np.arange(8), np.array(order)) == pytest.approx(concordant / len(pairs))


def test_kendall_tau_of_ties_is_tau_b() -> None:
    # 6 pairs, 4 of them told apart by both, all in order; each side ties one pair.
    assert kendall_tau(np.array([1, 1, 2, 3]), np.array([1, 2, 3, 3])) == pytest.approx(4 / 5)
    assert kendall_tau(np.ones(4), np.arange(4)) == 0.0
