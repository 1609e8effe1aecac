"""An order of a branching network's operators in which less is live at once.

The network is cut where a single activation is live between two operators; no order crosses such a cut. In
each piece that sets the peak, dynamic programming over the sets of operators already run finds the lowest
peak of live bytes: what came before matters only by its peak and its set. (As TensorFlow Lite Micro runs
operators in the file's order, few other tools look.) The search is bounded by a count of sets, never by
time: an arena must not depend on the machine's load.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from mcu_nas.compiler.catalogue import choose
from mcu_nas.network import Network

MAX_SETS = 20_000  # of operators, over the whole network


def order_operators(network: Network, max_sets: int = MAX_SETS) -> Network:
    """The network with its operators in an order of the lowest peak of live bytes; the network itself where
    no order has a lower one.

    An output written into a dying input costs nothing beside it. Where ``max_sets`` do not suffice, a
    greedy order is taken, if it is better than the given one.

    Raises:
        UnsupportedError: an operator that no kernel serves.
    """
    memory = _Memory(network)
    pieces = sorted(_pieces(network), key=lambda piece: -memory.peak(piece, piece))
    order = list(range(len(network.ops)))
    reached, left = 0, max_sets
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
    """A set of operators run, as bits: the peak on the best way there, and that way's last step."""

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
    """Live bytes of a network under any order of its operators; sets of operators are ints, a bit each."""

    def __init__(self, network: Network) -> None:
        self._bytes = [tensor.bytes for tensor in network.tensors]
        self._network = network
        self._readers = dict.fromkeys(network.lifetimes, 0)
        writer: dict[int, int] = {}
        self.needs: list[int] = []  # per operator: those that write its inputs
        for index, op in enumerate(network.ops):
            for tensor in network.activations_in(op):
                self._readers[tensor] |= 1 << index
            self.needs.append(sum({1 << writer[t] for t in network.activations_in(op) if t in writer}))
            writer.update(dict.fromkeys(op.outputs, index))
        self._in_place = [choose(network, op).in_place for op in network.ops]

    def start(self, piece: range) -> _State:
        """Before a piece's operators: what is live where it begins."""
        lifetimes = self._network.lifetimes
        entering = (
            tensor
            for tensor, (first, last) in lifetimes.items()
            if first < piece.start <= last or (tensor in self._network.inputs and piece.start == 0)
        )
        return _State(0, sum(self._bytes[tensor] for tensor in entering))

    def run(self, state: _State, done: int, index: int) -> _State:
        """``state`` after operator ``index``; ``done`` are the operators before it."""
        op = self._network.ops[index]
        done |= 1 << index
        dying = [t for t in dict.fromkeys(self._network.activations_in(op)) if self._dies(t, done)]
        output = sum(self._bytes[tensor] for tensor in op.outputs)
        heirs = (op.inputs[position] for position in self._in_place[index] if position < len(op.inputs))
        taken_over = any(t in dying and self._bytes[t] == output for t in heirs)
        during = state.live + (0 if taken_over else output)
        after = state.live + output - sum(self._bytes[tensor] for tensor in dying)
        after -= sum(self._bytes[tensor] for tensor in op.outputs if self._dies(tensor, done))
        return _State(max(state.peak, during), after, index, state)

    def peak(self, piece: range, order: Sequence[int]) -> int:
        """The peak of a piece's operators in an order of their numbers."""
        state, done = self.start(piece), (1 << piece.start) - 1
        for index in order:
            state = self.run(state, done, index)
            done |= 1 << index
        return state.peak

    def ready(self, piece: range, done: int) -> Iterator[int]:
        """The operators of a piece that may run next."""
        return (i for i in piece if not done >> i & 1 and self.needs[i] & ~done == 0)

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


def _best_order(memory: _Memory, piece: range, given: int, max_sets: int) -> tuple[Sequence[int], int]:
    """The best order found for a piece whose given order has the peak ``given``, and the sets looked at."""
    level = {(1 << piece.start) - 1: memory.start(piece)}
    looked_at = 0
    for _ in piece:
        following: dict[int, _State] = {}
        for done, state in level.items():
            for index in memory.ready(piece, done):
                after = memory.run(state, done, index)
                known = following.get(done | 1 << index)
                if after.peak < given and (known is None or after.peak < known.peak):
                    following[done | 1 << index] = after
        looked_at += len(following)
        if looked_at > max_sets:
            order = _greedy(memory, piece)
            return (order if memory.peak(piece, order) < given else piece), max_sets
        level = following
    finished = next(iter(level.values()), None)  # nothing is left where no order beats the given one
    return (piece if finished is None else finished.steps()), looked_at


def _greedy(memory: _Memory, piece: range) -> list[int]:
    """Always the operator after which the least is live."""
    state, done = memory.start(piece), (1 << piece.start) - 1
    order: list[int] = []
    for _ in piece:
        index = min(memory.ready(piece, done), key=lambda i: (memory.run(state, done, i).live, i))
        state, done = memory.run(state, done, index), done | 1 << index
        order.append(index)
    return order
