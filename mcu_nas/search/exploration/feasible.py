"""Architectures that meet the limits: checked once, here, before anything is evaluated or trained."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields

import numpy as np

from mcu_nas.cost.constraints import Constraints
from mcu_nas.cost.estimate import Cost
from mcu_nas.errors import NothingFitsError
from mcu_nas.spaces.architecture import Architecture
from mcu_nas.spaces.segment_table import NetworkCosts, SegmentTable
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
    _table: SegmentTable = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._table = SegmentTable(self.constraints.profile)

    def fits(self, architecture: Architecture) -> bool:
        """Whether an architecture meets every limit; its cost is remembered."""
        return self.constraints.fits(self.cost(architecture))

    def network_costs(self, architectures: Sequence[Architecture]) -> NetworkCosts:
        """The costs of several at once, ten times as fast as one by one."""
        found = np.empty((len(architectures), len(fields(NetworkCosts))), np.int64)
        inputs = [(a["resolution"], a["width"]) for a in architectures]
        for resolution, width in set(inputs):
            part = self.space.restricted({"resolution": (resolution,), "width": (width,)})
            rows = [i for i, own in enumerate(inputs) if own == (resolution, width)]
            indices = [[p.options.index(architectures[i][p.name]) for p in part.positions] for i in rows]
            needs = self._table.costs(part, np.array(indices), self.constraints)
            found[rows] = np.stack([getattr(needs, f.name) for f in fields(NetworkCosts)], axis=1)
        return NetworkCosts(*found.T)

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
            NothingFitsError: not one was found; names the limit that binds.
        """
        found: list[Architecture] = []
        seen = set(known)
        for _ in range(ASKS):
            asked = [a for a in dict.fromkeys(ask(count - len(found))) if a not in seen]
            fits = meets(self.network_costs(asked), self.constraints)
            for candidate, fitting in zip(asked, fits, strict=True):
                if fitting:
                    seen.add(candidate)
                    found.append(candidate)
                else:
                    self.rejected += 1
            if len(found) >= count:
                break
        if not found and not known:
            raise NothingFitsError(self._obstacle(asked))
        return found

    def _obstacle(self, rejected: Sequence[Architecture]) -> str:
        """Why none fits: what the smallest of the space needs, or the cheapest of what was rejected."""
        needs = self.constraints.broken(self.cost(self.space.smallest()))
        if needs:
            return (
                f"no architecture of the space fits: the smallest needs {' and '.join(needs)};"
                " loosen that limit"
            )
        cheapest = min((self.cost(a) for a in rejected), key=lambda cost: cost.instructions)
        obstacles = " and ".join(self.constraints.broken(cheapest))
        return (
            f"none of {self.rejected:,} architectures that were asked for fits, though the space's smallest"
            f" does: one of the last needs {obstacles}; loosen that limit"
        )


def feasible_sampler(space: Space, constraints: Constraints) -> Callable[[np.random.Generator], Architecture]:
    """Draws architectures that meet the limits, each feasible one as likely as another.

    Where ASKS rounds of draws hold none it gives the space's smallest, feasible or not: what then trains is
    at least cheap.
    """
    table = SegmentTable(constraints.profile)

    def sample(rng: np.random.Generator) -> Architecture:
        for _ in range(ASKS):
            indices = space.sample_indices(rng, _SAMPLER_DRAWS)
            fits = meets(table.costs(space, indices, constraints), constraints)
            if fits.any():
                return space.at(indices[int(np.argmax(fits))])
        return space.smallest()

    return sample
