"""Channels of several activations that stand or fall together."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

Channels = tuple[int, np.ndarray]  # an activation and positions of its last axis


class ChannelGroups:
    """The closure of pairwise ties between channels. ``channels``: how many each activation has."""

    def __init__(self, channels: Mapping[int, int]) -> None:
        ends = np.cumsum(list(channels.values()))
        self._span = {t: slice(end - n, end) for (t, n), end in zip(channels.items(), ends, strict=True)}
        self._group = np.arange(ends[-1])  # by channel: the least channel that it is known to be tied to
        self._ties: list[tuple[np.ndarray, np.ndarray]] = []

    def tie(self, a: Channels, b: Channels) -> None:
        """Tie each channel of ``a`` to the one of ``b`` at the same position."""
        self._ties.append((self._span[a[0]].start + a[1], self._span[b[0]].start + b[1]))

    def spread(self, marks: Mapping[int, np.ndarray]) -> dict[int, np.ndarray]:
        """A bool for each channel: whether any of its group is marked."""
        self._settle()
        marked = np.zeros(len(self._group), bool)
        for tensor, mask in marks.items():
            marked[self._group[self._span[tensor]][mask]] = True
        return {tensor: marked[self._group[span]] for tensor, span in self._span.items()}

    def _settle(self) -> None:
        """Take the least number over all ties until nothing changes, jumping over what is already known."""
        if not self._ties:
            return
        a, b = (np.concatenate(ends) for ends in zip(*self._ties, strict=True))
        self._ties = []
        while True:
            least = np.minimum(self._group[a], self._group[b])
            if np.array_equal(self._group[a], least) and np.array_equal(self._group[b], least):
                return
            # The groups' own heads take part, so that a whole group follows its least member.
            for ends in (a, b, self._group[a], self._group[b]):
                np.minimum.at(self._group, ends, least)
            self._group = self._group[self._group]
