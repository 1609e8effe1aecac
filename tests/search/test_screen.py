"""Screening by a predictor: better children for as many evaluations, and the same ones when resumed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pytest

from mcu_nas.search.exploration.history import Evaluation, History, Score, best
from mcu_nas.search.exploration.loop import CONTROL, START, explore, seen_by
from mcu_nas.search.exploration.pareto import objectives
from mcu_nas.search.exploration.screen import Screen, predictor_record, screened_sizes, widening
from mcu_nas.spaces.architecture import Architecture
from tests.search.synthetic import expand_sum, shared_candidates, space, strategy

SCREEN = Screen(shared_candidates(), batch=6, rounds=5, fewest=10)


def noisy(architecture: Architecture) -> Score:
    """As evaluating is: with an error, that belongs to the architecture."""
    exact = expand_sum(architecture)
    rng = np.random.default_rng(list(architecture.to_json().encode()))
    return Score(exact.loss + rng.normal(0, 0.005), exact.accuracy)


def score_all(architectures: Sequence[Architecture], log: Sequence[Evaluation]) -> Iterable[Score]:
    return map(noisy, architectures)


def screened(path: Path, name: str = "evolution", screen: Screen | None = SCREEN, seed: int = 0) -> History:
    history = History(path)
    explore(
        strategy(name, space(), 12),
        name,
        shared_candidates(),
        history,
        score_all,
        start=12,
        evaluations=30,
        seed=seed,
        gather=screen.gather if screen else None,
    )
    return history


def mean_loss(log: Sequence[Evaluation], name: str) -> float:
    """Of what the strategy itself asked for, without the evaluations' errors."""
    return float(np.mean([expand_sum(e.architecture).loss for e in log if e.strategy == name]))


@pytest.mark.parametrize("name", ["evolution", "aging"])
def test_screened_children_are_better_than_unscreened_ones(name: str, tmp_path: Path) -> None:
    with_predictor = mean_loss(screened(tmp_path / "with", name), name)
    without = mean_loss(screened(tmp_path / "without", name, None), name)
    assert with_predictor < without


def test_screened_evolution_finds_the_better_network(tmp_path: Path) -> None:
    def found(screen: Screen | None) -> float:
        logs = [
            screened(tmp_path / f"{bool(screen)}{seed}", screen=screen, seed=seed) for seed in range(1, 7)
        ]
        return float(np.mean([best(log, 1)[0].loss for log in logs]))

    assert found(SCREEN) < found(None) - 0.01


@pytest.mark.parametrize("kept", [1, 11, 12, 15, 18, 29, 40])
def test_screened_log_cut_off_anywhere_is_completed_to_the_same_log(kept: int, tmp_path: Path) -> None:
    whole = list(screened(tmp_path / "whole"))
    cut = History(tmp_path / "cut")
    for evaluation in whole[:kept]:
        cut.append(evaluation)
    cut.close()
    assert list(screened(tmp_path / "cut")) == whole


def test_what_is_asked_fits_is_new_and_no_more_than_a_batch(tmp_path: Path) -> None:
    log = seen_by("evolution", screened(tmp_path / "log"))
    asked = SCREEN.gather(strategy("evolution", space(), 12), log, 50, np.random.default_rng(0))
    assert len(set(asked)) == SCREEN.batch
    assert not set(asked) & {e.architecture for e in log}
    assert all(shared_candidates().fits(architecture) for architecture in asked)


def test_start_and_control_are_not_screened(tmp_path: Path) -> None:
    one, other = screened(tmp_path / "with"), screened(tmp_path / "without", screen=None)
    for name in (START, CONTROL):
        assert [e for e in one if e.strategy == name] == [e for e in other if e.strategy == name]


def test_record_says_how_well_held_out_losses_are_foretold(tmp_path: Path) -> None:
    log = screened(tmp_path / "log")
    record = predictor_record(space(), log, seed=0)
    assert record["evaluations"] == len(log)
    assert record["kendall_tau"] > 0.4
    assert record["mean_absolute_error"] < record["error_of_mean"]
    assert record == predictor_record(space(), log, seed=0)
    assert predictor_record(space(), log[:9], seed=0) == {}


@pytest.mark.parametrize(
    ("population", "evaluations", "sizes"),
    [(32, 288, (16, 57)), (100, 3100, (50, 620)), (4, 12, (8, 12)), (4, 6, (6, 6))],
)
def test_screened_search_evaluates_a_fifth(population: int, evaluations: int, sizes: tuple[int, int]) -> None:
    assert screened_sizes(population, evaluations) == sizes


def test_what_widens_the_front_is_chosen_and_nothing_twice() -> None:
    known = np.array([[0.0, 1.0], [1.0, 0.0]])
    new = np.array([[0.5, 0.9], [0.4, 0.4], [0.41, 0.41], [1.0, 1.0], [0.1, 0.7]])
    assert widening(known, new, 2, np.random.default_rng(0)) == [1, 4]
    assert sorted(widening(known, new, 9, np.random.default_rng(0))) == [0, 1, 2, 3, 4]


def test_front_of_a_screened_nsga2_dominates_more_than_an_unscreened_one(tmp_path: Path) -> None:
    def front_of(screen: Screen | None) -> np.ndarray:
        return objectives(seen_by("nsga2", screened(tmp_path / str(bool(screen)), "nsga2", screen)))

    with_predictor, without = front_of(SCREEN), front_of(None)
    assert dominated(with_predictor, without) > dominated(without, with_predictor)


def dominated(by: np.ndarray, rows: np.ndarray) -> float:
    """Share of the rows that some row of ``by`` beats or equals everywhere, and beats somewhere."""
    return float(np.mean([((by <= row).all(1) & (by < row).any(1)).any() for row in rows]))
