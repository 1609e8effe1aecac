"""The search-quality studies: data, limits, budgets."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import torch

from benchmarks.search_quality.candidates import Candidate, fitting, interleaved
from mcu_nas.search.effort import QUICK, Effort
from mcu_nas.search.request import SearchRequest
from mcu_nas.search.task import SearchTask
from mcu_nas.supernet.schedule import Schedule, SupernetSchedule

KIB = 1024


@dataclass(frozen=True)
class SearchQualityStudy:
    """All sizes of one study. ``effort`` is the search's; its total is every arm's budget.

    ``scratch`` is the recipe of the scaled networks, whose steps follow from their budget; half of that goes
    to ``trials``: so many candidates in the first round, of which the next keeps one in ``keep``, and so on
    for ``rounds`` of equal cost.
    """

    name: str
    data: str
    peak_bytes: int
    weights_bytes: int
    seeds: tuple[int, ...]
    effort: Effort
    scratch: Schedule
    scaled_resolutions: tuple[int, ...]
    board: str = "stm32f746g-disco"
    resolutions: tuple[int, ...] = ()
    widths: tuple[float, ...] = ()
    trials: int = 16
    keep: int = 4
    rounds: int = 2

    def task(self, seed: int) -> SearchTask:
        """The search of one seed; made once, as it holds the data."""
        if seed not in self._tasks:
            self._tasks[seed] = self._make_task(seed)
        return self._tasks[seed]

    @cached_property
    def scaled(self) -> list[Candidate]:
        """The scaled networks of the first round, the same for every seed."""
        task = self.task(self.seeds[0])
        _, _, channels = task.dataset.image_shape
        found = fitting(task.constraints, self.scaled_resolutions, channels, len(task.dataset.labels))
        return interleaved(found, self.trials)

    @cached_property
    def _tasks(self) -> dict[int, SearchTask]:
        return {}

    def _make_task(self, seed: int) -> SearchTask:
        request = SearchRequest(
            board=self.board,
            data=self.data,
            effort=self.effort.name,
            seed=seed,
            threads=torch.get_num_threads(),
            sram_bytes=self.peak_bytes,
            weights_bytes=self.weights_bytes,
            resolutions=self.resolutions,
            widths=self.widths,
            predictor=True,
        )
        return SearchTask(request, self.effort)

    @cached_property
    def candidates_per_round(self) -> tuple[int, ...]:
        """How many scaled networks each round of trials trains."""
        return tuple(max(1, self.trials // self.keep**number) for number in range(self.rounds))


# From a supernet's weights and from scratch alike: about ten epochs, or what the budget pays for.
_SCRATCH = Schedule(
    steps=0,
    batch=128,
    learning_rate=0.4,
    shift=2,
    mirror=True,
    weight_decay=5e-4,
    label_smoothing=0.05,
    averaging=0.998,
)
_EFFORT = replace(
    QUICK,
    name="search-quality",
    largest_macs=None,
    supernet=SupernetSchedule(
        largest=Schedule(steps=0, batch=256, learning_rate=0.8),
        sampled=Schedule(
            steps=4800, batch=128, learning_rate=0.8, weight_decay=5e-4, mirror=True, averaging=0.995
        ),
    ),
    population=50,
    parents=12,
    generations=9,
    validation_images=4000,
    holdout_images=1000,
    fine_tune=replace(_SCRATCH, steps=4000),
)

FASHION = SearchQualityStudy(
    name="fashion-mnist",
    data="fashion-mnist",
    peak_bytes=16 * KIB,
    weights_bytes=64 * KIB,
    seeds=(1, 2, 3),
    effort=_EFFORT,
    scratch=_SCRATCH,
    scaled_resolutions=(16, 20, 24, 28),
)
CIFAR10 = SearchQualityStudy(
    name="cifar10",
    data="cifar10",  # a folder of that name here, or --data
    peak_bytes=48 * KIB,
    weights_bytes=128 * KIB,
    seeds=(1,),
    effort=_EFFORT,
    scratch=_SCRATCH,
    scaled_resolutions=(16, 20, 24, 28, 32),
)
STUDIES = {study.name: study for study in (FASHION, CIFAR10)}


def smoke(study: SearchQualityStudy) -> SearchQualityStudy:
    """The same in seconds, which proves nothing but that it runs."""
    schedule = Schedule(steps=3, batch=32, learning_rate=0.1, warmup_steps=1)
    effort = replace(
        study.effort,
        stage_one_samples=20,
        supernet=SupernetSchedule(largest=schedule, sampled=schedule),
        population=3,
        parents=2,
        generations=1,
        recalibration_images=64,
        validation_images=100,
        holdout_images=100,
        fine_tune=schedule,
        quantization_aware=schedule,
    )
    return replace(
        study,
        seeds=study.seeds[:2],
        effort=effort,
        scratch=schedule,
        scaled_resolutions=(16, 28),
        resolutions=(16,),
        widths=(0.2, 0.3),
        trials=4,
        keep=2,
    )
