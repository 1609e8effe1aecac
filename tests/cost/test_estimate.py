"""Costs of whole networks and of segments that follow one another, and the limits they are held against."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcu_nas.boards import load_board
from mcu_nas.compiler.planner import Optimize, plan
from mcu_nas.compiler.target import targets
from mcu_nas.cost.constraints import constraints_for
from mcu_nas.cost.core_profile import load_core_profile
from mcu_nas.cost.estimate import Cost, combine, cost, latency
from mcu_nas.errors import UsageError
from mcu_nas.network import Network
from mcu_nas.operators import Activation
from mcu_nas.spaces.builder import NetworkBuilder
from mcu_nas.spaces.mbconv import BlockShape, add_block
from mcu_nas.spaces.space import mbconv_space

PROFILE = load_core_profile("cortex-m7")
SPACE = mbconv_space(28, 1, 10)

chains = st.lists(st.tuples(st.integers(1, 8), st.sampled_from([1, 3, 6])), min_size=1, max_size=5)


def blocks(chain: list[tuple[int, int]]) -> list[BlockShape]:
    channels = [4, *(out for out, _ in chain)]
    return [
        BlockShape(6, 6, channels_in, channels_out, 1, 3, expand)
        for (channels_in, channels_out), (_, expand) in zip(pairwise(channels), chain, strict=True)
    ]


def network_of(shapes: list[BlockShape]) -> Network:
    builder = NetworkBuilder()
    x = builder.input("in", (1, 6, 6, shapes[0].channels_in))
    for number, shape in enumerate(shapes):
        x = add_block(builder, f"block{number}", x, shape)
    return builder.build(x)


@given(chains)
def test_cost_of_a_chain_is_the_combined_cost_of_its_blocks(chain: list[tuple[int, int]]) -> None:
    shapes = blocks(chain)
    for target, room_bytes in product(targets(PROFILE.core), (0, 30_000)):
        asked = (PROFILE, Optimize.BOARD, target, room_bytes)
        assert cost(network_of(shapes), *asked) == combine(cost(network_of([s]), *asked) for s in shapes)


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1))
def test_predicted_peak_is_the_planned_arena(seed: int) -> None:
    network = SPACE.lower(SPACE.sample(np.random.default_rng(seed)))
    assert cost(network, PROFILE).peak_bytes == plan(network).arena_bytes


def test_kernel_code_counts_once_however_many_layers_use_it() -> None:
    one = cost(network_of(blocks([(8, 3)])), PROFILE)
    two = combine([one, one])
    code = one.flash_bytes(PROFILE) - one.layers_bytes
    assert code == sum(PROFILE.kernels[name].code_bytes for name in one.kernels)
    assert two.flash_bytes(PROFILE) == 2 * one.layers_bytes + code


def test_instructions_grow_with_everything_that_a_layer_does_more_of() -> None:
    def instructions(size: int, channels: int, kernel: int) -> int:
        builder = NetworkBuilder()
        x = builder.input("in", (1, size, size, 8))
        return cost(
            builder.build(builder.conv("c", x, channels, kernel, 1, Activation.NONE)), PROFILE
        ).instructions

    base = instructions(8, 8, 3)
    assert all(more > base for more in (instructions(9, 8, 3), instructions(8, 9, 3), instructions(8, 8, 5)))


def test_latency_is_instructions_times_cpi_over_clock_with_its_range() -> None:
    estimated = latency(216_000_000, PROFILE, clock_hz=216_000_000)
    cpi = PROFILE.cycles_per_instruction
    assert estimated.low_ms == pytest.approx(1000 * cpi.low)
    assert estimated.central_ms == pytest.approx(1000 * cpi.central)
    assert estimated.high_ms == pytest.approx(1000 * cpi.high)


FITTING = Cost(
    peak_bytes=1000,
    macs=0,
    weights_bytes=1500,
    layers_bytes=2000,
    instructions=30_000,
    kernels=frozenset(),
)
LIMITS = replace(
    constraints_for(load_board("stm32f746g-disco")),
    sram_bytes=1000,
    flash_bytes=2000,
    weights_bytes=1500,
    latency_ms=1.0,
    clock_hz=30_000_000,
    profile=PROFILE.model_copy(
        update={"cycles_per_instruction": PROFILE.cycles_per_instruction.model_copy(update={"central": 1.0})}
    ),
)


def test_network_that_needs_exactly_the_limits_fits() -> None:
    assert LIMITS.fits(FITTING)
    assert LIMITS.broken(FITTING) == ()


@pytest.mark.parametrize(
    ("more", "phrase"),
    [
        ({"peak_bytes": 1001}, "1,001 B of SRAM (limit 1,000 B)"),
        ({"weights_bytes": 1501}, "1,501 B of weights (limit 1,500 B)"),
        ({"layers_bytes": 2001}, "2,001 B of flash (limit 2,000 B)"),
        ({"instructions": 60_000}, "2.0 ms estimated (limit 1.0 ms)"),
    ],
)
def test_each_limit_is_broken_by_one_more_and_says_so(more: dict[str, int], phrase: str) -> None:
    assert not LIMITS.fits(replace(FITTING, **more))
    assert LIMITS.broken(replace(FITTING, **more)) == (phrase,)


def test_of_several_broken_limits_the_worst_comes_first() -> None:
    phrases = LIMITS.broken(replace(FITTING, peak_bytes=2000, layers_bytes=10_000))
    assert [phrase.split()[3] for phrase in phrases] == ["flash", "SRAM"]


def test_without_a_latency_limit_no_instruction_count_is_too_large() -> None:
    unlimited = replace(LIMITS, latency_ms=None)
    assert unlimited.instruction_limit is None
    assert unlimited.fits(replace(FITTING, instructions=10**15))


def test_limits_are_the_boards_unless_tighter_ones_are_given() -> None:
    board = load_board("stm32f746g-disco")
    whole, tight = constraints_for(board), constraints_for(board, sram_bytes=65_536, flash_bytes=1)
    assert (whole.sram_bytes, whole.flash_bytes) == (board.usable_sram_bytes, board.usable_flash_bytes)
    assert (tight.sram_bytes, tight.flash_bytes) == (65_536, 1)


@pytest.mark.parametrize("limit", [{"sram_bytes": 327_680}, {"flash_bytes": 1_048_576}])
def test_limit_above_what_the_board_leaves_for_a_model_is_refused(limit: dict[str, int]) -> None:
    with pytest.raises(UsageError, match=r"is more than stm32f746g-disco leaves for a model: [\d,]+ B"):
        constraints_for(load_board("stm32f746g-disco"), **limit)
