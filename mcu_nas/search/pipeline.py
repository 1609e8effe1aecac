"""The whole of a search, stage by stage, in one run folder.

    stage one ─► supernet ─► evolution ─► holdout rank ─► fine-tune ─► export ─► test accuracy ─► firmware

Each stage leaves a checkpoint, a log or a section of run.json. A resumed search walks the same stages: what
is finished is taken from the folder, what was cut off goes on from its last step. The test set is looked at
once, after the winner was exported (search/verification.py).
"""

from __future__ import annotations

import platform
import time
from dataclasses import asdict, dataclass

import numpy as np
import torch

from mcu_nas import __version__
from mcu_nas.search.feasible import feasible_sampler
from mcu_nas.search.finishing import Finishing, winner_record
from mcu_nas.search.history import History, best
from mcu_nas.search.listener import Listener
from mcu_nas.search.loop import evolve, fitness_curve
from mcu_nas.search.run_folder import RunFolder
from mcu_nas.search.strategies.evolution import Evolution
from mcu_nas.search.task import SearchTask
from mcu_nas.spaces.architecture import Architecture
from mcu_nas.supernet.supernet import Supernet
from mcu_nas.supernet.training import train_supernet

RIVALS = 20  # random feasible subnets that the winner is ranked among
_RIVALS_STREAM = 1_000_000  # random stream beside those of the generations


@dataclass(frozen=True)
class Search:
    """The stages of one task, in its folder."""

    folder: RunFolder
    task: SearchTask
    listener: Listener

    def run(self) -> None:
        """All stages, from the first unfinished one on."""
        torch.set_num_threads(self.task.request.threads)
        self.folder.record("versions", _versions())
        self.folder.record("effort", asdict(self.task.effort))
        self._record_stage_one()
        supernet = trained_supernet(self.folder, self.task, self.listener)
        winner = self._evolve(supernet)
        self._rank(supernet, winner)
        Finishing(self.folder, self.task, self.listener).run(supernet, winner)

    def _record_stage_one(self) -> None:
        self.listener.stage("stage one")
        result = self.task.stage_one
        self.folder.record(
            "stage_one",
            {
                "resolution": result.chosen.resolution,
                "width": result.chosen.width,
                "reason": result.reason,
                "architectures": self.task.space.count(),
                "spaces": [asdict(statistics) for statistics in result.statistics],
            },
        )
        self.listener.note(f"{result.chosen.resolution} px, width {result.chosen.width}: {result.reason}")

    def _evolve(self, supernet: Supernet) -> Architecture:
        self.listener.stage("evolution")
        began, history = time.monotonic(), History(self.folder.search_log)
        evaluator = self.task.evaluator(supernet, self.task.splits.validation)
        evolve(
            Evolution(self.task.space, self.task.effort.population, self.task.effort.parents),
            self.task.candidates,
            history,
            evaluator.score,
            self.task.effort.generations,
            self.task.request.seed,
            lambda evaluation, total: self.listener.progress(
                len(history), total, f"best loss {best(history, 1)[0].loss:.4f}"
            ),
        )
        (winner,) = best(history, 1)
        self.folder.record_once(
            "evolution",
            {
                "subnets_evaluated": len(history),
                "rejected": self.task.candidates.rejected,
                "fitness_curve": fitness_curve(history),
                "seconds": time.monotonic() - began,
            },
        )
        self.folder.record("winner", winner_record(self.task, winner))
        self.listener.note(
            f"{len(history)} subnets evaluated, the best with loss {winner.loss:.4f} and accuracy"
            f" {winner.accuracy:.2%} on validation data"
        )
        history.close()
        return winner.architecture

    def _rank(self, supernet: Supernet, winner: Architecture) -> None:
        """The winner among random feasible subnets, on images that no stage has seen."""
        if "holdout" in self.folder.read():
            return
        self.listener.stage("holdout")
        rng = np.random.default_rng([self.task.request.seed, _RIVALS_STREAM])
        rivals = self.task.candidates.gather(
            lambda n: [self.task.space.sample(rng) for _ in range(n)], RIVALS, known=[winner]
        )
        evaluator = self.task.evaluator(supernet, self.task.splits.holdout)
        others = []
        for rival in rivals:
            others.append(evaluator.score(rival))
            self.listener.progress(len(others), len(rivals), "")
        own = evaluator.score(winner)
        better_than = sum(own.loss < other.loss for other in others)
        self.folder.record(
            "holdout",
            {
                "images": len(self.task.splits.holdout),
                "winner": own._asdict(),
                "others": [other._asdict() for other in others],
                "better_than": better_than,
                "better_than_by_accuracy": sum(own.accuracy > other.accuracy for other in others),
            },
        )
        self.listener.note(f"better than {better_than} of {len(rivals)} random feasible subnets")


def trained_supernet(folder: RunFolder, task: SearchTask, listener: Listener) -> Supernet:
    """The supernet of a task, trained: from the folder's checkpoint, as far as that has come."""
    listener.stage("supernet")
    began, schedule = time.monotonic(), task.effort.supernet
    supernet = Supernet(task.space, seed=task.request.seed)
    train_supernet(
        supernet,
        task.feed(task.stage_one.chosen.resolution),
        schedule,
        checkpoint=folder.checkpoints / "supernet.pt",
        sample=feasible_sampler(task.space, task.constraints),
        progress=lambda done, total, loss: listener.progress(done, total, f"loss {loss:.2f}"),
    )
    phases = (schedule.largest, schedule.sampled)
    images = sum(phase.steps * phase.batch for phase in phases)
    folder.record_once(
        "supernet",
        {
            "epochs": images / len(task.splits.train),
            "steps": sum(phase.steps for phase in phases),
            "images": images,
            "largest_macs": task.candidates.cost(task.space.largest()).macs,
            "seconds": time.monotonic() - began,
        },
    )
    return supernet


def _versions() -> dict[str, str]:
    """What the result depends on besides the request."""
    return {
        "mcu_nas": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
    }
