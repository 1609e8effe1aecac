"""The order of operators: the lowest peak of live bytes that any order has, and a bounded search for it."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcu_nas.compiler.operator_order import order_operators
from mcu_nas.network import Network, Tensor
from mcu_nas.operators import Add, MaxPool2D, Op
from tests.graphs import GraphMaker, graphs
from tests.mobilenet import mobilenet_v2


def pooled(sizes: list[int], reads: list[tuple[int, ...]]) -> Network:
    """A network of stand-ins: activation 0 is the input, operator i reads some and writes number i + 1.

    Every operator is a pool, an ADD where it reads two; sizes are what counts here.
    """
    tensors = tuple(Tensor(f"t{i}", (1, 1, 1, size)) for i, size in enumerate(sizes))
    ops: list[Op] = [
        MaxPool2D(inputs, (i + 1,)) if len(inputs) == 1 else Add(inputs, (i + 1,))
        for i, inputs in enumerate(reads)
    ]
    return Network(tensors, tuple(ops), (0,), (len(sizes) - 1,))


def peak(network: Network) -> int:
    """Live bytes at the worst operator; an ADD may be written into a dying input of its size."""
    worst = 0
    for index, op in enumerate(network.ops):
        held = sum(network.tensors[t].bytes for t in network.live_at(index))
        output = network.tensors[op.outputs[0]].bytes
        read = (t for t in network.activations_in(op) if t not in network.outputs)
        dying = [t for t in read if network.lifetimes[t][1] == index]
        if isinstance(op, Add) and any(network.tensors[t].bytes == output for t in dying):
            held -= output
        worst = max(worst, held)
    return worst


def all_orders(network: Network):
    """Every execution order of a network."""
    for order in itertools.permutations(network.ops):
        written = set(network.inputs)
        for op in order:
            if not written.issuperset(op.inputs):
                break
            written.update(op.outputs)
        else:
            yield Network(network.tensors, order, network.inputs, network.outputs)


@st.composite
def branched(draw: st.DrawFn) -> Network:
    """Up to seven operators that read any one or two activations; what nobody reads is summed up at last."""
    count = draw(st.integers(2, 6))
    sizes = draw(st.lists(st.integers(1, 40), min_size=count + 1, max_size=count + 1))
    reads = [
        tuple(draw(st.lists(st.integers(0, i), min_size=1, max_size=2, unique=True))) for i in range(count)
    ]
    unread = [t for t in range(count) if not any(t in inputs for inputs in reads)]
    return pooled([*sizes, 1], [*reads, (*unread, count)])


@given(network=branched())
@settings(max_examples=60, deadline=None)
def test_no_order_has_a_lower_peak(network):
    ordered = order_operators(network)
    assert sorted(map(str, ordered.ops)) == sorted(map(str, network.ops))
    assert peak(ordered) == min(map(peak, all_orders(network)))


@given(network=branched())
@settings(max_examples=60, deadline=None)
def test_an_order_that_gains_nothing_is_the_files(network):
    ordered = order_operators(network)
    assert (ordered is network) == (peak(ordered) == peak(network))


@given(network=branched(), steps=st.integers(0, 20))
@settings(max_examples=60, deadline=None)
def test_a_search_cut_short_is_never_worse_than_the_file(network, steps):
    ordered = order_operators(network, steps)
    assert ordered.ops in [other.ops for other in all_orders(network)]
    assert peak(ordered) <= peak(network)


def test_the_branch_that_ends_small_runs_first():
    # Both branches swell from the input; the file runs all of both before it narrows either.
    network = pooled([10, 100, 100, 5, 5, 5], [(0,), (0,), (1,), (2,), (3, 4)])
    assert peak(network) == 210
    ordered = order_operators(network)
    assert peak(ordered) == 115
    assert [op.outputs for op in ordered.ops] == [(1,), (3,), (2,), (4,), (5,)]


@given(graph=graphs(branched=False))
@settings(max_examples=20, deadline=None)
def test_a_chain_keeps_its_order(graph):
    assert order_operators(graph.network) is graph.network


def test_residual_networks_keep_their_order():
    network = mobilenet_v2()
    assert order_operators(network) is network


@pytest.mark.parametrize("steps", [200, 1_000_000], ids=["greedy", "exact"])
def test_many_branches_end_in_a_bounded_search(steps):
    maker = GraphMaker(0)
    x = maker.activation("pixels", (1, 4, 4, 4))
    wide = [maker.conv(x, 16, (1, 1)) for _ in range(8)]
    narrow = [maker.conv(y, 2, (1, 1)) for y in wide]
    total = narrow[0]
    for y in narrow[1:]:
        total = maker.add(total, y)
    network = maker.graph((x,), (total,)).network
    assert peak(network) == 64 + 8 * 256
    # One branch after the other, summed up as they come: input, sum, and a branch's two activations.
    assert peak(order_operators(network, steps)) == 64 + 32 + 256 + 32
