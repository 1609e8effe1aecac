"""The memory planner: where each activation lies in the arena.

The network is cut wherever a single activation is live between two operators. Each piece (segment) is laid
out alone (compiler/layout.py): its input lies flush with one end, its output with either end. Because a
segment may be mirrored and stretched, the arena of the whole network is exactly the largest segment's.
That is what lets the cost model of a search space plan each distinct block once and take maxima.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mcu_nas.compiler.catalogue import Kernel, choose
from mcu_nas.compiler.layout import Buffer, Layout, lay_out
from mcu_nas.network import Network
from mcu_nas.operators import Op


@dataclass(frozen=True)
class Plan:
    """Arena layout of a network.

    ``offsets``: bytes from the arena's start, by tensor id. ``takes_over``: operator output -> the input
    whose buffer it is written into. ``bound_bytes``: the largest sum of bytes live at one operator after
    the in-place decisions, below which no layout can go.
    """

    arena_bytes: int
    offsets: Mapping[int, int]
    kernels: tuple[Kernel, ...]
    takes_over: Mapping[int, int]
    bound_bytes: int

    def is_view(self, op: Op, kernel: Kernel) -> bool:
        """Whether an operator only renames memory, so that nothing runs."""
        return kernel.copies and op.outputs[0] in self.takes_over

    def kernels_run(self, network: Network) -> frozenset[str]:
        """Names of the kernels that the plan's network needs code of."""
        pairs = zip(network.ops, self.kernels, strict=True)
        return frozenset(kernel.name for op, kernel in pairs if not self.is_view(op, kernel))


def plan(network: Network) -> Plan:
    """Lay out the arena of a network: deterministic, exact to the byte.

    Raises:
        UnsupportedError: an operator that no kernel serves.
    """
    kernels = tuple(choose(network, op) for op in network.ops)
    takes_over = _take_overs(network, kernels)
    buffers = _buffers(network, takes_over)
    layouts = [lay_out(piece) for piece in _segments(buffers, len(network.ops))]
    arena_bytes = max(layout.peak_bytes for layout in layouts)
    bound_bytes = max(layout.bound_bytes for layout in layouts)
    return Plan(arena_bytes, _join(layouts, arena_bytes), kernels, takes_over, bound_bytes)


def _take_overs(network: Network, kernels: Sequence[Kernel]) -> dict[int, int]:
    """Which outputs are written into which dying input.

    Of several candidates the oldest is taken: a residual block's sum lies in the block's input, which is
    what makes segment maxima exact (written elsewhere, some chains need more than their largest segment).
    """
    takes_over: dict[int, int] = {}
    for index, (op, kernel) in enumerate(zip(network.ops, kernels, strict=True)):
        if not kernel.in_place:
            continue
        (output,) = op.outputs
        candidates = [
            tensor
            for tensor in (op.inputs[position] for position in kernel.in_place)
            if tensor not in network.constants
            and tensor not in network.outputs
            and network.lifetimes[tensor][1] == index
            and network.tensors[tensor].bytes == network.tensors[output].bytes
        ]
        if candidates:
            takes_over[output] = min(candidates, key=lambda tensor: (network.lifetimes[tensor][0], tensor))
    return takes_over


def _buffers(network: Network, takes_over: Mapping[int, int]) -> list[Buffer]:
    """One buffer per activation, or per chain of activations that take over one another's memory."""
    owner = {tensor: tensor for tensor in network.lifetimes}
    for output, source in takes_over.items():  # in execution order: a chain resolves to its first tensor
        owner[output] = owner[source]
    chains: dict[int, list[int]] = {}
    for tensor in network.lifetimes:
        chains.setdefault(owner[tensor], []).append(tensor)
    return [
        Buffer(
            tensors=tuple(chain),
            bytes=network.tensors[chain[0]].bytes,
            first=min(network.lifetimes[tensor][0] for tensor in chain),
            last=max(network.lifetimes[tensor][1] for tensor in chain),
        )
        for chain in chains.values()
    ]


def _segments(buffers: Sequence[Buffer], op_count: int) -> list[list[Buffer]]:
    """The buffers of each stretch of operators between two points where one buffer is live.

    A buffer that crosses a cut belongs to both sides; ``enters`` and ``leaves`` tell them so.
    """
    crossings = [0] * op_count  # crossings[i]: buffers live both at operator i and at operator i + 1
    for buffer in buffers:
        for index in range(buffer.first, buffer.last):
            crossings[index] += 1
    ends = [index for index in range(op_count - 1) if crossings[index] == 1] + [op_count - 1]
    pieces: list[list[Buffer]] = [[] for _ in ends]
    piece_of = [0] * op_count
    begin = 0
    for number, end in enumerate(ends):
        piece_of[begin : end + 1] = [number] * (end + 1 - begin)
        begin = end + 1
    for buffer in buffers:
        first, last = piece_of[buffer.first], piece_of[buffer.last]
        for number in range(first, last + 1):
            pieces[number].append(buffer.clipped(enters=number > first, leaves=number < last))
    return pieces


def _join(layouts: Sequence[Layout], arena_bytes: int) -> dict[int, int]:
    """Offsets of all tensors: each segment mirrored so that its input lies where the one before left it."""
    offsets: dict[int, int] = {}
    input_at_top = False
    for layout in layouts:
        for buffer, low in layout.stretched(arena_bytes):
            offset = arena_bytes - low - buffer.bytes if input_at_top else low
            for tensor in buffer.tensors:
                offsets[tensor] = offset
        input_at_top ^= layout.output_at_top
    return offsets
