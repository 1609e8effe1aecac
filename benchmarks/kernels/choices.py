"""Whether the catalogue ranks first what is fastest: its ``effort``, by shape alone, against counts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from benchmarks.kernels.cases import Case
from benchmarks.kernels.rows import Row
from mcu_nas.compiler.target import Target, WeightStorage
from mcu_nas.cores import instruction_set

LARGEST_LOSS = 0.03  # by which the kernel that is ranked first may be slower than the fastest


@dataclass(frozen=True)
class Choice:
    """The kernels of a case with weights stored in one way: as the catalogue ranks them, and as they ran."""

    case: str
    weights: WeightStorage
    ranked: tuple[Row, ...]

    @property
    def chosen(self) -> Row:
        """What the catalogue ranks first."""
        return self.ranked[0]

    @property
    def fastest(self) -> Row:
        """What took the fewest instructions."""
        return min(self.ranked, key=lambda row: row.ldm.instructions)

    @property
    def loss(self) -> float:
        """The share of instructions that the choice takes more than the fastest."""
        return self.chosen.ldm.instructions / self.fastest.ldm.instructions - 1


def choices(cases: Iterable[Case], rows: Iterable[Row], core: str) -> Iterator[Choice]:
    """Those of each case in which there is something to choose.

    Raises:
        KeyError: a kernel that serves a case has no row.
    """
    by_key = {row.key: row for row in rows}
    for case in cases:
        for weights in WeightStorage:
            kernels = case.kernels(Target(instruction_set(core), weights))
            ranked = [by_key[core, case.name, kernel.name] for kernel in kernels]
            if len(ranked) > 1:
                yield Choice(case.name, weights, tuple(ranked))
