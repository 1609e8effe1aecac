"""The whole of a search, stage by stage, in one run folder.

    stage one ─► supernet ─► exploration ─► holdout rank ─► fine-tune ─► export ─► test accuracy ─► firmware

Each stage leaves a checkpoint, a log or a section of run.json. A resumed search walks the same stages: what
is finished is taken from the folder, what was cut off goes on from its last step. The test set is looked at
once, after the winner was exported (search/verification.py).
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass

import numpy as np
import torch

from mcu_nas.search.evaluation import early_rejection
from mcu_nas.search.evaluation.early_rejection import Needs
from mcu_nas.search.evaluation.evaluator import Scores
from mcu_nas.search.exploration.feasible import feasible_sampler
from mcu_nas.search.exploration.history import Evaluation, History, best
from mcu_nas.search.exploration.loop import CONTROL, explore, seen_by
from mcu_nas.search.exploration.pareto import front
from mcu_nas.search.exploration.progress import ExplorationProgress
from mcu_nas.search.exploration.record import exploration_record, front_record
from mcu_nas.search.exploration.screen import Screen, predictor_record, screened_sizes
from mcu_nas.search.finishing import Finishing, training_record, winner_record
from mcu_nas.search.listener import Listener, TrainingProgress
from mcu_nas.search.reuse import take_supernet
from mcu_nas.search.run.run_folder import RunFolder
from mcu_nas.search.run.versions import versions
from mcu_nas.search.strategies.catalogue import STRATEGIES
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
    workers: int | str = 1  # processes that evaluate, or the ray:// address of a cluster: the same results

    def run(self) -> None:
        """All stages, from the first unfinished one on."""
        torch.set_num_threads(self.task.request.threads)
        self.folder.record("versions", versions())
        self.folder.record("effort", asdict(self.task.effort))
        self.folder.record("data", self.task.dataset.to_record())
        self._record_stage_one()
        supernet = trained_supernet(self.folder, self.task, self.listener)
        winner = self._find_winner(supernet)
        self._rank(supernet, winner)
        Finishing(self.folder, self.task, self.listener).run(supernet, winner)
        self.folder.record("finished", True)

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

    def _find_winner(self, supernet: Supernet) -> Architecture:
        self.listener.stage("exploration")
        began, history, name = time.monotonic(), History(self.folder.search_log), self.task.request.strategy
        with self._scores(supernet) as scores:
            self._explore(history, scores)
        (winner,) = best(history, 1)
        self.folder.record_once(
            "exploration",
            {
                **exploration_record(name, history),
                "rejected": self.task.candidates.rejected,
                "seconds": time.monotonic() - began,
            },
        )
        if self.task.request.predictor:
            found = predictor_record(self.task.space, seen_by(name, history), self.task.request.seed)
            self.folder.record("predictor", found)
        self.folder.record("front", front_record(self.task, front(history)))
        self.folder.record("winner", winner_record(self.task, winner))
        self.listener.note(
            f"{len(history)} subnets evaluated, the best with loss {winner.loss:.4f} and accuracy"
            f" {winner.accuracy:.2%} on validation data"
        )
        history.close()
        return winner.architecture

    def _explore(self, history: History, scores: Scores) -> None:
        """The strategy and its control, until the log holds all of their evaluations."""
        effort, name, screen = self.task.effort, self.task.request.strategy, Screen(self.task.candidates)
        start, evaluations = effort.population, effort.population * (effort.generations + 1)
        if self.task.request.predictor:
            start, evaluations = screened_sizes(start, evaluations)
        total = evaluations if name == CONTROL else 2 * evaluations - start
        explore(
            STRATEGIES[name](self.task.space, effort),
            name,
            self.task.candidates,
            history,
            lambda architectures, log: scores([(a, self._rival(log, a)) for a in architectures]),
            start=start,
            evaluations=evaluations,
            seed=self.task.request.seed,
            gather=screen.gather if self.task.request.predictor else None,
            on_evaluation=ExplorationProgress(self.listener, history, total),
        )

    @contextmanager
    def _scores(self, supernet: Supernet) -> Iterator[Scores]:
        """What scores subnets on validation data, in this process or on Ray."""
        evaluator = self.task.evaluator(supernet, self.task.splits.validation)
        if self.workers == 1 or "exploration" in self.folder.read():
            yield evaluator.scores
        else:
            from mcu_nas.search.evaluation.ray_workers import ray_workers  # Ray is an extra

            with ray_workers(evaluator, self.workers) as workers:
                yield workers.scores

    def _rival(self, log: Sequence[Evaluation], architecture: Architecture) -> Architecture | None:
        """Whom a subnet must not be shown to be worse than, to be evaluated to the end."""
        cost, profile = self.task.candidates.cost(architecture), self.task.constraints.profile
        needs = Needs(cost.instructions, cost.peak_bytes, cost.flash_bytes(profile))
        return early_rejection.rival(log, needs, self.task.effort.parents)

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
    """The supernet of a task, trained: from the folder's checkpoint, as far as that has come, or from the run
    that the task takes it from."""
    listener.stage("supernet")
    began, trainer = time.monotonic(), task.trainer
    if task.request.source:
        take_supernet(folder, task.request.source)
    phases = trainer.effort.supernet.phases
    epoch = len(trainer.splits.train)
    supernet = Supernet(trainer.space, seed=trainer.request.seed)
    train_supernet(
        supernet,
        trainer.feed(trainer.stage_one.chosen.resolution),
        trainer.effort.supernet,
        checkpoint=folder.supernet,
        sample=feasible_sampler(trainer.space, trainer.constraints),
        progress=TrainingProgress(listener, [(phase.steps, phase.batch) for phase in phases], epoch),
    )
    largest_macs = trainer.candidates.cost(trainer.space.largest()).macs
    found = training_record(phases, epoch, time.monotonic() - began)
    folder.record_once("supernet", {**found, "largest_macs": largest_macs})
    return supernet
