"""Time of stage one on the paper's grid: 108 spaces × 1,000 networks, five stages, up to 224 px.

Prints the seconds of the fastest of three runs on one core, after imports and without any cache. MCUNet's
authors give about 2 CPU-hours for the same grid.
"""

from __future__ import annotations

import os

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")

from time import perf_counter

from mcu_nas.boards import load_board
from mcu_nas.cost.constraints import constraints_for
from mcu_nas.spaces.mbconv import PAPER_RESOLUTIONS
from mcu_nas.spaces.space import mbconv_space
from mcu_nas.spaces.stage_one import optimize_space

RUNS = 3


def main() -> None:
    """Run the grid for the STM32F746 and print what was chosen, and the time."""
    space = mbconv_space(224, 3, 1000, resolutions=PAPER_RESOLUTIONS)
    constraints = constraints_for(load_board("stm32f746g-disco"))
    seconds = []
    for _ in range(RUNS):
        began = perf_counter()
        found = optimize_space(space, constraints, seed=0)
        seconds.append(perf_counter() - began)
    chosen = found.chosen
    print(f"{len(found.statistics)} spaces × {chosen.samples:,} networks: {min(seconds):.2f} s")
    print(f"chosen: width {chosen.width}, {chosen.resolution} px: {found.reason}")


if __name__ == "__main__":
    main()
