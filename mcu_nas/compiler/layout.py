"""Layout of one segment: offsets of a few buffers with known lifetimes, in the fewest bytes.

Depth-first search in order of creation over the places that touch an end or another buffer, for the
smallest capacity that admits a solution, starting at the lower bound (the largest sum of bytes live at one
operator). The search is limited by a count of nodes, never by time: an arena must not depend on the load
of the machine that compiled it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

SEARCH_NODES = 20_000


@dataclass(frozen=True, slots=True)
class Buffer:
    """Memory for a tensor, or for a chain of tensors written in place; live at operators first..last.

    ``enters``: it comes from the segment before, and lies at offset 0. ``leaves``: it goes on into the next
    segment, and lies flush with either end.
    """

    tensors: tuple[int, ...]
    bytes: int
    first: int
    last: int
    enters: bool = False
    leaves: bool = False

    def clipped(self, *, enters: bool, leaves: bool) -> Buffer:
        """The same buffer as one segment sees it."""
        return replace(self, enters=enters, leaves=leaves) if enters or leaves else self

    def meets(self, other: Buffer) -> bool:
        """Whether both are live at one operator."""
        return self.first <= other.last and other.first <= self.last


@dataclass(frozen=True, slots=True)
class Layout:
    """Buffers and their offsets in a frame of ``peak_bytes``; the entering buffer lies at offset 0."""

    buffers: tuple[Buffer, ...]
    offsets: tuple[int, ...]
    peak_bytes: int
    bound_bytes: int

    @property
    def output_at_top(self) -> bool:
        """Whether the leaving buffer ends where the frame ends, and not at offset 0."""
        return any(b.leaves and offset > 0 for b, offset in zip(self.buffers, self.offsets, strict=True))

    def stretched(self, arena_bytes: int) -> Iterator[tuple[Buffer, int]]:
        """Buffers with their offsets in a larger arena, the leaving buffer flush with its end again.

        Nothing lies above that buffer while it is live, so nothing else has to move.
        """
        extra = arena_bytes - self.peak_bytes
        for buffer, offset in zip(self.buffers, self.offsets, strict=True):
            yield buffer, offset + (extra if buffer.leaves and offset > 0 else 0)


def lay_out(buffers: Sequence[Buffer]) -> Layout:
    """The smallest layout that the search finds, and the lower bound beside it."""
    ordered = tuple(sorted(buffers, key=lambda b: (not b.enters, b.first, -b.bytes, b.tensors)))
    instants = {b.first for b in ordered}
    bound = max(sum(b.bytes for b in ordered if b.first <= index <= b.last) for index in instants)
    offsets = _search(ordered, bound)
    if offsets is not None:
        return Layout(ordered, offsets, bound, bound)
    too_small, peak = bound, sum(b.bytes for b in ordered)
    offsets = _end_to_end(ordered)
    while peak - too_small > 1:
        middle = (too_small + peak) // 2
        found = _search(ordered, middle)
        if found is None:
            too_small = middle
        else:
            peak, offsets = middle, found
    return Layout(ordered, offsets, peak, bound)


def _end_to_end(buffers: Sequence[Buffer]) -> tuple[int, ...]:
    """Offsets without any overlap, the entering buffer first and the leaving one last: always a layout."""
    offsets: dict[Buffer, int] = {}
    for buffer in sorted(buffers, key=lambda b: (not b.enters, b.leaves)):
        offsets[buffer] = sum(placed.bytes for placed in offsets)
    return tuple(offsets[buffer] for buffer in buffers)


def _search(buffers: Sequence[Buffer], capacity: int) -> tuple[int, ...] | None:
    """Offsets of all buffers within ``capacity`` bytes, or None where the search finds none."""
    offsets: list[int] = []
    nodes = SEARCH_NODES

    def descend() -> bool:
        nonlocal nodes
        if len(offsets) == len(buffers):
            return True
        nodes -= 1
        if nodes < 0:
            return False
        buffer = buffers[len(offsets)]
        neighbours = [
            (offset, offset + other.bytes)
            for other, offset in zip(buffers, offsets, strict=False)
            if other.meets(buffer)
        ]
        for offset in _places(buffer, neighbours, capacity):
            offsets.append(offset)
            if descend():
                return True
            offsets.pop()
        return False

    return tuple(offsets) if descend() else None


def _places(buffer: Buffer, neighbours: Sequence[tuple[int, int]], capacity: int) -> list[int]:
    """Free offsets that touch an end of the frame or a neighbour: the lowest, the highest, then the rest."""
    highest = capacity - buffer.bytes
    if buffer.enters:
        wanted = [0]
    elif buffer.leaves:
        wanted = [highest, 0]
    else:
        wanted = [0, highest]
        wanted += [end for _, end in neighbours]
        wanted += [begin - buffer.bytes for begin, _ in neighbours]
    free = [
        offset
        for offset in wanted
        if 0 <= offset <= highest
        and all(offset + buffer.bytes <= begin or end <= offset for begin, end in neighbours)
    ]
    places = sorted(set(free))
    return [places[0], *places[:0:-1]] if len(places) > 1 else places
