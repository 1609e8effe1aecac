"""The search loop: feasibility once and before evaluation, determinism, resume as replay."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mcu_nas.boards import load_board
from mcu_nas.cost.constraints import Constraints, constraints_for
from mcu_nas.errors import NothingFitsError
from mcu_nas.search.feasible import FeasibleCandidates
from mcu_nas.search.history import History, Score, best
from mcu_nas.search.loop import evolve, fitness_curve
from mcu_nas.search.strategies.evolution import Evolution
from mcu_nas.spaces.architecture import Architecture
from mcu_nas.spaces.space import Space, mbconv_space

POPULATION, GENERATIONS = 8, 4


def space() -> Space:
    return mbconv_space(28, 1, 10, resolutions=(16,), widths=(0.8,))


def constraints(latency_ms: float = 25.0) -> Constraints:
    return constraints_for(load_board("stm32f746g-disco"), latency_ms=latency_ms)


def expand_sum(architecture: Architecture) -> Score:
    """A fitness that evolution can climb: wide blocks are better."""
    share = sum(float(c) for name, c in architecture.choices if name.endswith("expand")) / 120
    return Score(1 - share, share)


def searched(path: Path, generations: int = GENERATIONS, seed: int = 0) -> History:
    history = History(path)
    strategy = Evolution(space(), POPULATION, parents=3)
    evolve(strategy, FeasibleCandidates(space(), constraints()), history, expand_sum, generations, seed)
    return history


def test_everything_evaluated_fits(tmp_path: Path) -> None:
    limit = constraints().instruction_limit
    assert limit is not None
    candidates = FeasibleCandidates(space(), constraints())
    asked: list[Architecture] = []

    def evaluate(architecture: Architecture) -> Score:
        asked.append(architecture)
        return expand_sum(architecture)

    evolve(Evolution(space(), POPULATION, 3), candidates, History(tmp_path / "log"), evaluate, 2, 0)
    assert len(asked) == POPULATION * 3
    assert all(candidates.cost(architecture).instructions <= limit for architecture in asked)
    assert candidates.rejected > 0


def test_evolution_climbs(tmp_path: Path) -> None:
    curve = fitness_curve(searched(tmp_path / "log", generations=8))
    assert curve[-1]["mean_loss"] < curve[0]["mean_loss"] - 0.04
    assert curve[-1]["best_loss"] < curve[0]["best_loss"]
    assert curve[-1]["best_accuracy"] > curve[0]["best_accuracy"]


def test_no_architecture_is_evaluated_twice(tmp_path: Path) -> None:
    history = searched(tmp_path / "log")
    assert len({e.architecture for e in history}) == len(history)


def test_same_seed_same_log_and_other_seed_other_log(tmp_path: Path) -> None:
    logs = [list(searched(tmp_path / name, seed=seed)) for name, seed in (("a", 1), ("b", 1), ("c", 2))]
    assert logs[0] == logs[1]
    assert logs[0] != logs[2]


@pytest.mark.parametrize("kept", [1, POPULATION - 1, POPULATION, 2 * POPULATION + 3])
def test_log_cut_off_anywhere_is_completed_to_the_same_log(kept: int, tmp_path: Path) -> None:
    whole = list(searched(tmp_path / "whole"))
    cut = History(tmp_path / "cut")
    for evaluation in whole[:kept]:
        cut.append(evaluation)
    cut.close()
    assert list(searched(tmp_path / "cut")) == whole


def test_reader_sees_evaluations_while_the_search_writes(tmp_path: Path) -> None:
    writer = searched(tmp_path / "log", generations=0)
    reader = History(tmp_path / "log")
    assert list(reader) == list(writer)


def test_small_space_ends_instead_of_asking_forever(tmp_path: Path) -> None:
    tiny = space().restricted({name: options[:1] for name, options in space().options.items()})
    history = History(tmp_path / "log")
    evolve(Evolution(tiny, 4, 2), FeasibleCandidates(tiny, constraints(100)), history, expand_sum, 2, 0)
    assert len(history) == 1


def test_nothing_feasible_is_an_error_that_names_the_limit() -> None:
    candidates = FeasibleCandidates(space(), constraints(latency_ms=0.5))
    rng = np.random.default_rng(0)
    with pytest.raises(NothingFitsError, match=r"smallest needs .* ms estimated \(limit 0.5 ms\)"):
        candidates.gather(lambda n: [space().sample(rng) for _ in range(n)], 4)


def test_of_equals_the_cheaper_is_best(tmp_path: Path) -> None:
    history = searched(tmp_path / "log", generations=0)
    same = [replace(e, loss=0.5, accuracy=0.5) for e in history]
    assert best(same, 1)[0].instructions == min(e.instructions for e in same)
