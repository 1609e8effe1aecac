"""What a search request means: board, data, limits, space.

Each is derived when it is first asked for and never stored, so that a resumed search derives the same. The
stages (search/pipeline.py) take from here what they work on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from mcu_nas.boards import Board, load_board
from mcu_nas.cost.constraints import Constraints, constraints_for
from mcu_nas.datasets.catalogue import load_dataset
from mcu_nas.datasets.dataset import Dataset
from mcu_nas.datasets.images import resize
from mcu_nas.datasets.progress import Progress, unseen
from mcu_nas.datasets.search_space import space_for
from mcu_nas.datasets.splits import Splits, at_most, split
from mcu_nas.devices.session import emulated_counterpart
from mcu_nas.devices.toolchain import require_firmware_tools
from mcu_nas.errors import RunFolderError
from mcu_nas.search.effort import EFFORTS, Effort
from mcu_nas.search.evaluation.adaptation import Adaptation
from mcu_nas.search.evaluation.evaluator import SharedWeights
from mcu_nas.search.exploration.feasible import FeasibleCandidates
from mcu_nas.search.request import SearchRequest
from mcu_nas.search.reuse import require_identity, space_within
from mcu_nas.search.run.run_folder import RunFolder
from mcu_nas.spaces.mbconv import WIDTHS
from mcu_nas.spaces.space import Space
from mcu_nas.spaces.stage_one import StageOne, optimize_space
from mcu_nas.supernet.feed import Feed
from mcu_nas.supernet.supernet import Supernet
from mcu_nas.supernet.training import supernet_identity

FINAL_STATISTICS = 5_120  # training images for the winner's batch-norm statistics


@dataclass(frozen=True)
class SearchTask:
    """A request at an effort, and all that follows from the two.

    ``origin`` is the task for which the supernet was trained, where that was another: its data, splits and
    space are this task's as well. ``on_reading`` is told (images read, images) where reading takes a while.
    """

    request: SearchRequest
    effort: Effort
    origin: SearchTask | None = None
    on_reading: Progress = field(default=unseen, repr=False)

    @cached_property
    def board(self) -> Board:
        """The board searched for."""
        return load_board(self.request.board)

    @cached_property
    def dataset(self) -> Dataset:
        """The data, at its own size."""
        if self.origin:
            return self.origin.dataset
        return load_dataset(self.request.data, self.request.data_options, self.on_reading)

    @cached_property
    def splits(self) -> Splits:
        """Training, recalibration, validation and holdout indices."""
        if self.origin:
            return self.origin.splits
        sizes = at_most(
            len(self.dataset.train_labels),
            len(self.dataset.labels),
            recalibration=self.effort.recalibration_images,
            validation=self.effort.validation_images,
            holdout=self.effort.holdout_images,
        )
        return split(self.dataset.train_labels, **sizes, seed=self.request.seed)

    @cached_property
    def constraints(self) -> Constraints:
        """The limits."""
        request = self.request
        limits = constraints_for(
            self.board, request.sram_bytes, request.flash_bytes, request.latency_ms, request.weights_bytes
        )
        return replace(limits, macs=self.effort.largest_macs)

    @property
    def trainer(self) -> SearchTask:
        """The task that the supernet is trained for."""
        return self.origin or self

    @cached_property
    def stage_one(self) -> StageOne:
        """The chosen search space; takes a second, so that it is never stored, only recorded."""
        if self.origin and self.request.source:
            return space_within(
                self.origin.space,
                self.constraints,
                self.request.seed,
                self.effort.stage_one_samples,
                self.request.source.run,
            )
        space = space_for(self.dataset, self.request.resolutions, self.request.widths or WIDTHS)
        return optimize_space(
            space,
            self.constraints,
            self.request.seed,
            samples=self.effort.stage_one_samples,
        )

    @property
    def space(self) -> Space:
        """The space that is explored."""
        return self.stage_one.space

    @cached_property
    def candidates(self) -> FeasibleCandidates:
        """Feasible architectures and their costs."""
        return FeasibleCandidates(self.space, self.constraints)

    def check(self) -> None:
        """Finds out what is missing before anything is written or a minute is spent.

        Raises:
            UsageError: board, data or options; a compiler or emulator that is not installed.
            NothingFitsError: no network of the space meets the limits.
        """
        require_firmware_tools(emulated=emulated_counterpart(self.board) is not None)
        _ = self.splits, self.stage_one  # raise where they cannot be had

    def check_supernet(self, folder: RunFolder) -> None:
        """That the supernet which this task takes from another run is the one that its own data and this
        version would train; nothing where it trains its own.

        Raises:
            RunFolderError: it is not, or cannot be read.
        """
        if self.origin and self.request.source:
            require_identity(folder, self.request.source, self.origin.supernet_identity)

    @property
    def supernet_identity(self) -> str:
        """What the checkpoint of this task's own supernet is known by."""
        return supernet_identity(
            self.space, self.feed(self.stage_one.chosen.resolution), self.effort.supernet
        )

    def feed(self, resolution: int) -> Feed:
        """Augmented batches of the training split."""
        images = resize(self.dataset.train_images[self.splits.train], resolution)
        labels = self.dataset.train_labels[self.splits.train]
        return Feed(images, labels, self.request.seed, self.dataset.mirrorable)

    def calibration_images(self, resolution: int) -> np.ndarray:
        """Images uint8 (N, resolution, resolution, C) for batch-norm statistics and activation ranges."""
        return resize(self.dataset.train_images[self.splits.recalibration], resolution)

    def statistics_images(self, resolution: int) -> np.ndarray:
        """More of them than a search can afford for each subnet: for the winner's final batch norms."""
        return resize(self.dataset.train_images[self.splits.train[:FINAL_STATISTICS]], resolution)

    def evaluator(self, supernet: Supernet, indices: np.ndarray) -> SharedWeights:
        """Scores subnets on these of the training images (a split's indices)."""
        data, schedule = self.dataset, self.effort.adaptation
        train, seed = self.splits.train, self.request.seed
        return SharedWeights(
            supernet,
            data.train_images[self.splits.recalibration],
            data.train_images[indices],
            data.train_labels[indices],
            Adaptation.of(schedule, data, train, seed) if schedule else None,
        )


def task_of(
    request: SearchRequest, efforts: Mapping[str, Effort] = EFFORTS, on_reading: Progress = unseen
) -> SearchTask:
    """The task that a request stands for, with the one that its supernet was trained for.

    Raises:
        RunFolderError: a recorded effort that this version does not know.
    """
    if request.effort not in efforts:
        known = ", ".join(efforts)
        raise RunFolderError(f"effort '{request.effort}' is none of {known}: start the search anew")
    origin = task_of(request.source.request, efforts, on_reading) if request.source else None
    return SearchTask(request, efforts[request.effort], origin, on_reading)
