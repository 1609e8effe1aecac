"""The opponents: MobileNetV2 as published at full size, and scaled ones that meet the limits."""

from __future__ import annotations

import pytest

from benchmarks.search_quality.candidates import fitting, interleaved
from benchmarks.search_quality.mobilenet import MobileNetV2
from mcu_nas.boards import load_board
from mcu_nas.cost.constraints import Constraints, constraints_for
from mcu_nas.cost.macs import network_macs, network_weight_bytes
from tests.mobilenet import mobilenet_v2


@pytest.fixture(scope="module")
def constraints() -> Constraints:
    return constraints_for(load_board("stm32f746g-disco"), sram_bytes=16 * 1024, weights_bytes=64 * 1024)


def test_at_width_one_it_is_the_published_network() -> None:
    ours, published = MobileNetV2(1.0, 224).lower(3, 1000), mobilenet_v2()
    assert network_macs(ours) == network_macs(published)
    assert network_weight_bytes(ours) == network_weight_bytes(published)
    shapes = [[network.shape(op.outputs[0]) for op in network.ops] for network in (ours, published)]
    assert shapes[0] == shapes[1]


def test_width_scales_every_layer_stem_and_last_convolution_included() -> None:
    network = MobileNetV2(0.5, 224).lower(3, 10)
    channels = {t.name.removesuffix(".out"): t.shape[-1] for t in network.tensors if t.name.endswith(".out")}
    assert (channels["stem"], channels["stage1.block1.project"], channels["head"]) == (16, 8, 640)


def test_depth_keeps_a_block_in_each_stage() -> None:
    network = MobileNetV2(0.5, 224, depth=0.01).lower(3, 10)
    projections = [t.name for t in network.tensors if t.name.endswith("project.out")]
    assert projections == [f"stage{stage}.block1.project.out" for stage in range(1, 8)]


def test_strides_of_small_images_keep_the_plane_four_times_as_wide() -> None:
    sides = {}
    for strides in ((2, 2), (1, 1)):
        network = MobileNetV2(0.25, 28, strides=strides).lower(1, 10)
        sides[strides] = {t.name: t.shape[1] for t in network.tensors if len(t.shape) == 4}
    assert (sides[1, 1]["stem.out"], sides[2, 2]["stem.out"]) == (28, 14)
    assert (sides[1, 1]["stage2.block1.project.out"], sides[2, 2]["stage2.block1.project.out"]) == (28, 7)


def test_compound_scaling_is_the_published_network_at_phi_zero_and_shrinks_all_three_below() -> None:
    whole = MobileNetV2.compound(0.0, 224, 8, (2, 2))
    assert (whole.width, whole.depth, whole.resolution) == (1.0, 1.0, 224)
    less = MobileNetV2.compound(-5.0, 224, 8, (2, 2))
    assert less.width < 1
    assert less.depth < 1
    assert less.resolution < 224
    assert MobileNetV2.compound(-5.0, 28, 8, (2, 2)).resolution == 28


def test_candidates_meet_the_limits_and_cannot_be_wider(constraints: Constraints) -> None:
    found = fitting(constraints, (16, 28), 1, 10)
    families = {candidate.family for candidate in found}
    assert {"uniform", "depth 0.5", "compound"} <= families
    for candidate in found:
        assert candidate.needs.peak_bytes <= 16 * 1024
        assert candidate.needs.weights_bytes <= 64 * 1024
    for scaled in (c.scaled for c in found if c.family == "uniform"):
        wider = MobileNetV2(2 * scaled.width, scaled.resolution, 1.0, scaled.divisor, scaled.strides)
        assert not constraints.fits(constraints.cost(wider.lower(1, 10)))


def test_every_pair_of_strides_has_its_trials(constraints: Constraints) -> None:
    chosen = interleaved(fitting(constraints, (16, 28), 1, 10), 8)
    assert sorted(candidate.scaled.strides for candidate in chosen) == [
        strides for strides in ((1, 1), (1, 2), (2, 1), (2, 2)) for _ in range(2)
    ]
