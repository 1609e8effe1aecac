"""The arms that share a supernet: the product's search, and random sampling in its place.

``ours`` is what `mcu-nas search` does, in a run folder of its own. ``random`` takes the same supernet,
evaluates as many networks, drawn uniformly from those that meet the limits, by the same fitness, and puts
the best through the same last stages.
"""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.cells import SAY_EVERY_S
from benchmarks.search_quality.compute import Meter, evaluation_macs, metering
from mcu_nas.compiler.planner import Optimize
from mcu_nas.cost.constraints import Constraints
from mcu_nas.cost.estimate import cost
from mcu_nas.network import Network
from mcu_nas.search.exploration.history import History, best
from mcu_nas.search.exploration.loop import CONTROL, explore
from mcu_nas.search.finishing import Finishing, winner_record
from mcu_nas.search.listener import Figures, Silence, Together
from mcu_nas.search.pipeline import Search, trained_supernet
from mcu_nas.search.run.run_folder import RunFolder
from mcu_nas.search.strategies.random import Random
from mcu_nas.search.task import SearchTask
from mcu_nas.spaces.architecture import Architecture

_RANDOM_STREAM = 2_000_000  # beside the seeds of the search's own random numbers


class Spoken(Silence):
    """Says where a search stands: each stage, and every half a minute how far it has come."""

    def __init__(self) -> None:
        self._said = 0.0

    def stage(self, name: str) -> None:
        """A stage begins."""
        print(f"{time.strftime('%H:%M:%S')}   {name}", flush=True)
        self._said = time.monotonic()

    def progress(self, done: int, total: int, detail: str, figures: Figures | None = None) -> None:
        """The stage has come so far."""
        if time.monotonic() - self._said > SAY_EVERY_S:
            self._said = time.monotonic()
            print(f"  {done:,} of {total:,}, {detail}", flush=True)


def run_ours(task: SearchTask, path: Path) -> dict[str, Any]:
    """The whole search; its row."""
    folder, meter = _open(path, task), Meter(path.with_name(f"{path.name}-compute.json"))
    with metering(meter):
        Search(folder, task, Together(meter, Spoken())).run()
    return _row(folder, task, meter)


def run_random(task: SearchTask, searched: Path, path: Path) -> dict[str, Any]:
    """Random search on the supernet of the run folder ``searched``; its row."""
    folder, meter = _open(path, task), Meter(path.with_name(f"{path.name}-compute.json"))
    listener = Together(meter, Spoken())
    supernet = trained_supernet(RunFolder(searched), task, Silence())
    with metering(meter):
        listener.stage("exploration")
        theirs, history = History(RunFolder(searched).search_log), History(folder.search_log)
        count = len(theirs)
        theirs.close()
        evaluator = task.evaluator(supernet, task.splits.validation)
        explore(
            Random(task.space, count),
            CONTROL,
            task.candidates,
            history,
            lambda architectures, log: map(evaluator.score, architectures),
            start=count,
            evaluations=count,
            seed=_RANDOM_STREAM + task.request.seed,
            on_evaluation=lambda evaluation: listener.progress(len(history), count, "evaluated"),
        )
        (winner,) = best(history, 1)
        history.close()
        folder.record("winner", winner_record(task, winner))
        Finishing(folder, task, listener).run(supernet, winner.architecture)
    return _row(folder, task, meter)


def network_figures(network: Network, constraints: Constraints) -> dict[str, int]:
    """What a network needs under the memory plan."""
    needs = cost(network, constraints.profile, Optimize.MEMORY)
    return {"peak_bytes": needs.peak_bytes, "weights_bytes": needs.weights_bytes, "macs": needs.macs}


def _open(path: Path, task: SearchTask) -> RunFolder:
    if (path / "run.json").exists():
        return RunFolder.open(path)
    return RunFolder.create(path, task.request.to_record())


def _row(folder: RunFolder, task: SearchTask, meter: Meter) -> dict[str, Any]:
    winner = folder.section("winner")
    history = History(folder.search_log)
    images = len(task.splits.recalibration), len(task.splits.validation)
    evaluations = sum(evaluation_macs(evaluation.macs, *images) for evaluation in history)
    network = task.space.lower(Architecture(tuple(winner["architecture"].items())))
    row = {
        "accuracy": folder.section("accuracy"),
        "network": winner["architecture"],
        **network_figures(network, task.constraints),
        "validation_loss": winner["validation_loss"],
        "validation_accuracy": winner["validation_accuracy"],
        "evaluations": len(history),
        "winner_by": best(history, 1)[0].strategy,
        "compute": {**meter.macs(), "evaluations": evaluations},
        "stage_seconds": meter.seconds(),
        "effort": asdict(task.effort),
    }
    history.close()
    return row
