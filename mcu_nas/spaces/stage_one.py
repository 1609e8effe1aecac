"""Stage one: which (width, resolution) pair makes a good search space for these limits.

TinyNAS, MCUNet §3.1 (Lin et al., NeurIPS 2020): sample networks in each candidate space, keep those that
meet the limits, and prefer the space whose survivors have the most MACs, since accuracy follows capacity.

With a latency limit all survivors sit just under it, and the rule alone would pick a space in which almost
nothing fits, by a margin that says nothing. So only spaces in which ``min_share`` of the samples fit
compete (where none does, the one in which most fit is chosen): a twentieth, since evolution finds what is
rare. (Fashion-MNIST in 16 KiB of SRAM and 64 KiB of weights, 28 px, one seed, the same training: in the space
of width 1.0, of which 5 % fit, the best shared-weight loss was 0.2940 and random search's 0.3007; of width
0.7, of which 35 % fit, 0.3055 and 0.3072.) And with a latency limit, spaces whose mean
MACs are within TIE of the largest count as equal, and of these the highest resolution wins: at equal
latency, Fashion-MNIST networks at 28 px ended 0.5 points above those at 20 px, 1.3 above those at 16 px
(benchmarks/small_template.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mcu_nas.cost.constraints import Constraints
from mcu_nas.cost.macs import network_macs
from mcu_nas.errors import NothingFitsError
from mcu_nas.spaces.architecture import Choice
from mcu_nas.spaces.segment_table import NetworkCosts, SegmentTable
from mcu_nas.spaces.space import Space

SAMPLES = 1000
MIN_SHARE = 0.05
TIE = 0.25
CURVE_POINTS = 101


@dataclass(frozen=True)
class SpaceStatistics:
    """What the samples of one (width, resolution) space say.

    ``macs_curve``: MACs of the survivors at the 0, 1, … 100 % quantiles; empty where nothing fits.
    ``largest_macs``: MACs of the space's largest network, fitting or not. ``broken``: share of samples that
    break each limit. ``obstacle``: where nothing fits, what the smallest network of the space needs against
    which limit; else empty.
    """

    resolution: int
    width: float
    samples: int
    fitting: int
    mean_macs: float
    largest_macs: int
    macs_curve: tuple[float, ...]
    broken: Mapping[str, float]
    obstacle: str

    @property
    def share(self) -> float:
        """Share of the samples that meet every limit."""
        return self.fitting / self.samples


@dataclass(frozen=True)
class StageOne:
    """Statistics of all candidate spaces, the chosen one, and why it was chosen."""

    statistics: tuple[SpaceStatistics, ...]
    chosen: SpaceStatistics
    reason: str
    space: Space


def optimize_space(
    space: Space,
    constraints: Constraints,
    seed: int,
    samples: int = SAMPLES,
    min_share: float = MIN_SHARE,
) -> StageOne:
    """Sample every (width, resolution) of ``space`` and choose one.

    The returned space holds only choices that occur in a network that fits.

    Raises:
        NothingFitsError: no sample of any space, nor its smallest network, meets the limits.
    """
    table = SegmentTable(constraints.profile)
    found: dict[tuple[Choice, Choice], tuple[Space, np.ndarray, SpaceStatistics]] = {}
    for resolution in space.options["resolution"]:
        for width in space.options["width"]:
            one = space.restricted({"resolution": [resolution], "width": [width]}).without_equal_widths()
            rng = np.random.default_rng([seed, int(resolution), round(width * 1000)])
            indices = one.sample_indices(rng, samples)
            costs = table.costs(one, indices, constraints)
            fits = meets(costs, constraints)
            statistics = _statistics(one, constraints, costs, fits)
            found[resolution, width] = (one, indices[fits], statistics)
    everything = tuple(statistics for _, _, statistics in found.values())
    tie = 0.0 if constraints.latency_ms is None else TIE
    chosen, reason = choose_space(everything, min_share, tie)
    one, surviving, _ = found[chosen.resolution, chosen.width]
    return StageOne(everything, chosen, reason, one.restricted(_occurring(one, surviving)))


def meets(costs: NetworkCosts, constraints: Constraints) -> np.ndarray:
    """Which of many networks meet every limit: bool array."""
    return ~np.any(list(_breaks(costs, constraints).values()), axis=0)


def choose_space(
    statistics: Sequence[SpaceStatistics],
    min_share: float,
    tie: float = 0.0,
) -> tuple[SpaceStatistics, str]:
    """The space of record by the rule in this module's docstring, and the reason in words.

    Raises:
        NothingFitsError: no sample fits anywhere.
    """
    competing = [s for s in statistics if s.fitting and s.share >= min_share]
    if not competing:
        best = max(statistics, key=lambda s: (s.fitting, -s.largest_macs))
        if not best.fitting:
            least = min(statistics, key=lambda s: (s.resolution, s.width))
            raise NothingFitsError(f"nothing fits: {least.obstacle}; loosen that limit")
        return best, f"largest share that fits ({best.share:.1%}): no space reaches {min_share:.0%}"
    most = max(s.mean_macs for s in competing)
    equal = [s for s in competing if s.mean_macs >= (1 - tie) * most]
    best = max(equal, key=lambda s: (s.resolution, s.mean_macs))
    among = f"of the {len(competing)} spaces in which at least {min_share:.0%} of the samples fit"
    if len(equal) == 1:
        return best, f"largest mean MACs ({most / 1e6:.2f} M) {among}"
    return best, (
        f"{len(equal)} {among} have mean MACs within {tie:.0%} of the largest ({most / 1e6:.2f} M);"
        f" of these, the highest resolution, then the most MACs ({best.mean_macs / 1e6:.2f} M)"
    )


def _breaks(costs: NetworkCosts, constraints: Constraints) -> dict[str, np.ndarray]:
    """Per limit, which networks break it."""
    breaks = {
        "sram": costs.peak_bytes > constraints.sram_bytes,
        "flash": costs.flash_bytes > constraints.flash_bytes,
    }
    if constraints.macs is not None:
        breaks["macs"] = costs.macs > constraints.macs
    if constraints.weights_bytes is not None:
        breaks["weights"] = costs.weights_bytes > constraints.weights_bytes
    if constraints.instruction_limit is not None:
        breaks["latency"] = costs.instructions > constraints.instruction_limit
    return breaks


def _statistics(
    space: Space, constraints: Constraints, costs: NetworkCosts, fits: np.ndarray
) -> SpaceStatistics:
    survivors = costs.macs[fits]
    quantiles = np.quantile(survivors, np.linspace(0, 1, CURVE_POINTS)) if len(survivors) else []
    (resolution,), (width,) = space.options["resolution"], space.options["width"]
    return SpaceStatistics(
        resolution=int(resolution),
        width=float(width),
        samples=len(fits),
        fitting=int(fits.sum()),
        mean_macs=float(survivors.mean()) if len(survivors) else 0.0,
        largest_macs=network_macs(space.lower(space.largest())),
        macs_curve=tuple(float(q) for q in quantiles),
        broken={limit: float(rows.mean()) for limit, rows in _breaks(costs, constraints).items()},
        obstacle="" if len(survivors) else _obstacle(space, constraints),
    )


def _obstacle(space: Space, constraints: Constraints) -> str:
    """Why nothing fits a space: the limit that its smallest network breaks by most."""
    smallest = space.smallest()
    needs = constraints.broken(constraints.cost(space.lower(smallest)))
    where = f"width {smallest['width']}, {smallest['resolution']} px"
    if not needs:
        return f"at {where} the smallest network fits, but no sample does: raise --samples"
    return f"the smallest network at {where} needs {' and '.join(needs)}"


def _occurring(space: Space, surviving: np.ndarray) -> dict[str, list[Choice]]:
    """Options that an active position takes in at least one surviving sample."""
    seen: dict[str, set[Choice]] = {}
    for row in surviving:
        choices = space.at(row)
        for position in space.active(choices):
            seen.setdefault(position, set()).add(choices[position])
    return {name: sorted(options) for name, options in seen.items()}
