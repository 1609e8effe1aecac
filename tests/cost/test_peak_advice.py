"""Advice about the peak names changes that were planned, and never one that leads nowhere."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from mcu_nas.compiler.planner import Plan, plan, plan_like
from mcu_nas.cost import peak_advice as module
from mcu_nas.cost.peak_advice import REPLANS, peak_advice, peak_op
from mcu_nas.cost.peak_rules import planned
from mcu_nas.graph import Graph
from mcu_nas.network import Network, Tensor
from mcu_nas.operators import Reshape
from mcu_nas.spaces.builder import NetworkBuilder
from tests.graphs import GraphMaker, graphs
from tests.mobilenet import mobilenet_v2


def test_a_smaller_input_brings_exactly_the_arena_of_the_network_built_for_it() -> None:
    network = mobilenet_v2(64)
    found = {change.what: change for change in peak_advice(network, plan(network)).changes}
    assert found["an input of 48×48"].arena_bytes == plan(mobilenet_v2(48)).arena_bytes
    assert found["an input of 48×48"].keeps_weights
    assert str(found["an input of 56×56"]).endswith("(same weights, measure its accuracy)")


@given(graphs())
@settings(deadline=None, max_examples=60)
def test_every_change_lowers_the_arena_and_the_best_stands_first(graph: Graph) -> None:
    the_plan = plan(graph.network)
    advice = peak_advice(graph.network, the_plan)
    sizes = [change.arena_bytes for change in advice.changes]
    assert sizes == sorted(sizes)
    assert all(0 < size < the_plan.arena_bytes for size in sizes)
    assert len(sizes) <= advice.tried <= REPLANS
    everywhere = [planned(graph.network, the_plan, index) for index in range(len(graph.network.ops))]
    assert advice.op_bytes == max(everywhere) == everywhere[advice.op_index]


def test_plans_are_limited_in_number(monkeypatch: pytest.MonkeyPatch) -> None:
    network = mobilenet_v2(224)
    the_plan = plan(network)
    planned_networks: list[Network] = []

    def counted(changed: Network, asked: Plan) -> Plan:
        planned_networks.append(changed)
        return plan_like(changed, asked)

    monkeypatch.setattr(module, "plan_like", counted)
    advice = peak_advice(network, the_plan)
    assert len(planned_networks) == advice.tried <= REPLANS
    assert all(changed != network for changed in planned_networks)


def residual() -> Network:
    """The peak is at op 2, where the stem's output is held for the ADD."""
    maker = GraphMaker(1)
    pixels = maker.activation("pixels", (1, 16, 16, 3))
    x = maker.conv(pixels, 20, (3, 3))
    y = maker.conv(maker.conv(x, 40, (3, 3)), 20, (3, 3))
    return maker.graph((pixels,), (maker.fully_connected(maker.mean(maker.add(x, y)), 10),)).network


def test_a_residual_held_over_the_peak_is_named_with_its_add() -> None:
    network = residual()
    advice = peak_advice(network, plan(network))
    dropped = next(change for change in advice.changes if change.what == "no residual at op 3 ADD")
    assert str(dropped) == "no residual at op 3 ADD (needs retraining)"


def test_channels_tied_by_an_add_change_together() -> None:
    network = residual()
    advice = peak_advice(network, plan(network))
    names = {change.what for change in advice.changes}
    assert "10 instead of 20 channels from op 0, op 2" in names
    assert "16 instead of 20 channels from op 0, op 2" in names
    assert "20 instead of 40 channels from op 1" in names


def test_classes_are_never_given_up() -> None:
    builder = NetworkBuilder()
    features = builder.input("features", (1, 8))
    network = builder.build(builder.fully_connected("classifier", features, 64))
    advice = peak_advice(network, plan(network))
    assert (advice.changes, advice.tried, advice.obstacle) == ((), 0, None)


def test_an_operator_whose_shape_cannot_be_told_gives_no_advice_and_says_why() -> None:
    builder = NetworkBuilder()
    pixels = builder.input("pixels", (1, 4, 6, 2))
    output = builder.append(lambda out: Reshape((pixels,), (out,)), Tensor("turned", (1, 6, 4, 2)))
    network = builder.build(output)
    advice = peak_advice(network, plan(network))
    assert (advice.changes, advice.tried) == ((), 0)
    assert advice.obstacle == (
        "an input of 3×5: op 0 RESHAPE: its new shape does not follow from its input's"
    )


def test_the_peak_is_at_the_operator_that_occupies_most() -> None:
    network = residual()
    index, size = peak_op(network, plan(network))
    assert index == 2
    assert 16 * 16 * (20 + 40) < size <= 16 * 16 * (20 + 40 + 20)
