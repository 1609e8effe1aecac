"""The search loop: asks a strategy, rejects what does not fit, evaluates the rest, logs it.

A generation's candidates follow from the log up to that generation, the seed and the generation's number; a
resumed search asks again and skips what the log already holds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from mcu_nas.search.feasible import FeasibleCandidates
from mcu_nas.search.history import Evaluation, History
from mcu_nas.search.strategies.strategy import Strategy
from mcu_nas.spaces.architecture import Architecture


def evolve(
    strategy: Strategy,
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
