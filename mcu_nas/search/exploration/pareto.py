"""The Pareto front of a log: what a search offers instead of one winner, and how to pick from it.

Four objectives, all to be minimised: validation loss, estimated instructions (latency on any clock), peak
SRAM, flash.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mcu_nas.errors import UsageError
from mcu_nas.search.exploration.history import Evaluation
from mcu_nas.spaces.architecture import Architecture

Numbered = tuple[int, Evaluation]  # with its number in the log


def objectives(evaluations: Sequence[Evaluation]) -> np.ndarray:
    """Loss, instructions, peak bytes, flash bytes: float64 (N, 4)."""
    rows = [(e.loss, e.instructions, e.peak_bytes, e.flash_bytes) for e in evaluations]
    return np.array(rows, dtype=np.float64).reshape(-1, 4)


def non_dominated(values: np.ndarray) -> np.ndarray:
    """Indices, ascending, of the rows (N, M) that no other row equals or beats everywhere and beats
    somewhere. Rows that are equal stay together."""
    found: list[int] = []
    for i in np.lexsort(values.T[::-1]):  # in this order no row is beaten by a later one
        rivals = values[found]
        if not ((rivals <= values[i]).all(1) & (rivals < values[i]).any(1)).any():
            found.append(int(i))
    return np.array(sorted(found), dtype=np.int64)


def dominated_share(values: np.ndarray, by: np.ndarray) -> float:
    """The share of rows (N, M), N at least 1, that some row of ``by`` (K, M) equals or beats everywhere and
    beats somewhere: the coverage of two fronts (Zitzler & Thiele, IEEE Trans. Evol. Comp. 3(4), 1999), but
    that what both hold counts for neither."""
    dominated = [((by <= row).all(1) & (by < row).any(1)).any() for row in values]
    return float(np.mean(dominated))


def front(log: Sequence[Evaluation]) -> list[Numbered]:
    """The members of the log's front with their numbers, by rising loss; each network once.

    Those that were rejected early, which a small network's loss may well be, count with their estimates.
    """
    first: dict[Architecture, Numbered] = {}  # strategy and control may both have asked for one
    for number, evaluation in sorted(enumerate(log), key=lambda member: member[1].partial):
        first.setdefault(evaluation.architecture, (number, evaluation))
    networks = list(first.values())
    members = [networks[i] for i in non_dominated(objectives([e for _, e in networks]))]
    return sorted(members, key=lambda member: (member[1].loss, member[1].instructions, member[0]))


def fastest(members: Sequence[Numbered]) -> Numbered:
    """The member with the fewest instructions; of equals, the one of less loss."""
    return min(members, key=lambda member: (member[1].instructions, member[1].loss))


def smallest(members: Sequence[Numbered]) -> Numbered:
    """The member with the least peak SRAM; of equals, less flash, then less loss."""
    return min(members, key=lambda member: (member[1].peak_bytes, member[1].flash_bytes, member[1].loss))


def knee(members: Sequence[Numbered]) -> Numbered:
    """The member at which the curve of loss against instructions bends most.

    Of the front of these two alone, with both scaled to 0..1 between its ends, it is the member furthest
    below the straight line that joins the ends (Das, On characterizing the "knee" of the Pareto curve based
    on normal-boundary intersection, Structural Optimization 18, 1999). A front that bends nowhere gives its
    member of least loss.
    """
    plane = np.array([(e.instructions, e.loss) for _, e in members], dtype=np.float64)
    curve = non_dominated(plane)
    low, high = plane[curve].min(0), plane[curve].max(0)
    scaled = (plane[curve] - low) / np.where(high > low, high - low, 1.0)
    below = 1 - scaled.sum(1)  # the line joins (0, 1) and (1, 0): proportional to the distance from it
    order = np.lexsort((plane[curve][:, 1], -np.maximum(below, 0)))
    return members[curve[order[0]]]


PICKS = {"knee": knee, "fastest": fastest, "smallest": smallest}


def picked(log: Sequence[Evaluation], pick: str) -> Numbered:
    """The evaluation that a pick names: one of PICKS of the front, or any number in the log.

    Raises:
        UsageError: neither.
    """
    if not log:
        raise UsageError(f"--pick {pick}: the log holds no evaluations")
    if pick in PICKS:
        return PICKS[pick](front(log))
    if not pick.isdecimal():
        raise UsageError(f"--pick {pick}: {', '.join(PICKS)}, or the number of an evaluation in the front")
    if int(pick) >= len(log):
        raise UsageError(f"--pick {pick}: the log holds evaluations 0 to {len(log) - 1}")
    return int(pick), log[int(pick)]
