"""What supernet training draws: networks that meet the limits, however rare they are."""

from __future__ import annotations

import numpy as np

from mcu_nas.boards import load_board
from mcu_nas.cost.constraints import constraints_for
from mcu_nas.search.exploration.feasible import feasible_sampler
from mcu_nas.spaces.space import mbconv_space

SPACE = mbconv_space(28, 1, 10, (28,), (1.0,))


def test_every_draw_meets_limits_that_one_network_in_forty_meets() -> None:
    limits = constraints_for(load_board("stm32f746g-disco"), sram_bytes=12_600, weights_bytes=63_000)
    sample, rng = feasible_sampler(SPACE, limits), np.random.default_rng(0)
    drawn = [sample(rng) for _ in range(40)]
    assert all(limits.fits(limits.cost(SPACE.lower(architecture))) for architecture in drawn)
    assert len(set(drawn)) == 40
    alone = [SPACE.sample(rng) for _ in range(200)]
    assert sum(limits.fits(limits.cost(SPACE.lower(architecture))) for architecture in alone) < 20


def test_where_nothing_fits_the_smallest_is_drawn() -> None:
    limits = constraints_for(load_board("stm32f746g-disco"), sram_bytes=600)
    assert feasible_sampler(SPACE, limits)(np.random.default_rng(0)) == SPACE.smallest()
