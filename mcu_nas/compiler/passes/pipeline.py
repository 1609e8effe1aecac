"""All passes in their order, again and again until none finds anything, and what each of them saved."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from mcu_nas.compiler.operator_order import order_operators
from mcu_nas.compiler.passes.dead_channels import dead_channels
from mcu_nas.compiler.passes.drop_dead import drop_dead
from mcu_nas.compiler.passes.fuse_activation import fuse_activation
from mcu_nas.compiler.passes.merge_padding import merge_padding
from mcu_nas.compiler.planner import plan
from mcu_nas.graph import Graph
from mcu_nas.network import op_macs

MAX_ROUNDS = 16  # every round but the last removes something; a chain of removals rarely takes three


@dataclass(frozen=True, slots=True)
class Saving:
    """What a pass took from a graph in all rounds; arenas are those of the memory plan.

    ``arena_before_bytes`` is from before its first change, ``arena_after_bytes`` from after its last;
    ``arena_saved_bytes`` leaves out what other passes saved in between.
    """

    name: str
    operators: int
    macs: int
    weights_bytes: int
    arena_before_bytes: int
    arena_after_bytes: int
    arena_saved_bytes: int


@dataclass(frozen=True)
class Passed:
    """A graph after the passes, and a saving of each pass that changed it.

    ``given_arena_bytes`` and ``arena_bytes``: the memory plan's arena of the graph as given and of this one.
    """

    graph: Graph
    savings: tuple[Saving, ...]
    given_arena_bytes: int
    arena_bytes: int


def _order(graph: Graph) -> Graph:
    network = order_operators(graph.network)
    return graph if network is graph.network else replace(graph, network=network)


PASSES: tuple[tuple[str, Callable[[Graph], Graph]], ...] = (
    ("dead operators", drop_dead),
    ("padding into convolutions", merge_padding),
    ("activations into layers", fuse_activation),
    ("dead channels", dead_channels),
    ("operator order", _order),
)


def run_passes(graph: Graph) -> Passed:
    """A graph with the same outputs, bit for bit, and an arena that is not larger.

    What a pass makes is discarded where its arena would be larger: layouts of branching graphs have gaps.

    Raises:
        UnsupportedError: an operator that no kernel serves.
    """
    given = arena = plan(graph.network).arena_bytes
    savings: dict[str, Saving] = {}
    for _ in range(MAX_ROUNDS):
        before = graph
        for name, run in PASSES:
            result = run(graph)
            if result is graph:
                continue
            needed = plan(result.network).arena_bytes
            if needed > arena or (needed == arena and run is _order):
                continue
            savings[name] = _added(savings.get(name), _saving(name, graph, result, arena, needed))
            graph, arena = result, needed
        if graph is before:
            break
    ordered = tuple(savings[name] for name, _ in PASSES if name in savings)
    return Passed(graph, ordered, given, arena)


def _saving(name: str, before: Graph, after: Graph, arena_before: int, arena_after: int) -> Saving:
    return Saving(
        name,
        len(before.network.ops) - len(after.network.ops),
        _macs(before) - _macs(after),
        _weights_bytes(before) - _weights_bytes(after),
        arena_before,
        arena_after,
        arena_before - arena_after,
    )


def _added(first: Saving | None, then: Saving) -> Saving:
    if first is None:
        return then
    return replace(
        first,
        operators=first.operators + then.operators,
        macs=first.macs + then.macs,
        weights_bytes=first.weights_bytes + then.weights_bytes,
        arena_after_bytes=then.arena_after_bytes,
        arena_saved_bytes=first.arena_saved_bytes + then.arena_saved_bytes,
    )


def _macs(graph: Graph) -> int:
    return sum(op_macs(graph.network, op) for op in graph.network.ops)


def _weights_bytes(graph: Graph) -> int:
    """Bytes of int8 constants: weights, and operands that are no layers' weights."""
    tensors = (graph.network.tensors[tensor] for tensor in graph.constants)
    return sum(tensor.bytes for tensor in tensors if tensor.dtype == "int8")
