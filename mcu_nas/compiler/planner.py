"""The memory planner: where each activation lies in the arena.

The network is cut wherever a single activation is live between two operators. Each piece (segment) is
planned alone: its input lies flush with one end of the arena, its output with either end, and because a
segment may be mirrored, the arena of the whole network is the largest segment's. This is what lets the
cost model of a search space plan each distinct block once and take maxima (docs/memory.md).

Offsets inside a segment are found by depth-first search over "lowest free place" and "highest free
place", tensor by tensor in order of creation, for the smallest capacity that admits a solution, starting
at the lower bound: the largest sum of simultaneously live bytes. The search is limited by a count of
nodes, never by time, so that an arena does not depend on the machine's load.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from mcu_nas.compiler.catalogue import Kernel, choose
from mcu_nas.network import Network

SEARCH_NODES = 20_000


@dataclass(frozen=True)
class Plan:
    """Arena layout: ``offsets`` by tensor id in bytes; ``bound_bytes`` is the lower bound of the peak.

    ``takes_over`` maps an operator's output to the input whose buffer it is written into.
    """

    arena_bytes: int
    offsets: Mapping[int, int]
    kernels: tuple[Kernel, ...]
    takes_over: Mapping[int, int]
    bound_bytes: int


@dataclass(frozen=True, slots=True)
class _Buffer:
    """A piece of memory that one tensor, or a chain of in-place tensors, occupies."""

    tensors: tuple[int, ...]
    bytes: int
    first: int
    last: int


def plan(network: Network) -> Plan:
    """Lay out the arena of a network; deterministic, exact to the byte.

    Raises:
        UnsupportedError: an operator that no kernel serves.
    """
    kernels = tuple(choose(network, op) for op in network.ops)
    takes_over = _in_place(network, kernels)
    buffers = _merge(network, takes_over)
    segments = [_plan_segment(piece, network) for piece in _segments(buffers, len(network.ops))]
    arena = max((peak for peak, _, _ in segments), default=0)
    offsets: dict[int, int] = {}
    at_top = False
    for peak, bound, places in segments:
        at_top = _join(offsets, places, at_top, arena)
    bound = max((bound for _, bound, _ in segments), default=0)
    return Plan(arena, offsets, kernels, takes_over, bound)
