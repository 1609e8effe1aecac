"""What run.json says of a search's log: the strategy beside its control, and the front."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mcu_nas.cost.estimate import latency
from mcu_nas.search.exploration.history import Evaluation, best
from mcu_nas.search.exploration.loop import CONTROL, START, fitness_curve, seen_by
from mcu_nas.search.exploration.pareto import Numbered, dominated_share, front, objectives
from mcu_nas.search.task import SearchTask


def exploration_record(name: str, log: Sequence[Evaluation]) -> dict[str, Any]:
    """Section ``exploration``: what the strategy of that name found, and random search with as many
    evaluations. ``winner_by`` is who found the best of the log."""
    own = seen_by(name, log)
    return {
        "strategy": name,
        "start": sum(e.strategy == START for e in log),
        "subnets_evaluated": len(own),
        "rejected_early": sum(e.partial for e in own),
        "fitness_curve": fitness_curve(own),
        "control": _control(own, seen_by(CONTROL, log)) if name != CONTROL else None,
        "winner_by": best(log, 1)[0].strategy,
    }


def _control(own: Sequence[Evaluation], control: Sequence[Evaluation]) -> dict[str, Any]:
    """What random search found beside a strategy; ``matched_after``: the strategy's evaluations until one was
    as good as the best of random search, None where none was."""
    (leader,) = best(control, 1)
    better = (number for number, e in enumerate(own, 1) if not e.partial and e.loss <= leader.loss)
    fronts = [objectives([e for _, e in front(log)]) for log in (own, control)]
    return {
        "subnets_evaluated": len(control),
        "best_loss": leader.loss,
        "best_accuracy": leader.accuracy,
        "fitness_curve": fitness_curve(control),
        "matched_after": next(better, None),
        "front_dominated": dominated_share(fronts[1], by=fronts[0]),
        "front_dominates": dominated_share(fronts[0], by=fronts[1]),
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
