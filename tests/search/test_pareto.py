"""The Pareto front of a log, and what can be picked from it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymoo.util.nds.non_dominated_sorting import NonDominatedSorting

from mcu_nas.errors import UsageError
from mcu_nas.search.exploration.history import Evaluation
from mcu_nas.search.exploration.pareto import (
    dominated_share,
    fastest,
    front,
    knee,
    non_dominated,
    picked,
    smallest,
)
from mcu_nas.spaces.architecture import Architecture

EVALUATION = Evaluation(
    strategy="start",
    generation=0,
    architecture=Architecture(()),
    loss=1.0,
    accuracy=0.5,
    partial=False,
    macs=1,
    weights_bytes=1,
    peak_bytes=1,
    flash_bytes=1,
    instructions=1,
)


def of(loss: float, instructions: int, peak: int = 1, flash: int = 1) -> Evaluation:
    """An evaluation of an architecture that these figures tell from all others."""
    architecture = Architecture((("figures", hash((loss, instructions, peak, flash))),))
    evaluation = replace(EVALUATION, architecture=architecture)
    return replace(evaluation, loss=loss, instructions=instructions, peak_bytes=peak, flash_bytes=flash)


@given(st.lists(st.tuples(*[st.integers(0, 4)] * 3), min_size=1, max_size=40))
def test_front_is_the_first_of_pymoos_non_dominated_sorting(rows: list[tuple[int, ...]]) -> None:
    values = np.array(rows, dtype=np.float64)
    expected = NonDominatedSorting().do(values, only_non_dominated_front=True)
    assert non_dominated(values).tolist() == sorted(expected)


def test_front_has_the_numbers_of_the_log_by_rising_loss() -> None:
    log = [of(0.5, 10), of(0.6, 11), of(0.4, 20), of(0.9, 9)]
    assert [number for number, _ in front(log)] == [2, 0, 3]


def test_each_of_four_objectives_can_put_a_member_on_the_front() -> None:
    log = [of(1.0, 10, 10, 10), of(0.9, 11, 11, 11), of(1.1, 9, 11, 11), of(1.1, 11, 9, 11)]
    assert len(front([*log, of(1.1, 11, 11, 9)])) == 5


def test_small_network_that_was_rejected_early_is_on_the_front() -> None:
    log = [of(0.3, 100), replace(of(0.9, 10), partial=True)]
    assert len(front(log)) == 2


def test_network_that_two_asked_for_is_on_the_front_once_and_as_evaluated_to_the_end() -> None:
    complete = of(0.3, 10)
    estimated = replace(complete, loss=0.31, partial=True)
    assert [number for number, _ in front([estimated, complete])] == [1]
    assert [number for number, _ in front([complete, complete])] == [0]


def test_front_of_nothing_is_empty() -> None:
    assert front([]) == []


def test_fastest_and_smallest_are_picked_by_instructions_and_by_peak() -> None:
    members = front([of(0.5, 10, 30, 5), of(0.6, 9, 31, 5), of(0.7, 20, 20, 9), of(0.8, 20, 20, 8)])
    assert fastest(members)[0] == 1
    assert smallest(members)[0] == 3


def test_knee_is_where_the_curve_bends() -> None:
    log = [of(0.30, 100), of(0.31, 60), of(0.33, 30), of(0.60, 25), of(0.90, 20)]
    assert knee(front(log))[0] == 2


def test_knee_looks_at_loss_and_instructions_alone() -> None:
    log = [of(0.30, 100, 9), of(0.33, 30, 9), of(0.90, 20, 9), of(0.95, 60, 1)]
    assert knee(front(log))[0] == 1


@pytest.mark.parametrize("log", [[of(0.3, 10)], [of(0.3, 20), of(0.4, 10)], [of(0.3, 30), of(0.5, 10)]])
def test_front_without_a_bend_has_its_knee_at_the_least_loss(log: list[Evaluation]) -> None:
    assert knee(front(log))[0] == 0


def test_knee_of_a_front_that_bulges_outwards_is_its_least_loss() -> None:
    assert knee(front([of(0.3, 100), of(0.8, 90), of(0.9, 10)]))[0] == 0


def test_share_of_a_front_that_another_dominates_leaves_out_what_both_hold() -> None:
    shared, worse, apart = [1.0, 1.0], [3.0, 2.0], [0.0, 9.0]
    assert dominated_share(np.array([shared, worse, apart, apart]), by=np.array([shared])) == 0.25


def test_any_number_in_the_log_can_be_picked() -> None:
    log = [of(0.5, 10), of(0.6, 11)]
    assert picked(log, "1") == (1, log[1])
    assert picked(log, "knee") == (0, log[0])


@pytest.mark.parametrize(
    ("pick", "message"),
    [
        ("2", "--pick 2: the log holds evaluations 0 to 1"),
        ("-1", "--pick -1: knee, fastest, smallest, or the number of an evaluation"),
        ("best", "--pick best: knee, fastest, smallest, or the number of an evaluation"),
    ],
)
def test_pick_that_names_nothing_is_an_error(pick: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        picked([of(0.5, 10), of(0.6, 11)], pick)
