"""What run.json says of a search's log: the strategy beside its control, and the front."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mcu_nas.cost.estimate import latency
from mcu_nas.search.history import Evaluation, best
from mcu_nas.search.loop import CONTROL, START, fitness_curve, seen_by
from mcu_nas.search.pareto import Numbered
from mcu_nas.search.task import SearchTask


def exploration_record(name: str, log: Sequence[Evaluation]) -> dict[str, Any]:
    """Section ``evolution``: what the strategy of that name found, and random search with as many
    evaluations. ``winner_by`` is who found the best of the log."""
    own = seen_by(name, log)
    return {
        "strategy": name,
        "start": sum(e.strategy == START for e in log),
        "subnets_evaluated": len(own),
        "rejected_early": sum(e.partial for e in own),
        "fitness_curve": fitness_curve(own),
        "control": _control(log) if name != CONTROL else None,
        "winner_by": best(log, 1)[0].strategy,
    }


def _control(log: Sequence[Evaluation]) -> dict[str, Any]:
    own = seen_by(CONTROL, log)
    (leader,) = best(own, 1)
    return {
        "subnets_evaluated": len(own),
        "best_loss": leader.loss,
        "best_accuracy": leader.accuracy,
        "fitness_curve": fitness_curve(own),
    }


def front_record(task: SearchTask, members: Sequence[Numbered]) -> list[dict[str, Any]]:
    """Section ``front``: its members by rising loss; milliseconds are estimated."""
    profile, clock_hz = task.constraints.profile, task.board.clock_hz
    return [
        {
            "number": number,
            "strategy": e.strategy,
            "loss": e.loss,
            "accuracy": e.accuracy,
            "partial": e.partial,
            "macs": e.macs,
            "instructions": e.instructions,
            "latency_ms": latency(e.instructions, profile, clock_hz).central_ms,
            "weights_bytes": e.weights_bytes,
            "peak_bytes": e.peak_bytes,
            "flash_bytes": e.flash_bytes,
        }
        for number, e in members
    ]
