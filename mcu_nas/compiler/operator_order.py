"""An order of a branching network's operators in which less is live at once.

The network is cut where a single activation is live between two operators; no order crosses such a cut. In
each piece that sets the peak, dynamic programming over the sets of operators already run finds the lowest
peak of live bytes: what came before matters only by its peak and its set. The search is bounded by a count
of steps, never by time: an arena must not depend on the machine's load.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from mcu_nas.compiler.catalogue import choose
from mcu_nas.network import Network

MAX_STEPS = 60_000  # from a set of operators to a larger one, over the whole network: about half a second
_OPERATORS_A_STEP = 256  # sets of more count as several steps: they take as much longer, and more memory
_GREEDY_STEPS = 60_000  # in each piece


def order_operators(network: Network, max_steps: int = MAX_STEPS) -> Network:
    """The network with its operators in an order of the lowest peak of live bytes; the network itself where
    no order has a lower one.

    An output written into a dying input costs nothing beside it. Where ``max_steps`` do not suffice, a
    greedy order is taken, if it is better than the given one.

    Raises:
        UnsupportedError: an operator that no kernel serves.
    """
    memory = _Memory(network)
    pieces = sorted(_pieces(network), key=lambda piece: -memory.peak(piece, piece))
    order = list(range(len(network.ops)))
    reached, left = 0, max_steps
    for piece in pieces:
        given = memory.peak(piece, piece)
        if given <= reached:
            break  # neither this piece nor a smaller one sets the peak
        best, used = _best_order(memory, piece, given, left)
        left -= used
        order[piece.start : piece.stop] = best
        reached = max(reached, memory.peak(piece, best))
    if order == list(range(len(network.ops))):
        return network
    return replace(network, ops=tuple(network.ops[index] for index in order))


@dataclass(frozen=True)
class _State:
    """After a set of operators: the peak on the best way there, what is live, and that way's last step.

    ``done`` and ``ready``: the operators run and those that may run next, a bit each.
    """

    done: int
    ready: int
    peak: int
    live: int
    last: int = -1
    before: _State | None = None

    def steps(self) -> list[int]:
        order = []
        state: _State | None = self
        while state is not None and state.before is not None:
            order.append(state.last)
            state = state.before
        return order[::-1]


class _Memory:
    """Live bytes of a network under any order of its operators."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._bytes = [tensor.bytes for tensor in network.tensors]
        self._readers = dict.fromkeys(network.lifetimes, 0)
        self._needs: list[int] = []  # per operator: those that write its inputs, a bit each
        self._followers: list[list[int]] = [[] for _ in network.ops]
        writer: dict[int, int] = {}
        for index, op in enumerate(network.ops):
            for tensor in network.activations_in(op):
                self._readers[tensor] |= 1 << index
            before = {writer[tensor] for tensor in network.activations_in(op) if tensor in writer}
            self._needs.append(sum(1 << other for other in before))
            for other in before:
                self._followers[other].append(index)
            writer.update(dict.fromkeys(op.outputs, index))
        self._in_place = [choose(network, op).in_place for op in network.ops]
        self._entering = self._bytes_entering()

    def start(self, piece: range) -> _State:
        """Before a piece's operators: what is live where it begins."""
        done = (1 << piece.start) - 1
        ready = sum(1 << index for index in piece if self._needs[index] & ~done == 0)
        return _State(done, ready, 0, self._entering[piece.start])

    def run(self, state: _State, index: int) -> _State:
        """``state`` after operator ``index``."""
        op = self._network.ops[index]
        done = state.done | 1 << index
        dying = [t for t in dict.fromkeys(self._network.activations_in(op)) if self._dies(t, done)]
        output = sum(self._bytes[tensor] for tensor in op.outputs)
        heirs = (op.inputs[position] for position in self._in_place[index] if position < len(op.inputs))
        taken_over = any(t in dying and self._bytes[t] == output for t in heirs)
        during = state.live + (0 if taken_over else output)
        after = state.live + output - sum(self._bytes[tensor] for tensor in dying)
        after -= sum(self._bytes[tensor] for tensor in op.outputs if self._dies(tensor, done))
        opened = sum(1 << other for other in self._followers[index] if self._needs[other] & ~done == 0)
        ready = (state.ready ^ 1 << index) | opened
        return _State(done, ready, max(state.peak, during), after, index, state)

    def peak(self, piece: range, order: Sequence[int]) -> int:
        """The peak of a piece's operators in an order of their numbers."""
        state = self.start(piece)
        for index in order:
            state = self.run(state, index)
        return state.peak

    def _bytes_entering(self) -> list[int]:
        """Bytes that are live before each operator and needed at it or after it."""
        changes = [0] * (len(self._network.ops) + 1)
        for tensor, (first, last) in self._network.lifetimes.items():
            changes[0 if tensor in self._network.inputs else first + 1] += self._bytes[tensor]
            changes[last + 1] -= self._bytes[tensor]
        return list(itertools.accumulate(changes))

    def _dies(self, tensor: int, done: int) -> bool:
        return self._readers[tensor] & ~done == 0 and tensor not in self._network.outputs


def _pieces(network: Network) -> Iterator[range]:
    """The operators between two points where a single activation is live."""
    changes = [0] * (len(network.ops) + 1)  # of the count of activations live both at i and at i + 1
    for first, last in network.lifetimes.values():
        changes[first] += 1
        changes[last] -= 1
    begin, crossing = 0, 0
    for index in range(len(network.ops)):
        crossing += changes[index]
        if crossing == 1 or index == len(network.ops) - 1:
            yield range(begin, index + 1)
            begin = index + 1


def _members(operators: int) -> Iterator[int]:
    """The numbers of the bits that are set, rising."""
    while operators:
        lowest = operators & -operators
        yield lowest.bit_length() - 1
        operators ^= lowest


def _best_order(memory: _Memory, piece: range, given: int, max_steps: int) -> tuple[Sequence[int], int]:
    """The best order found for a piece whose given order has the peak ``given``, and the steps it took."""
    level = [memory.start(piece)]
    steps, step = 0, 1 + piece.stop // _OPERATORS_A_STEP
    for _ in piece:
        following: dict[int, _State] = {}
        for state in level:
            for index in _members(state.ready):
                steps += step
                if steps > max_steps:
                    order = _greedy(memory, piece)
                    return (order if memory.peak(piece, order) < given else piece), max_steps
                after = memory.run(state, index)
                known = following.get(after.done)
                if after.peak < given and (known is None or after.peak < known.peak):
                    following[after.done] = after
        level = list(following.values())
    return (level[0].steps() if level else piece), steps  # empty where no order beats the given one


def _greedy(memory: _Memory, piece: range) -> Sequence[int]:
    """Always the operator after which the least is live; the given order where that takes too many steps."""
    state = memory.start(piece)
    order: list[int] = []
    left = _GREEDY_STEPS
    for _ in piece:
        left -= state.ready.bit_count()
        if left < 0:
            return piece
        state = min(
            (memory.run(state, index) for index in _members(state.ready)), key=lambda s: (s.live, s.last)
        )
        order.append(state.last)
    return order
