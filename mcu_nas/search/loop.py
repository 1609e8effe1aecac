"""The search loop: asks a strategy, rejects what does not fit, evaluates the rest, logs it.

A generation's candidates follow from the log up to that generation, the seed and the generation's number; a
resumed search asks again and skips what the log already holds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from mcu_nas.search.feasible import FeasibleCandidates
from mcu_nas.search.history import Evaluation, History, Score, best
from mcu_nas.search.strategies.strategy import Strategy
from mcu_nas.spaces.architecture import Architecture


def evolve(
    strategy: Strategy,
    candidates: FeasibleCandidates,
    history: History,
    evaluate: Callable[[Architecture], Score],
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
            needs, score = candidates.cost(architecture), evaluate(architecture)
            history.append(
                Evaluation(
                    generation=generation,
                    architecture=architecture,
                    loss=score.loss,
                    accuracy=score.accuracy,
                    macs=needs.macs,
                    weights_bytes=needs.weights_bytes,
                    peak_bytes=needs.peak_bytes,
                    flash_bytes=needs.flash_bytes(candidates.constraints.profile),
                    instructions=needs.instructions,
                )
            )
            on_evaluation(history[-1], total)


def fitness_curve(history: Sequence[Evaluation]) -> list[dict[str, float]]:
    """Per generation: the best of the log so far (loss and accuracy), and the generation's means."""
    curve = []
    for generation in sorted({e.generation for e in history}):
        own = [e for e in history if e.generation == generation]
        (leader,) = best([e for e in history if e.generation <= generation], 1)
        curve.append(
            {
                "generation": generation,
                "best_loss": leader.loss,
                "best_accuracy": leader.accuracy,
                "mean_loss": sum(e.loss for e in own) / len(own),
                "mean_accuracy": sum(e.accuracy for e in own) / len(own),
            }
        )
    return curve
