"""The search loop: feasibility once and before evaluation, determinism, resume as replay, the control."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mcu_nas.errors import NothingFitsError, RunFolderError
from mcu_nas.search.exploration.feasible import FeasibleCandidates
from mcu_nas.search.exploration.history import Evaluation, History, Score, best
from mcu_nas.search.exploration.loop import CONTROL, START, explore, fitness_curve, seen_by
from mcu_nas.search.strategies.evolution import Evolution
from mcu_nas.spaces.architecture import Architecture
from tests.search.synthetic import (
    EVALUATIONS,
    POPULATION,
    STRATEGIES,
    constraints,
    expand_sum,
    explored,
    score_all,
    space,
)


def test_everything_evaluated_fits(tmp_path: Path) -> None:
    limit = constraints().instruction_limit
    assert limit is not None
    candidates = FeasibleCandidates(space(), constraints())
    asked: list[Architecture] = []

    def evaluate(architectures: Sequence[Architecture], log: Sequence[Evaluation]) -> Iterable[Score]:
        asked.extend(architectures)
        return score_all(architectures, log)

    explored(tmp_path / "log", "evolution", candidates=candidates, evaluate=evaluate)
    assert len(asked) == 2 * EVALUATIONS - POPULATION
    assert all(candidates.cost(architecture).instructions <= limit for architecture in asked)
    assert candidates.rejected > 0


def test_control_has_as_many_evaluations_as_the_strategy_and_its_start(tmp_path: Path) -> None:
    log = explored(tmp_path / "log", "evolution")
    strategy, control = seen_by("evolution", log), seen_by(CONTROL, log)
    assert len(strategy) == len(control) == EVALUATIONS
    assert strategy[:POPULATION] == control[:POPULATION] == [e for e in log if e.strategy == START]


def test_random_search_is_its_own_control(tmp_path: Path) -> None:
    log = explored(tmp_path / "log", "random")
    assert len(log) == EVALUATIONS
    assert {e.strategy for e in log} == {START, CONTROL}


def test_strategy_does_not_learn_from_the_control(tmp_path: Path) -> None:
    whole = explored(tmp_path / "whole", "evolution")
    without_control = [e for e in whole if e.strategy != CONTROL]
    assert list(whole)[: len(without_control)] == without_control


@pytest.mark.parametrize("name", STRATEGIES)
def test_strategy_evaluates_no_architecture_twice(name: str, tmp_path: Path) -> None:
    own = seen_by(name, explored(tmp_path / "log", name))
    assert len({e.architecture for e in own}) == len(own) == EVALUATIONS


@pytest.mark.parametrize("name", STRATEGIES)
def test_same_seed_same_log_and_other_seed_other_log(name: str, tmp_path: Path) -> None:
    logs = [list(explored(tmp_path / file, name, seed=seed)) for file, seed in (("a", 1), ("b", 1), ("c", 2))]
    assert logs[0] == logs[1]
    assert logs[0] != logs[2]


@pytest.mark.parametrize("name", STRATEGIES)
def test_log_cut_off_anywhere_is_completed_to_the_same_log(name: str, tmp_path: Path) -> None:
    whole = list(explored(tmp_path / "whole", name))
    for kept in range(0, len(whole) + 1, 13):
        cut = History(tmp_path / f"cut{kept}")
        for evaluation in whole[:kept]:
            cut.append(evaluation)
        cut.close()
        assert list(explored(tmp_path / f"cut{kept}", name)) == whole


def test_evaluations_may_race_with_the_log_they_were_asked_from(tmp_path: Path) -> None:
    lengths: list[int] = []

    def evaluate(architectures: Sequence[Architecture], log: Sequence[Evaluation]) -> Iterable[Score]:
        lengths.append(len(log))
        return score_all(architectures, log)

    explored(tmp_path / "log", "evolution", evaluate=evaluate)
    own = [0, POPULATION, 2 * POPULATION, 3 * POPULATION]
    assert lengths == own + own[1:]


def test_reader_sees_evaluations_while_the_search_writes(tmp_path: Path) -> None:
    writer = explored(tmp_path / "log", "evolution")
    reader = History(tmp_path / "log")
    assert list(reader) == list(writer)


def test_log_with_other_columns_is_refused(tmp_path: Path) -> None:
    history = History(tmp_path / "log")
    history._connection.execute("ALTER TABLE evaluations DROP COLUMN strategy")
    history.close()
    with pytest.raises(RunFolderError, match="the search log of another version"):
        History(tmp_path / "log")


@pytest.mark.parametrize("name", STRATEGIES)
def test_small_space_ends_instead_of_asking_forever(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mcu_nas.search.exploration.feasible.ASKS", 50)
    tiny = space().restricted({name: options[:1] for name, options in space().options.items()})
    log = explored(tmp_path / "log", name, candidates=FeasibleCandidates(tiny, constraints(100)))
    assert len(log) == 1


def test_nothing_feasible_is_an_error_that_names_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mcu_nas.search.exploration.feasible.ASKS", 50)
    candidates = FeasibleCandidates(space(), constraints(latency_ms=0.5))
    rng = np.random.default_rng(0)
    with pytest.raises(NothingFitsError, match=r"smallest needs .* ms estimated \(limit 0.5 ms\)"):
        candidates.gather(lambda n: [space().sample(rng) for _ in range(n)], 4)


def test_limit_that_the_smallest_meets_is_named_by_what_was_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("mcu_nas.search.exploration.feasible.ASKS", 50)
    candidates = FeasibleCandidates(space(), constraints(latency_ms=4.0))
    assert candidates.fits(space().smallest())
    message = r"none of 50 architectures that were asked for fits, .* needs .* ms estimated \(limit 4.0 ms\)"
    with pytest.raises(NothingFitsError, match=message):
        candidates.gather(lambda n: [space().largest()], 1)


def test_of_equals_the_cheaper_is_best(tmp_path: Path) -> None:
    log = explored(tmp_path / "log", "random")
    same = [replace(e, loss=0.5, accuracy=0.5) for e in log]
    assert best(same, 1)[0].instructions == min(e.instructions for e in same)


def test_one_rejected_early_is_best_only_where_all_were(tmp_path: Path) -> None:
    one, other = list(explored(tmp_path / "log", "random"))[:2]
    partial = replace(one, loss=0.0, partial=True)
    assert best([partial, other], 2) == [other, partial]


def test_fitness_curve_counts_evaluations_and_keeps_the_best(tmp_path: Path) -> None:
    history = History(tmp_path / "log")
    explore(
        Evolution(space(), POPULATION, 3),
        "evolution",
        FeasibleCandidates(space(), constraints()),
        history,
        score_all,
        start=POPULATION,
        evaluations=6 * POPULATION,
        seed=0,
    )
    curve = fitness_curve(seen_by("evolution", history))
    assert [point["evaluations"] for point in curve] == [POPULATION * n for n in range(1, 7)]
    losses = [expand_sum(e.architecture).loss for e in seen_by("evolution", history)]
    assert curve[-1]["best_loss"] == min(losses)
    assert curve[-1]["mean_loss"] < curve[0]["mean_loss"]
