"""The search loop: asks a strategy, rejects what does not fit, evaluates the rest, logs it.

Feasibility is checked here, once, before anything is evaluated. A generation's candidates follow from the
log up to that generation, the seed and the generation's number; a resumed search asks again and skips what
the log already holds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from mcu_nas.cost.constraints import Constraints
from mcu_nas.cost.estimate import Cost, cost
from mcu_nas.errors import NothingFitsError
from mcu_nas.search.history import Evaluation, History
from mcu_nas.search.strategies.evolution import Evolution
from mcu_nas.spaces.architecture import Architecture
from mcu_nas.spaces.space import Space

ASKS_PER_CANDIDATE = 500


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
            self.costs[architecture] = cost(self.space.lower(architecture), self.constraints.profile)
        return self.costs[architecture]

    def gather(
        self,
        ask: Callable[[int], Sequence[Architecture]],
        count: int,
        known: Sequence[Architecture] = (),
    ) -> list[Architecture]:
        """Up to ``count`` distinct feasible answers of ``ask``, none of them ``known``.

        Ends after ASKS_PER_CANDIDATE answers per candidate wanted: a space may hold fewer than ``count``.

        Raises:
            NothingFitsError: not one was found; names the limit that the last answer broke.
        """
        found: list[Architecture] = []
        seen = set(known)
        for _ in range(ASKS_PER_CANDIDATE):
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


def evolve(
    strategy: Evolution,
    candidates: FeasibleCandidates,
    history: History,
    evaluate: Callable[[Architecture], float],
    generations: int,
    seed: int,
    on_evaluation: Callable[[Evaluation, int], None] = lambda evaluation, total: None,
) -> None:
    """Run a first generation and ``generations`` more, appending to ``history``.

    ``on_evaluation`` hears of each new evaluation and of the total expected.
    """
    total = strategy.population * (generations + 1)
    for generation in range(generations + 1):
        before = [e for e in history if e.generation < generation]
        rng = np.random.default_rng([seed, generation])
        asked = candidates.gather(
            lambda n, log=before, rng=rng: strategy.ask(log, n, rng),  # type: ignore[misc]
            strategy.population,
            [e.architecture for e in before],
        )
        done = len(history) - len(before)
        for architecture in asked[done:]:
            needs = candidates.cost(architecture)
            history.append(
                Evaluation(
                    generation=generation,
                    architecture=architecture,
                    accuracy=evaluate(architecture),
                    macs=needs.macs,
                    peak_bytes=needs.peak_bytes,
                    flash_bytes=needs.flash_bytes(candidates.constraints.profile),
                    instructions=needs.instructions,
                )
            )
            on_evaluation(history[-1], total)


def fitness_curve(history: Sequence[Evaluation]) -> list[dict[str, float]]:
    """Per generation: the best accuracy so far, and the mean of the generation."""
    curve = []
    best_so_far = 0.0
    for generation in sorted({e.generation for e in history}):
        accuracies = [e.accuracy for e in history if e.generation == generation]
        best_so_far = max(best_so_far, *accuracies)
        mean = sum(accuracies) / len(accuracies)
        curve.append({"generation": generation, "best": best_so_far, "mean": mean})
    return curve
