"""An audit's numbers are the search's numbers, and its verdict names what blocks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings

from mcu_nas.boards import load_board
from mcu_nas.compiler.planner import Optimize
from mcu_nas.cost.audit import Audit, AuditRow, audit
from mcu_nas.cost.constraints import constraints_for
from mcu_nas.cost.core_profile import load_core_profile
from mcu_nas.cost.peak_rules import RULES
from mcu_nas.graph import Graph
from mcu_nas.spaces.space import mbconv_space
from tests.graphs import graphs

BOARD = load_board("stm32f746g-disco")
SPACE = mbconv_space(28, 1, 10)
PROFILE = load_core_profile(BOARD.core)


@given(graphs())
@settings(deadline=None, max_examples=40)
def test_audit_counts_what_the_search_counts(graph: Graph) -> None:
    found, searched = audit(graph.network, BOARD, PROFILE), constraints_for(BOARD).cost(graph.network)
    assert found.arena_bytes == searched.peak_bytes
    assert found.flash_bytes == searched.flash_bytes(PROFILE)
    assert found.macs == searched.macs


def audited(planned: tuple[int, ...], arena: int, constants: tuple[int, ...] = (10, 10)) -> Audit:
    """Two layers of given bytes on a board with 100 B of SRAM and 1000 B of flash."""
    rows = tuple(
        AuditRow(index, "CONV_2D", name, (1, 1, 1, 1), 1, 1, flash, dict.fromkeys(RULES, memory))
        for index, (name, memory, flash) in enumerate(zip(("stem", "head"), planned, constants, strict=True))
    )
    return Audit(
        board="tiny",
        rows=rows,
        peak_bytes=dict.fromkeys(RULES, arena),
        live_without_input_bytes=0,
        code_bytes=100,
        usable_sram_bytes=100,
        usable_flash_bytes=1000,
        reserved_bytes={"stack": 8, "harness": 8, "flash": 8},
        plans=(),
    )


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        (
            audited((40, 100), arena=100),
            "fits tiny: 100 B of 100 B SRAM (100.0 %), 120 B of 1000 B flash (12.0 %)",
        ),
        (
            audited((40, 101), arena=101),
            "does not fit tiny: op 1 CONV_2D (head) blocks: the arena needs 101 B of SRAM, "
            "1 B more than the usable 100 B",
        ),
        (
            audited((90, 60), arena=120),
            "does not fit tiny: the arena needs 120 B of SRAM, 20 B more than the usable 100 B; "
            "the largest layer, op 0 CONV_2D (stem), needs 90 B",
        ),
        (
            audited((40, 50), arena=50, constants=(10, 950)),
            "does not fit tiny: constants and kernels need 1 KiB of flash, 60 B more than the usable 1000 B; "
            "the largest layer, op 1 CONV_2D (head), needs 950 B",
        ),
        (
            audited((40, 101), arena=101, constants=(10, 950)),
            "does not fit tiny: op 1 CONV_2D (head) blocks: the arena needs 101 B of SRAM, "
            "1 B more than the usable 100 B; constants and kernels need 1 KiB of flash, "
            "60 B more than the usable 1000 B; the largest layer, op 1 CONV_2D (head), needs 950 B",
        ),
    ],
    ids=["to the last byte", "one byte short", "gaps between buffers", "flash", "both"],
)
def test_verdict_names_what_blocks_and_by_how_much(found: Audit, verdict: str) -> None:
    assert found.verdict == verdict
    assert found.fits == verdict.startswith("fits")


def test_verdict_follows_the_board() -> None:
    found = audited((40, 101), arena=101)
    assert replace(found, usable_sram_bytes=101).fits


def test_audit_sets_the_plan_for_speed_beside_that_for_memory_and_says_which_the_board_gets() -> None:
    network = SPACE.lower(SPACE.sample(np.random.default_rng(4)))
    small, fast, on_board = audit(network, BOARD, PROFILE).plans
    plans = tuple(figures.plan for figures in (small, fast, on_board))
    assert tuple(p.optimize for p in plans) == tuple(Optimize)
    assert all(p.arena_bytes == p.bound_bytes for p in plans)
    assert small.plan.arena_bytes < fast.plan.arena_bytes == on_board.plan.arena_bytes
    assert fast.instructions_estimated < 1.01 * small.instructions_estimated  # as exact as the profile
    assert fast.instructions_estimated == on_board.instructions_estimated
    assert (small.taken, fast.taken, on_board.taken) == (False, False, True)
