"""Which scaled MobileNetV2 are worth a trial: the largest that fit, for each resolution and stride."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.search_quality.mobilenet import MobileNetV2
from mcu_nas.compiler.planner import Optimize
from mcu_nas.cost.constraints import Constraints
from mcu_nas.cost.estimate import Cost, cost
from mcu_nas.cost.macs import network_weight_bytes
from mcu_nas.network import Network

WIDTHS = tuple(float(w) for w in np.round(np.arange(1.0, 0.049, -0.025), 3))
PHIS = tuple(float(phi) for phi in np.arange(0.0, -30.1, -0.5))
DEPTHS = (0.5, 0.25)  # down to one block a stage
STRIDES = ((2, 2), (2, 1), (1, 2), (1, 1))
DIVISORS = (8, 4, 2)


@dataclass(frozen=True)
class Candidate:
    """A network that fits, under the memory plan."""

    family: str
    scaled: MobileNetV2
    network: Network
    needs: Cost


def fitting(
    constraints: Constraints, resolutions: Sequence[int], image_channels: int, classes: int
) -> list[Candidate]:
    """One candidate for each family, resolution and pair of strides: of those that fit, over widths (or
    compound coefficients) and divisors, the one with the most MACs; most MACs first."""
    best: dict[tuple[str, int, tuple[int, int]], Candidate] = {}
    for strides in STRIDES:
        for divisor in DIVISORS:
            for family, ladder in _ladders(resolutions, divisor, strides):
                for candidate in _largest(constraints, family, ladder, image_channels, classes):
                    key = family, candidate.scaled.resolution, strides
                    if key not in best or candidate.needs.macs > best[key].needs.macs:
                        best[key] = candidate
    distinct = {candidate.network: candidate for candidate in best.values()}
    return sorted(distinct.values(), key=lambda candidate: -candidate.needs.macs)


def _ladders(
    resolutions: Sequence[int], divisor: int, strides: tuple[int, int]
) -> Iterable[tuple[str, list[MobileNetV2]]]:
    """Families of networks of one resolution, from large to small: width and resolution alone, depth as
    well, and all three tied together by the compound coefficient."""
    for px in resolutions:
        yield "uniform", [MobileNetV2(w, px, 1.0, divisor, strides) for w in WIDTHS]
        for depth in DEPTHS:
            yield f"depth {depth}", [MobileNetV2(w, px, depth, divisor, strides) for w in WIDTHS]
    compound = [MobileNetV2.compound(phi, max(resolutions), divisor, strides) for phi in PHIS]
    for px in sorted({scaled.resolution for scaled in compound if scaled.resolution >= min(resolutions)}):
        yield "compound", [scaled for scaled in compound if scaled.resolution == px]


def _largest(
    constraints: Constraints, family: str, ladder: list[MobileNetV2], image_channels: int, classes: int
) -> Iterable[Candidate]:
    """The first network of a ladder that fits, if one does."""
    for scaled in ladder:
        network = scaled.lower(image_channels, classes)
        # Weights are counted in no time; a plan takes its while.
        if constraints.weights_bytes is None or network_weight_bytes(network) <= constraints.weights_bytes:
            needs = cost(network, constraints.profile, Optimize.MEMORY)
            if constraints.fits(needs):
                yield Candidate(family, scaled, network, needs)
                return


def interleaved(candidates: Sequence[Candidate], count: int) -> list[Candidate]:
    """``count`` of the candidates: the first of each pair of strides, then the second of each, and so on, so
    that the published strides, which leave the fewest MACs, have their trials."""
    seen: Counter[tuple[int, int]] = Counter()
    places = []
    for candidate in candidates:
        places.append(seen[candidate.scaled.strides])
        seen[candidate.scaled.strides] += 1
    order = sorted(range(len(candidates)), key=lambda index: (places[index], index))
    return [candidates[index] for index in order[:count]]
