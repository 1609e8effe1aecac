"""A hundred random models over all operators equal tflite-micro; benchmarks/differential.py has thousands."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from mcu_nas.compiler import kernel_calls
from mcu_nas.compiler.calls.fields import Arguments
from mcu_nas.compiler.portable_kernels import PORTABLE_KERNELS
from mcu_nas.graph import Graph
from mcu_nas.operators import Op
from tests.graphs import assert_same_graph
from tests.random_models.comparison import Outcome, compare, differs, reason
from tests.random_models.model import random_model

FIRST, MODELS, BUILD = 203_000, 100, 25  # numbers that the campaign does not reach, with every kernel


@pytest.fixture(scope="module")
def outcomes() -> list[Outcome]:
    builds = (range(begin, begin + BUILD) for begin in range(FIRST, FIRST + MODELS, BUILD))
    return [outcome for seeds in builds for outcome in compare(seeds)]


def test_random_models_equal_the_reference_sanitized_and_poisoned(outcomes):
    assert not [(outcome.seed, outcome.difference) for outcome in outcomes if outcome.difference]
    assert sum(outcome.refusal is None for outcome in outcomes) >= 0.9 * MODELS


def test_random_models_run_every_kernel_of_the_catalogue(outcomes):
    ran = {name for outcome in outcomes for name in outcome.kernels}
    assert ran == {kernel.name for kernel in PORTABLE_KERNELS}


def test_a_number_gives_the_same_model_again():
    for seed in (FIRST, FIRST + 1):
        assert_same_graph(random_model(seed), random_model(seed))


def test_a_wrong_argument_of_a_kernel_is_found_and_its_operator_named(monkeypatch):
    correct = kernel_calls.ARGUMENTS["pad_s8"]
    monkeypatch.setitem(kernel_calls.ARGUMENTS, "pad_s8", padded_with_another_value(correct))
    padding = [seed for seed in range(FIRST, FIRST + 80) if operators(random_model(seed))[0] == "PAD"]
    found = [outcome.difference for outcome in compare(padding)]
    assert any(difference and "op 0 PAD: " in difference for difference in found)


def padded_with_another_value(correct: Callable[[Graph, Op], Arguments]) -> Callable[[Graph, Op], Arguments]:
    def wrong(graph: Graph, op: Op) -> Arguments:
        fields, arrays = correct(graph, op)
        return {**fields, "value": -fields["value"] - 1}, arrays

    return wrong


def operators(graph: Graph) -> list[str]:
    return [op.tflite_name for op in graph.network.ops]


def test_the_first_difference_is_told_with_its_place_and_values():
    got = np.zeros((2, 3), np.int8)
    assert differs(got, got) is None
    expected = got.copy()
    expected[1, 2] = 7
    assert differs(got, expected) == "1 of 6 bytes differ, first at (1, 2): got 0, expected 7"


def test_refusals_are_counted_by_operator_and_reason():
    text = "op 3 ADD (output 'out3'): output scale 1.75e-11 is 2^20 times finer than the inputs'"
    assert reason(text) == "ADD: output scale N is 2^20 times finer than the inputs'"
