"""Early rejection: a subnet that cannot matter any more is not evaluated to the end.

A race against one rival (Maron & Moore, Hoeffding Races, NIPS 1993; paired as in F-Race, Birattari et al.,
GECCO 2002): after each part of the validation images, a one-sided test on the differences of the two
networks' losses image by image. Paired, because images differ far more than subnets do. The images are a
finite set that the parts exhaust, so that the error of a mean shrinks to nothing (Cochran, Sampling
Techniques, section 2.6), and the chances of error of all looks add up to ``error`` at most (Bonferroni).
The test is the normal one, as a part has ``PART`` images at least.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from mcu_nas.search.exploration.history import Evaluation, best
from mcu_nas.spaces.architecture import Architecture

PART = 250  # images; a part holds whole batches, so that every image is always computed beside the same ones


class Needs(NamedTuple):
    """The objectives of a front besides the loss (search/exploration/pareto.py)."""

    instructions: int
    peak_bytes: int
    flash_bytes: int

    def at_least(self, other: Evaluation) -> bool:
        """Whether this is no less than what the other needs, in everything."""
        return (
            self.instructions >= other.instructions
            and self.peak_bytes >= other.peak_bytes
            and self.flash_bytes >= other.flash_bytes
        )


@dataclass(frozen=True)
class EarlyRejection:
    """``error``: the largest chance that a subnet exactly as good as its rival is rejected; of a better one
    it is smaller. ``shares``: of the validation images, after which the losses are looked at."""

    error: float = 0.05
    shares: tuple[float, ...] = (1 / 6, 1 / 3, 1 / 2, 2 / 3)

    def looks(self, images: int) -> list[int]:
        """Numbers of images, ascending, after which to look: whole parts; none where there is only one."""
        counts = {PART * max(round(share * images / PART), 1) for share in self.shares}
        return sorted(count for count in counts if count < images)

    def rejects(self, differences: np.ndarray, images: int) -> bool:
        """Whether losses less the rival's, (n,) of ``images``, show that the mean over all is above zero."""
        n = len(differences)
        deviation = float(differences.std(ddof=1)) * math.sqrt((1 - n / images) / n)
        quantile = NormalDist().inv_cdf(1 - self.error / len(self.shares))
        return float(differences.mean()) > quantile * deviation


def rival(log: Sequence[Evaluation], needs: Needs, places: int) -> Architecture | None:
    """Whom the next subnet of a search, which needs that much, races: who is worse is neither among the
    ``places`` lowest losses of the log nor in its front. None where nobody shows both.

    Of two evaluations the one of higher loss: that on the last of those places, and the best of those that
    need no more of anything. Losses of subnets that were rejected early themselves do not count.
    """
    complete = best([e for e in log if not e.partial], len(log))
    cheaper = [place for place, e in enumerate(complete) if needs.at_least(e)]
    if not cheaper or len(complete) < places:
        return None
    return complete[max(places - 1, cheaper[0])].architecture
