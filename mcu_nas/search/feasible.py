"""Architectures that meet the limits: checked once, here, before anything is evaluated or trained."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from mcu_nas.cost.constraints import Constraints
from mcu_nas.cost.estimate import Cost
from mcu_nas.errors import NothingFitsError
from mcu_nas.spaces.architecture import Architecture
from mcu_nas.spaces.segment_table import SegmentTable
from mcu_nas.spaces.space import Space
from mcu_nas.spaces.stage_one import meets

ASKS = 500
_SAMPLER_DRAWS = 32


@dataclass
class FeasibleCandidates:
    """Architectures of a space that meet the constraints, with the count of those that were turned away."""

    space: Space
    constraints: Constraints
    costs: dict[Architecture, Cost] = field(default_factory=dict)
    rejected: int = 0

    def fits(self, architecture: Architecture) -> bool:
        """Whether an architecture meets every limit; its cost is remembered."""
        return self.constraints.fits(self.cost(architecture))

    def cost(self, architecture: Architecture) -> Cost:
        """The cost of an architecture on the constraints' core."""
        if architecture not in self.costs:
            self.costs[architecture] = self.constraints.cost(self.space.lower(architecture))
        return self.costs[architecture]

    def gather(
        self,
        ask: Callable[[int], Sequence[Architecture]],
        count: int,
        known: Sequence[Architecture] = (),
    ) -> list[Architecture]:
        """Up to ``count`` distinct feasible answers of ``ask``, none of them ``known``.

        ``ask`` is asked for what is still missing, at most ASKS times: a space may hold fewer than ``count``.

        Raises:
            NothingFitsError: not one was found; names what the space's smallest network needs.
        """
        found: list[Architecture] = []
        seen = set(known)
        for _ in range(ASKS):
            for candidate in ask(count - len(found)):
                if candidate in seen:
                    continue
                if not self.fits(candidate):
                    self.rejected += 1
                    continue
                seen.add(candidate)
                found.append(candidate)
            if len(found) >= count:
                break
        if not found and not known:
            needs = self.constraints.broken(self.cost(self.space.smallest()))
            raise NothingFitsError(
                f"no architecture of the space fits: the smallest needs {' and '.join(needs) or 'less'};"
                " loosen that limit"
            )
        return found


def feasible_sampler(space: Space, constraints: Constraints) -> Callable[[np.random.Generator], Architecture]:
    """Draws architectures that meet the limits, as far as a handful of draws holds one."""
    table = SegmentTable(constraints.profile)

    def sample(rng: np.random.Generator) -> Architecture:
        indices = space.sample_indices(rng, _SAMPLER_DRAWS)
        fits = meets(table.costs(space, indices, constraints), constraints)
        return space.at(indices[int(np.argmax(fits))])

    return sample
