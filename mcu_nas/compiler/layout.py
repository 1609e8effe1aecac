"""Layout of one segment: offsets of a few buffers with known lifetimes, in the fewest bytes.

Depth-first search in order of creation over the places that touch an end or another buffer, or overlap one
as far as a kernel allows, for the smallest capacity that admits a solution, starting at the lower bound (the
largest sum of bytes that one operator needs). The search is limited by a count of nodes, never by time: an
arena must not depend on the load of the machine that compiled it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

SEARCH_NODES = 10_000  # at the lower bound
BISECTION_NODES = 2_000  # at each capacity above it
NETWORK_NODES = 50_000  # in all segments of a network: about a second; a segment alone hardly needs them
MAX_MEETINGS = 100_000  # of two buffers in a segment; with more, hundreds live at once, nothing is searched
_MEETINGS_A_NODE = 16  # a buffer that meets more counts as several nodes: it takes as much longer


@dataclass(frozen=True, slots=True)
class Overlap:
    """How near a buffer's begin may come to that of the dying input ``source`` that it is computed from.

    ``lag_bytes``: see compiler/overlaps.py. ``pixel_bytes``: where not 0, any distance that is a multiple
    of it is allowed instead.
    """

    source: int  # the first tensor of its buffer
    lag_bytes: int
    pixel_bytes: int = 0

    def permits(self, begin: int, end: int, source_begin: int, source_end: int) -> bool:
        """Whether an output at begin..end may overlap its source."""
        if self.pixel_bytes:
            return (begin - source_begin) % self.pixel_bytes == 0
        return begin <= source_begin - self.lag_bytes or end >= source_end + self.lag_bytes

    def span(self, source_bytes: int, output_bytes: int) -> int:
        """The least that both take together."""
        if self.pixel_bytes:
            return max(source_bytes, output_bytes)
        return max(source_bytes + self.lag_bytes, output_bytes)


@dataclass(frozen=True, slots=True)
class Buffer:
    """Memory for a tensor, for a chain of tensors written in place, or for an operator's scratch (no
    tensors); live at operators first..last.

    ``enters``: it comes from the segment before, and lies at offset 0. ``leaves``: it goes on into the next
    segment, and lies flush with either end.
    """

    tensors: tuple[int, ...]
    bytes: int
    first: int
    last: int
    enters: bool = False
    leaves: bool = False
    overlap: Overlap | None = None

    def clipped(self, *, enters: bool, leaves: bool) -> Buffer:
        """The same buffer as one segment sees it."""
        return replace(self, enters=enters, leaves=leaves) if enters or leaves else self

    def meets(self, other: Buffer) -> bool:
        """Whether both are live at one operator."""
        return self.first <= other.last and other.first <= self.last

    def overlap_with(self, other: Buffer) -> Overlap | None:
        """How this buffer may overlap ``other``, if that is its source and ends where this one begins."""
        overlap = self.overlap
        if overlap is None or not other.tensors or other.tensors[0] != overlap.source:
            return None
        return overlap if other.last == self.first else None


@dataclass(frozen=True, slots=True)
class Layout:
    """Buffers and their offsets in a frame of ``peak_bytes``; the entering buffer lies at offset 0.

    ``nodes``: how many the search visited.
    """

    buffers: tuple[Buffer, ...]
    offsets: tuple[int, ...]
    peak_bytes: int
    bound_bytes: int
    nodes: int = 0

    @property
    def output_at_top(self) -> bool:
        """Whether the leaving buffer ends where the frame ends, and not at offset 0."""
        return any(b.leaves and offset > 0 for b, offset in zip(self.buffers, self.offsets, strict=True))

    def stretched(self, arena_bytes: int) -> Iterator[tuple[Buffer, int]]:
        """Buffers with their offsets in a larger arena, the leaving buffer flush with its end again.

        Nothing lies above that buffer while it is live, and what it overlaps with a lag it overlaps from
        above, so that nothing else has to move.
        """
        extra = arena_bytes - self.peak_bytes
        for buffer, offset in zip(self.buffers, self.offsets, strict=True):
            yield buffer, offset + (extra if buffer.leaves and offset > 0 else 0)


def lay_out(buffers: Sequence[Buffer], nodes: int | None = None) -> Layout:
    """The smallest layout that the search finds, and the lower bound beside it.

    ``nodes``: how many the search may visit, NETWORK_NODES if None; where it needs more, each of its steps
    still visits a node for each buffer, that is, it places every buffer where it first fits.
    """
    ordered = tuple(sorted(buffers, key=_in_order_of_creation))
    limits = SEARCH_NODES, BISECTION_NODES, NETWORK_NODES if nodes is None else nodes
    return _laid_out(ordered, *limits)


@lru_cache(maxsize=1024)  # passes and both plans of a network ask for the same segments again
def _laid_out(ordered: tuple[Buffer, ...], at_bound: int, above: int, nodes: int) -> Layout:
    bound = max(needed_bytes(ordered).values())
    too_small, peak = bound, sum(b.bytes for b in ordered)
    offsets = _end_to_end(ordered)
    met = _met_before(ordered)
    if met is None:
        return Layout(ordered, offsets, peak, bound)
    least = len(ordered)  # places every buffer where it first fits
    found, visited = _search(ordered, met, bound, min(at_bound, max(nodes, least)))
    if found is not None:
        return Layout(ordered, found, bound, bound, visited)
    while peak - too_small > 1:
        middle = (too_small + peak) // 2
        found, more = _search(ordered, met, middle, min(above, max(nodes - visited, least)))
        visited += more
        if found is None:
            too_small = middle
        else:
            peak, offsets = middle, found
    return Layout(ordered, offsets, peak, bound, visited)


def _in_order_of_creation(b: Buffer) -> tuple[Any, ...]:
    """Sources before what overlaps them; then a larger buffer before a smaller one."""
    return (not b.enters, b.first, not b.tensors, b.overlap is not None, -b.bytes, b.tensors)


def needed_bytes(buffers: Sequence[Buffer]) -> dict[int, int]:
    """The least that each operator at which a buffer begins can do with: all that is live, a buffer and the
    source that it may overlap counted as what both span.
    """
    begins = sorted({b.first for b in buffers})
    changes: dict[int, int] = {}  # of the bytes that are live
    saved: dict[int, int] = {}
    by_source = {b.tensors[0]: b for b in buffers if b.tensors}
    for buffer in buffers:
        changes[buffer.first] = changes.get(buffer.first, 0) + buffer.bytes
        changes[buffer.last + 1] = changes.get(buffer.last + 1, 0) - buffer.bytes
        source = by_source.get(buffer.overlap.source) if buffer.overlap is not None else None
        overlap = buffer.overlap_with(source) if source is not None else None
        if source is not None and overlap is not None:
            spared = buffer.bytes + source.bytes - overlap.span(source.bytes, buffer.bytes)
            saved[buffer.first] = max(saved.get(buffer.first, 0), spared)
    moments = sorted(changes)
    live = dict(zip(moments, itertools.accumulate(changes[moment] for moment in moments), strict=True))
    return {index: live[index] - saved.get(index, 0) for index in begins}


def _met_before(buffers: Sequence[Buffer]) -> list[list[int]] | None:
    """Per buffer in order of creation, the numbers of those before it that it meets; None where there are
    more than MAX_MEETINGS.
    """
    met: list[list[int]] = []
    live: list[int] = []
    meetings = 0
    for number, buffer in enumerate(buffers):
        live = [other for other in live if buffers[other].last >= buffer.first]
        meetings += len(live)
        if meetings > MAX_MEETINGS:
            return None
        met.append(live)
        live = [*live, number]
    return met


def _end_to_end(buffers: Sequence[Buffer]) -> tuple[int, ...]:
    """Offsets without any overlap, the entering buffer first and the leaving one last: always a layout."""
    offsets: dict[int, int] = {}
    end = 0
    for number in sorted(range(len(buffers)), key=lambda n: (not buffers[n].enters, buffers[n].leaves)):
        offsets[number] = end
        end += buffers[number].bytes
    return tuple(offsets[number] for number in range(len(buffers)))


_Neighbour = tuple[int, int, "Overlap | None"]  # begin, end, how the buffer to be placed may overlap it


def _search(
    buffers: Sequence[Buffer], met: Sequence[Sequence[int]], capacity: int, nodes: int
) -> tuple[tuple[int, ...] | None, int]:
    """Offsets of all buffers within ``capacity`` bytes, or None where none is found; nodes visited."""
    lags = _lags_after(buffers)
    visited = 0
    offsets: list[int] = []
    untried: list[Iterator[int]] = []  # per buffer that is placed, and the one after them: further places
    while len(offsets) < len(buffers):
        number = len(offsets)
        if len(untried) == number:
            visited += 1 + len(met[number]) // _MEETINGS_A_NODE
            if visited > nodes:
                return None, nodes
            neighbours = [
                (
                    offsets[other],
                    offsets[other] + buffers[other].bytes,
                    buffers[number].overlap_with(buffers[other]),
                )
                for other in met[number]
            ]
            untried.append(iter(_places(buffers[number], neighbours, capacity, lags[number])))
        offset = next(untried[-1], None)
        if offset is not None:
            offsets.append(offset)
            continue
        untried.pop()
        if not offsets:
            return None, visited
        offsets.pop()
    return tuple(offsets), visited


def _lags_after(buffers: Sequence[Buffer]) -> list[list[int]]:
    """Per buffer, how far those that overlap it later stay away from it."""
    number_of = {buffer.tensors[0]: number for number, buffer in enumerate(buffers) if buffer.tensors}
    lags: list[list[int]] = [[] for _ in buffers]
    for buffer in buffers:
        overlap = buffer.overlap
        if overlap is not None and overlap.lag_bytes and overlap.source in number_of:
            lags[number_of[overlap.source]].append(overlap.lag_bytes)
    return lags


def _places(
    buffer: Buffer, neighbours: Sequence[_Neighbour], capacity: int, lags: Sequence[int]
) -> list[int]:
    """Free offsets that touch an end of the frame or a neighbour, or stay as far from an end as the ``lags``
    of buffers that come later: the lowest, the highest, then the rest.
    """
    size, highest = buffer.bytes, capacity - buffer.bytes
    if buffer.enters:
        wanted = {0}
    elif buffer.leaves:
        wanted = {0, highest}
    else:
        wanted = {0, highest}
        for lag in lags:
            wanted |= {lag, highest - lag}
        for begin, end, overlap in neighbours:
            wanted |= {end, begin - size}
            if overlap is not None:
                lag = overlap.lag_bytes
                wanted |= {begin - lag, end + lag - size}
    within = sorted(offset for offset in wanted if 0 <= offset <= highest)
    places = _free(buffer, within, neighbours)
    return [places[0], *places[:0:-1]] if len(places) > 1 else places


def _free(buffer: Buffer, offsets: Sequence[int], neighbours: Sequence[_Neighbour]) -> list[int]:
    """Those of the rising offsets at which a buffer leaves all neighbours alone, or overlaps one as a kernel
    allows.
    """
    plain = sorted((begin - buffer.bytes, end) for begin, end, overlap in neighbours if overlap is None)
    sources = [neighbour for neighbour in neighbours if neighbour[2] is not None]  # one at most
    free: list[int] = []
    passed, taken_to = 0, 0
    for offset in offsets:
        while passed < len(plain) and plain[passed][0] < offset:
            taken_to = max(taken_to, plain[passed][1])
            passed += 1
        if offset >= taken_to and all(_apart(buffer, offset, source) for source in sources):
            free.append(offset)
    return free


def _apart(buffer: Buffer, offset: int, neighbour: _Neighbour) -> bool:
    """Whether a buffer at an offset leaves a neighbour alone, or overlaps it as a kernel allows."""
    begin, end, overlap = neighbour
    own_end = offset + buffer.bytes
    if own_end <= begin or end <= offset:
        return True
    if overlap is None or (overlap.pixel_bytes and buffer.leaves and offset > 0):
        return False  # a leaving buffer at the top moves when the frame is stretched: by no whole pixels
    return overlap.permits(offset, own_end, begin, end)
