"""Which kernels run a segment of a network: the fastest with which it stays within a room.

A segment is what lies between two points where one buffer is live (planner.py); its memory is laid out alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from mcu_nas.compiler.kernel import Kernel
from mcu_nas.compiler.layout import Buffer, Layout, Overlap, lay_out, needed_bytes
from mcu_nas.network import Network
from mcu_nas.operators import Op


@dataclass(frozen=True)
class Segment:
    """Operators between two cuts, and the buffers that they use."""

    network: Network
    buffers: Sequence[Buffer]
    operators: range

    def with_kernels(self, kernels: Sequence[Kernel]) -> list[Buffer]:
        """The buffers as its operators' kernels want them: which may overlap what, and scratch."""
        owner = {tensor: buffer.tensors[0] for buffer in self.buffers for tensor in buffer.tensors}
        overlaps: dict[int, Overlap] = {}
        scratch: list[Buffer] = []
        for index, kernel in zip(self.operators, kernels, strict=True):
            op = self.network.ops[index]
            if (overlap := _overlap(self.network, op, kernel, owner)) is not None:
                overlaps[op.outputs[0]] = overlap
            if scratch_bytes := kernel.scratch_bytes(self.network, op):
                scratch.append(Buffer((), scratch_bytes, index, index))
        overlapping = (overlaps.get(b.tensors[0]) for b in self.buffers)
        pairs = zip(self.buffers, overlapping, strict=True)
        return [replace(b, overlap=o) if o else b for b, o in pairs] + scratch

    def needs(self, kernels: Sequence[Kernel]) -> list[int]:
        """The least that each operator can do with."""
        needed = needed_bytes(self.with_kernels(kernels))
        return [needed.get(index, 0) for index in self.operators]


def _overlap(network: Network, op: Op, kernel: Kernel, owner: Mapping[int, int]) -> Overlap | None:
    """How an operator's output may overlap its input; the layout asks whether that input dies there."""
    source = op.inputs[0]
    if source not in owner or source in network.outputs:
        return None
    if kernel.any_pixel:
        return Overlap(owner[source], 0, pixel_bytes=network.shape(op.outputs[0])[-1])
    if kernel.lag_bytes is None:
        return None
    return Overlap(owner[source], kernel.lag_bytes(network, op))


def smaller(
    segment: Segment,
    alternatives: Sequence[tuple[Kernel, ...]],
    fastest: tuple[Kernel, ...],
    fast: Layout,
    room_bytes: int,
    nodes: int,
) -> tuple[tuple[Kernel, ...], Layout]:
    """Kernels that bring a segment into its room, or the smallest layout that is found; and the layout.

    What an operator needs does not depend on the kernels of others: each gets the fastest that needs no more
    than the room, or than the one operator that needs most however it is run. Where the layout does not come
    down to that bound, a tighter room is tried, then the thriftiest of all.
    """
    longest = max(map(len, alternatives))
    by_rank = [
        segment.needs([kernels[min(rank, len(kernels) - 1)] for kernels in alternatives])
        for rank in range(longest)
    ]
    needs = [[by_rank[rank][at] for rank in range(len(kernels))] for at, kernels in enumerate(alternatives)]
    least = max(map(min, needs))
    best = fastest, fast
    for room in dict.fromkeys((max(room_bytes, least), least, 0)):
        chosen = tuple(
            next(
                (kernel for kernel, need in zip(kernels, own, strict=True) if need <= room),
                kernels[own.index(min(own))],
            )
            for kernels, own in zip(alternatives, needs, strict=True)
        )
        if chosen == best[0]:
            continue
        layout = lay_out(segment.with_kernels(chosen), nodes)
        nodes = max(0, nodes - layout.nodes)
        if layout.peak_bytes < best[1].peak_bytes:
            best = chosen, layout
        if best[1].peak_bytes <= room_bytes:
            break
    return best
