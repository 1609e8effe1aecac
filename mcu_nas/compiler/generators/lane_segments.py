"""How the inputs of three_lanes.py's sums are cut so that no sum leaves its lane, by the real weights.

With S = sum of |w| of an output channel over some inputs, and inputs in [-128, 127], |y| <= 128 S. Of three
channels 0, 1 and 2

    the highest lanes  hold y11 and y12 in 20 bits                        S1, S2 <= 4095
    the middle lanes   hold y01 + y10 and y02 + y11 in 22 bits            S0 + S1, S1 + S2 <= 16383
    the lowest lanes   hold y00 and y01 in 22 bits                        less than the middle ones

The highest lanes are full first, and the cheapest to empty: 6 instructions. So inputs are cut twice: into
segments, after which all lanes are split, and these into pieces, after which the highest lanes are emptied.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

LANES = 3  # output channels of a block
LARGEST_IN_PIECE, LARGEST_IN_SEGMENT = 4095, 16383  # of sum |w|: 128 * 4095 < 2^19, 128 * 16383 < 2^21
LONGEST_UNROLLED = 128  # inputs


@dataclass(frozen=True)
class Segments:
    """The inputs, cut: ``full`` segments of ``length`` inputs, then one of ``rest`` (0: none); each of them
    into pieces of ``piece`` inputs, the last of which may be shorter."""

    length: int
    full: int
    rest: int
    piece: int

    @property
    def count(self) -> int:
        return self.full + (self.rest > 0)

    @property
    def is_whole(self) -> bool:
        """Whether nothing is cut: one segment of one piece."""
        return self.count == 1 and self.piece >= self.length

    @property
    def loops(self) -> bool:
        """Whether the full segments share their code."""
        return self.full > 1 and (self.count > 2 or 2 * self.length > LONGEST_UNROLLED)

    @property
    def ranges(self) -> list[tuple[int, int]]:
        """(first input, number of inputs) of each segment."""
        ranges = [(number * self.length, self.length) for number in range(self.full)]
        return ranges + ([(self.full * self.length, self.rest)] if self.rest else [])


def triples(channels: int) -> list[tuple[int, int, int]]:
    """The blocks' output channels. Of 3n + 2 the last three overlap the block before; of 3n + 1 the last is
    left to one_lane.py."""
    begins = list(range(0, channels - 2, LANES))
    if channels % LANES == 2:
        begins.append(channels - LANES)
    return [(begin, begin + 1, begin + 2) for begin in begins]


def segments(weights: np.ndarray) -> Segments:
    """The fewest segments and pieces whose lanes hold all sums, for int8 weights (channels, inputs).

    One more segment is taken where all then have one length, and share their code where it is long.
    """
    inputs = weights.shape[1]
    count = -(-inputs // LONGEST_UNROLLED)
    fitting: list[Segments] = []
    while len(fitting) < 2 and not (fitting and fitting[0].rest == 0):
        length = inputs if count == 1 else -(-inputs // count // 4) * 4
        cut = Segments(length, inputs // length, inputs % length, length)
        if all(_fits_segment(weights[:, begin : begin + size]) for begin, size in cut.ranges):
            fitting.append(Segments(length, cut.full, cut.rest, _longest_piece(weights, cut)))
        count += 1
    return min(fitting, key=lambda cut: (cut.rest > 0, cut.count))


def _sums(weights: np.ndarray) -> np.ndarray:
    """Sums of |w|, int64 (channels,)."""
    return np.asarray(np.abs(weights.astype(np.int64)).sum(axis=1))


def _fits_segment(weights: np.ndarray) -> bool:
    every = _sums(weights)
    of_triples = every[np.array(triples(len(weights)))]
    neighbours = of_triples[:, :2] + of_triples[:, 1:]
    return bool(max(neighbours.max(), every.max()) <= LARGEST_IN_SEGMENT)


def _longest_piece(weights: np.ndarray, cut: Segments) -> int:
    """Whole fours of inputs, but for a segment in one piece."""
    pieces = 1
    while True:
        piece = cut.length if pieces == 1 else -(-cut.length // pieces // 4) * 4
        begins = [at for begin, size in cut.ranges for at in range(begin, begin + size, piece)]
        ends = [*begins[1:], weights.shape[1]]
        pairs = zip(begins, ends, strict=True)
        if all(_fits_piece(weights[:, begin:end]) for begin, end in pairs):
            return piece
        pieces += 1


def _fits_piece(weights: np.ndarray) -> bool:
    highest = _sums(weights)[np.array(triples(len(weights)))][:, 1:]
    return bool(highest.max() <= LARGEST_IN_PIECE)
