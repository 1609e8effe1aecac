"""Stage one: its table equals the planner, its rule is TinyNAS's, and its refusals say what would help."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from mcu_nas.boards import load_board
from mcu_nas.compiler.planner import Optimize
from mcu_nas.compiler.target import Target, targets
from mcu_nas.cost.constraints import Constraints, constraints_for
from mcu_nas.cost.core_profile import load_core_profile
from mcu_nas.cost.estimate import cost
from mcu_nas.errors import NothingFitsError
from mcu_nas.spaces.segment_table import SegmentTable
from mcu_nas.spaces.space import Space, mbconv_space
from mcu_nas.spaces.stage_one import SpaceStatistics, choose_space, optimize_space

PROFILE = load_core_profile("cortex-m7")
SMALL = mbconv_space(28, 1, 10)
LARGE = mbconv_space(224, 3, 1000)
F746 = constraints_for(load_board("stm32f746g-disco"), latency_ms=40.0)


def single(space: Space, resolution: int, width: float) -> Space:
    return space.restricted({"resolution": [resolution], "width": [width]}).without_equal_widths()


# Odd sizes, cropped kernels and the largest tensors; 5 × 3 × 3 × 34 = 1,530 samples.
@pytest.mark.parametrize(
    "space",
    [
        single(SMALL, 28, 1.0),
        single(SMALL, 20, 0.3),
        single(LARGE, 48, 0.2),
        single(LARGE, 144, 0.7),
        single(LARGE, 224, 1.0),
    ],
    ids=lambda space: f"{space.options['resolution'][0]} px, width {space.options['width'][0]}",
)
@pytest.mark.parametrize("room_bytes", [0, 20_000, 327_680])
@pytest.mark.parametrize("target", targets("cortex-m7"), ids=lambda target: f"{target.instruction_set}")
def test_segment_table_equals_the_cost_of_each_network_alone(
    space: Space, target: Target, room_bytes: int
) -> None:
    rows = space.sample_indices(np.random.default_rng(11), 34)
    table = SegmentTable(PROFILE).plan_costs(space, rows, target, room_bytes)
    for number, row in enumerate(rows):
        alone = cost(space.lower(space.at(row)), PROFILE, Optimize.BOARD, target, room_bytes)
        assert table.peak_bytes[number] == alone.peak_bytes
        assert table.macs[number] == alone.macs
        assert table.weights_bytes[number] == alone.weights_bytes
        assert table.flash_bytes[number] == alone.flash_bytes(PROFILE)
        assert table.instructions[number] == alone.instructions


def test_kernels_of_less_flash_are_costed_where_the_fastest_do_not_fit() -> None:
    space = single(SMALL, 28, 0.5)
    rows = space.sample_indices(np.random.default_rng(1), 50)
    table = SegmentTable(PROFILE)
    wide, *_, portable = (table.plan_costs(space, rows, target, 2**18) for target in targets(PROFILE.core))
    assert (portable.flash_bytes < wide.flash_bytes).all()
    assert (portable.instructions > wide.instructions).all()
    limits = Constraints(PROFILE, 216_000_000, 2**18, int(np.median(wide.flash_bytes)))
    costs = table.costs(space, rows, limits)
    for number, row in enumerate(rows):
        alone = limits.cost(space.lower(space.at(row)))
        assert (alone.flash_bytes(PROFILE) <= limits.flash_bytes) == limits.fits(alone)
        assert alone.peak_bytes == costs.peak_bytes[number]
        assert alone.instructions == costs.instructions[number]
        assert alone.flash_bytes(PROFILE) == costs.flash_bytes[number]
        if wide.flash_bytes[number] <= limits.flash_bytes:
            assert alone.instructions == wide.instructions[number]


def statistics(resolution: int, width: float, fitting: int, mean_macs: float) -> SpaceStatistics:
    return SpaceStatistics(
        resolution,
        width,
        100,
        fitting,
        mean_macs,
        int(2 * mean_macs),
        (),
        {},
        "needs 9 B of SRAM (limit 8 B)",
    )


def test_space_with_most_macs_wins_among_those_in_which_enough_samples_fit() -> None:
    rows = [statistics(48, 0.3, 100, 5e6), statistics(64, 0.5, 25, 8e6), statistics(96, 1.0, 24, 20e6)]
    chosen, reason = choose_space(rows, min_share=0.25)
    assert chosen is rows[1]
    assert reason == "largest mean MACs (8.00 M) of the 2 spaces in which at least 25% of the samples fit"


def test_networks_of_more_macs_than_an_effort_trains_do_not_count_as_fitting() -> None:
    one = single(SMALL, 28, 0.5)
    table = SegmentTable(PROFILE).costs(
        one, one.sample_indices(np.random.default_rng([0, 28, 500]), 50), F746
    )
    found = optimize_space(one, limits(latency_ms=None, macs=1_000_000), seed=0, samples=50)
    assert 0 < found.chosen.fitting == int((table.macs <= 1_000_000).sum()) < 50
    assert found.chosen.broken["macs"] == 1 - found.chosen.share


def test_of_spaces_with_nearly_equal_macs_the_highest_resolution_wins() -> None:
    rows = [statistics(48, 0.9, 50, 10e6), statistics(64, 0.5, 50, 8e6), statistics(80, 0.3, 50, 7e6)]
    assert choose_space(rows, min_share=0.25)[0] is rows[0]
    chosen, reason = choose_space(rows, min_share=0.25, tie=0.25)
    assert chosen is rows[1]
    assert "within 25% of the largest (10.00 M)" in reason


def test_without_a_minimal_share_the_papers_rule_remains() -> None:
    rows = [statistics(48, 0.3, 100, 5e6), statistics(96, 1.0, 1, 20e6), statistics(96, 0.9, 0, 0.0)]
    assert choose_space(rows, min_share=0.0)[0] is rows[1]


def test_where_no_space_reaches_the_share_the_one_in_which_most_fit_wins() -> None:
    rows = [statistics(48, 0.2, 3, 2e6), statistics(48, 0.3, 9, 1e6), statistics(64, 0.3, 0, 0.0)]
    chosen, reason = choose_space(rows, min_share=0.25)
    assert chosen is rows[1]
    assert reason == "largest share that fits (9.0%): no space reaches 25%"


def test_nothing_fits_names_the_smallest_spaces_obstacle() -> None:
    rows = [statistics(64, 0.2, 0, 0.0), replace(statistics(48, 0.2, 0, 0.0), obstacle="smallest")]
    with pytest.raises(NothingFitsError, match="nothing fits: smallest; loosen that limit"):
        choose_space(rows, min_share=0.25)


def limits(**changes: float) -> Constraints:
    return replace(F746, **changes)


@pytest.mark.parametrize(
    ("changes", "unit"),
    [
        ({"sram_bytes": 512}, "B of SRAM (limit 512 B)"),
        ({"flash_bytes": 4096}, "B of flash (limit 4,096 B)"),
        ({"latency_ms": 0.1}, "ms estimated (limit 0.1 ms)"),
    ],
)
def test_refusal_says_what_the_smallest_network_needs(changes: dict[str, float], unit: str) -> None:
    with pytest.raises(NothingFitsError) as refusal:
        optimize_space(SMALL, limits(**changes), seed=0, samples=50)
    alone = limits(**changes).cost(SMALL.lower(SMALL.smallest()))
    needed = {"sram_bytes": f"{alone.peak_bytes:,}", "flash_bytes": f"{alone.flash_bytes(PROFILE):,}"}
    amount = needed.get(next(iter(changes)), r"[\d.]+")
    assert re.search(
        rf"the smallest network at width 0.2, 16 px needs {amount} {re.escape(unit)}", str(refusal.value)
    )


def test_limit_missed_by_most_is_named_first() -> None:
    with pytest.raises(NothingFitsError, match=r"B of flash .* and .* B of SRAM"):
        optimize_space(SMALL, limits(sram_bytes=500, flash_bytes=2_000), seed=0, samples=20)


def test_every_option_of_the_returned_space_occurs_in_a_sample_that_fits() -> None:
    tight = limits(latency_ms=12.0)
    found = optimize_space(SMALL, tight, seed=3, samples=300)
    r, w = found.chosen.resolution, found.chosen.width
    one = single(SMALL, r, w)
    rows = one.sample_indices(np.random.default_rng([3, r, round(w * 1000)]), 300)
    architectures = [one.at(row) for row in rows]
    fitting = [a for a in architectures if tight.fits(tight.cost(one.lower(a)))]
    assert 0 < len(fitting) == found.chosen.fitting < 300
    reachable = found.space.active(found.space.largest())
    seen = {(name, a[name]) for a in fitting for name in one.active(a)}
    assert seen == {(name, option) for name in reachable for option in found.space.options[name]}


def test_survivors_curve_rises_to_their_largest_and_brackets_their_mean() -> None:
    for row in optimize_space(SMALL, F746, seed=0, samples=100).statistics:
        if row.fitting:
            assert list(row.macs_curve) == sorted(row.macs_curve)
            assert row.macs_curve[0] <= row.mean_macs <= row.macs_curve[-1]
        else:
            assert row.macs_curve == ()
            assert row.obstacle


def test_broken_shares_say_which_limit_excludes_the_samples() -> None:
    only_latency = optimize_space(SMALL, limits(latency_ms=10.0), seed=0, samples=100)
    for row in only_latency.statistics:
        assert set(row.broken) == {"sram", "flash", "latency"}
        assert 1 - row.share <= sum(row.broken.values()) + 1e-9
        assert row.broken["latency"] == pytest.approx(1 - row.share)


def test_same_seed_gives_the_same_statistics_and_another_seed_others() -> None:
    first, again, other = (optimize_space(SMALL, F746, seed=seed, samples=50) for seed in (5, 5, 6))
    assert first == again
    assert first.statistics != other.statistics


def test_a_space_does_not_depend_on_which_others_are_examined() -> None:
    alone = optimize_space(single(SMALL, 20, 0.5), F746, seed=5, samples=50)
    among = optimize_space(SMALL, F746, seed=5, samples=50)
    assert alone.statistics[0] in among.statistics
