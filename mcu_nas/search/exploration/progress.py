"""How a search comes on, subnet by subnet, for its listener: the best so far, and the front as it grows."""

from __future__ import annotations

from collections.abc import Sequence

from mcu_nas.search.exploration.history import Evaluation, best
from mcu_nas.search.exploration.pareto import non_dominated, objectives
from mcu_nas.search.listener import Listener


class ExplorationProgress:
    """Called after each evaluation. ``log``: those of before; ``total``: how many there will be in all."""

    def __init__(self, listener: Listener, log: Sequence[Evaluation], total: int) -> None:
        self._listener, self._total, self._done = listener, total, len(log)
        self._leaders, self._front = best(log, 1), _front(log)

    def __call__(self, evaluation: Evaluation) -> None:
        """One more was evaluated."""
        self._done += 1
        self._leaders = best([*self._leaders, evaluation], 1)
        # What a member had beaten stays beaten by whoever beats that member: the front is enough.
        self._front = _front([*self._front, evaluation])
        (leader,) = self._leaders
        self._listener.progress(
            self._done,
            self._total,
            f"{evaluation.strategy}, front {len(self._front)}, best loss {leader.loss:.4f}"
            f" ({leader.accuracy:.1%} accuracy)",
            {"front": len(self._front), "best_loss": leader.loss, "best_accuracy": leader.accuracy},
        )


def _front(evaluations: Sequence[Evaluation]) -> list[Evaluation]:
    return [evaluations[i] for i in non_dominated(objectives(evaluations))]
