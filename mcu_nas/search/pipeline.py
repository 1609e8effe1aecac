"""The whole of a search, stage by stage, in one run folder.

    stage one ─► supernet ─► evolution ─► holdout rank ─► fine-tune ─► quantize ─► export

Each stage leaves a checkpoint, a log or a section of run.json. A resumed search walks the same stages: what
is finished is taken from the folder, what was cut off goes on from its last step. The test set is looked at
once, when the winner is exported (search/verification.py).
"""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch

from mcu_nas import __version__
from mcu_nas.boards import Board, load_board
from mcu_nas.compiler.export import write_exports
from mcu_nas.cost.constraints import Constraints, constraints_for
from mcu_nas.cost.estimate import Cost, latency
from mcu_nas.datasets.catalogue import load_dataset
from mcu_nas.datasets.dataset import Dataset
from mcu_nas.datasets.images import resize
from mcu_nas.datasets.search_space import space_for
from mcu_nas.datasets.splits import Splits, split
from mcu_nas.devices.session import emulated_counterpart
from mcu_nas.devices.toolchain import require_firmware_tools
from mcu_nas.files import write_bytes, write_text
from mcu_nas.quantize.quantize import quantize_network
from mcu_nas.search.effort import Effort
from mcu_nas.search.evaluator import SharedWeights
from mcu_nas.search.history import History, best
from mcu_nas.search.listener import Listener
from mcu_nas.search.loop import FeasibleCandidates, evolve, fitness_curve
from mcu_nas.search.request import SearchRequest
from mcu_nas.search.run_folder import RunFolder
from mcu_nas.search.strategies.evolution import Evolution
from mcu_nas.search.verification import build_for, image_record, run_emulated, verify_accuracy
from mcu_nas.spaces.architecture import Architecture
from mcu_nas.spaces.mbconv import WIDTHS
from mcu_nas.spaces.segment_table import SegmentTable
from mcu_nas.spaces.space import Space
from mcu_nas.spaces.stage_one import StageOne, meets, optimize_space
from mcu_nas.supernet.batch_norm import recalibrate
from mcu_nas.supernet.feed import Feed
from mcu_nas.supernet.supernet import Supernet
from mcu_nas.supernet.torch_network import TorchNetwork
from mcu_nas.supernet.training import train_network, train_supernet
from mcu_nas.tflite.writer import serialize_tflite

RIVALS = 20  # random feasible subnets that the winner is ranked among
_RIVALS_STREAM = 1_000_000  # random stream beside those of the generations
_SAMPLER_DRAWS = 32


@dataclass(frozen=True)
class Search:
    """A search in its folder: what was asked, and what that means."""

    folder: RunFolder
    request: SearchRequest
    effort: Effort
    listener: Listener

    @cached_property
    def board(self) -> Board:
        """The board searched for."""
        return load_board(self.request.board)

    @cached_property
    def dataset(self) -> Dataset:
        """The data, at its own size."""
        return load_dataset(self.request.data)

    @cached_property
    def splits(self) -> Splits:
        """Training, recalibration, validation and holdout indices."""
        return split(
            self.dataset.train_labels,
            recalibration=self.effort.recalibration_images,
            validation=self.effort.validation_images,
            holdout=self.effort.holdout_images,
            seed=self.request.seed,
        )

    @cached_property
    def constraints(self) -> Constraints:
        """The limits."""
        limits = (self.request.sram_bytes, self.request.flash_bytes, self.request.latency_ms)
        return constraints_for(self.board, *limits)

    @cached_property
    def stage_one(self) -> StageOne:
        """The chosen search space; takes a second, so that it is never stored, only recorded."""
        space = space_for(self.dataset, self.request.resolutions, self.request.widths or WIDTHS)
        return optimize_space(
            space,
            self.constraints,
            self.request.seed,
            samples=self.effort.stage_one_samples,
            largest_macs=self.effort.largest_macs,
        )

    @property
    def space(self) -> Space:
        """The space that supernet and evolution work in."""
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
        _ = self.splits, self.stage_one

    def run(self) -> None:
        """All stages, from the first unfinished one on."""
        torch.set_num_threads(self.request.threads)
        torch.use_deterministic_algorithms(True)
        self.folder.record("versions", _versions())
        self._record_stage_one()
        supernet = self._supernet()
        winner = self._evolve(supernet)
        self._rank(supernet, winner)
        network = self._fine_tune(supernet, winner)
        self._export(network, winner)
        self._verify(network)
        self._build(winner.integer("resolution"))

    def _record_stage_one(self) -> None:
        self.listener.stage("stage one")
        result = self.stage_one
        self.folder.record(
            "stage_one",
            {
                "resolution": result.chosen.resolution,
                "width": result.chosen.width,
                "reason": result.reason,
                "architectures": self.space.count(),
                "spaces": [asdict(statistics) for statistics in result.statistics],
            },
        )
        self.listener.note(f"{result.chosen.resolution} px, width {result.chosen.width}: {result.reason}")

    def _supernet(self) -> Supernet:
        self.listener.stage("supernet")
        began, schedule = time.monotonic(), self.effort.supernet
        supernet = Supernet(self.space, seed=self.request.seed)
        train_supernet(
            supernet,
            self._feed(self.stage_one.chosen.resolution),
            schedule,
            checkpoint=self.folder.checkpoints / "supernet.pt",
            sample=feasible_sampler(self.space, self.constraints),
            progress=lambda done, total, loss: self.listener.progress(done, total, f"loss {loss:.2f}"),
        )
        phases = (schedule.largest, schedule.sampled)
        images = sum(phase.steps * phase.batch for phase in phases)
        self._record_once(
            "supernet",
            {
                "epochs": images / len(self.splits.train),
                "steps": sum(phase.steps for phase in phases),
                "images": images,
                "largest_macs": self.candidates.cost(self.space.largest()).macs,
                "seconds": time.monotonic() - began,
            },
        )
        return supernet

    def _evolve(self, supernet: Supernet) -> Architecture:
        self.listener.stage("evolution")
        began, history = time.monotonic(), History(self.folder.search_log)
        evaluator = self._evaluator(supernet, self.splits.validation)
        evolve(
            Evolution(self.space, self.effort.population, self.effort.parents),
            self.candidates,
            history,
            evaluator.accuracy,
            self.effort.generations,
            self.request.seed,
            lambda evaluation, total: self.listener.progress(
                len(history), total, f"best {best(history, 1)[0].accuracy:.2%}"
            ),
        )
        (winner,) = best(history, 1)
        self._record_once(
            "evolution",
            {
                "subnets_evaluated": len(history),
                "rejected": self.candidates.rejected,
                "fitness_curve": fitness_curve(history),
                "seconds": time.monotonic() - began,
            },
        )
        needs = self.candidates.cost(winner.architecture)
        self.folder.record("winner", self._winner_record(winner.architecture, needs, winner.accuracy))
        self.listener.note(f"{len(history)} subnets evaluated, best {winner.accuracy:.2%} on validation data")
        history.close()
        return winner.architecture

    def _winner_record(self, architecture: Architecture, needs: Cost, accuracy: float) -> dict[str, Any]:
        profile = self.constraints.profile
        estimate = latency(needs.instructions, profile, self.board.clock_hz)
        return {
            "architecture": dict(architecture.choices),
            "macs": needs.macs,
            "peak_bytes": needs.peak_bytes,
            "flash_bytes": needs.flash_bytes(profile),
            "instructions": needs.instructions,
            "latency": {"kind": "estimated", **asdict(estimate)},
            "validation_accuracy": accuracy,
        }

    def _rank(self, supernet: Supernet, winner: Architecture) -> None:
        """The winner among random feasible subnets, on images that no stage has seen."""
        if "holdout" in self.folder.read():
            return
        self.listener.stage("holdout")
        rng = np.random.default_rng([self.request.seed, _RIVALS_STREAM])
        rivals = self.candidates.gather(
            lambda n: [self.space.sample(rng) for _ in range(n)], RIVALS, known=[winner]
        )
        evaluator = self._evaluator(supernet, self.splits.holdout)
        others = []
        for rival in rivals:
            others.append(evaluator.accuracy(rival))
            self.listener.progress(len(others), len(rivals), "")
        own = evaluator.accuracy(winner)
        better_than = sum(own > other for other in others)
        self.folder.record(
            "holdout",
            {
                "images": len(self.splits.holdout),
                "winner_accuracy": own,
                "others": others,
                "better_than": better_than,
            },
        )
        self.listener.note(f"better than {better_than} of {len(rivals)} random feasible subnets")

    def _fine_tune(self, supernet: Supernet, winner: Architecture) -> TorchNetwork:
        self.listener.stage("fine-tune")
        network = supernet.subnet(winner)
        train_network(
            network,
            self._feed(winner.integer("resolution")),
            self.effort.fine_tune,
            checkpoint=self.folder.checkpoints / "winner.pt",
            progress=lambda done, total, loss: self.listener.progress(done, total, f"loss {loss:.2f}"),
        )
        recalibrate(network, self._calibration_images(winner))
        return network

    def _export(self, network: TorchNetwork, winner: Architecture) -> None:
        self.listener.stage("export")
        graph = quantize_network(network, self._calibration_images(winner), self.dataset.labels)
        write_text(self.folder.architecture, json.dumps(dict(winner.choices), indent=2) + "\n")
        write_bytes(self.folder.model, serialize_tflite(graph))
        write_exports(self.folder.model, self.folder.winner / "c")
        self.listener.note(f"{self.folder.model}, {self.folder.winner / 'c'}")

    def _verify(self, network: TorchNetwork) -> None:
        self.listener.stage("test accuracy")
        if "accuracy" not in self.folder.read():
            found = verify_accuracy(network, self.folder.model, self.dataset, self.request.seed)
            self.folder.record("accuracy", found)

    def _build(self, resolution: int) -> None:
        """Firmware for the board, and for an emulated one with its core, on which it runs once."""
        self.listener.stage("firmware")
        model, winner = self.folder.model, self.folder.winner
        emulated = emulated_counterpart(self.board)
        boards = {board.name: board for board in (self.board, emulated) if board}
        images = {name: build_for(model, board, winner) for name, board in boards.items()}
        self.folder.record("firmware", {name: image_record(image) for name, image in images.items()})
        if emulated:
            pixels = resize(self.dataset.test_images[:1], resolution)[0]
            self.folder.record("emulated", run_emulated(images[emulated.name], emulated, model, pixels))

    def _feed(self, resolution: int) -> Feed:
        """Augmented batches of the training split."""
        images = resize(self.dataset.train_images[self.splits.train], resolution)
        labels = self.dataset.train_labels[self.splits.train]
        return Feed(images, labels, self.request.seed, self.dataset.mirrored_is_same)

    def _calibration_images(self, winner: Architecture) -> np.ndarray:
        return resize(self.dataset.train_images[self.splits.recalibration], winner.integer("resolution"))

    def _evaluator(self, supernet: Supernet, indices: np.ndarray) -> SharedWeights:
        data = self.dataset
        return SharedWeights(
            supernet,
            data.train_images[self.splits.recalibration],
            data.train_images[indices],
            data.train_labels[indices],
        )

    def _record_once(self, name: str, content: Mapping[str, Any]) -> None:
        """Records a stage that has just finished; a stage that a resumed run finds finished stays as it was,
        with the seconds that it took."""
        if name not in self.folder.read():
            self.folder.record(name, dict(content))


def feasible_sampler(space: Space, constraints: Constraints) -> Callable[[np.random.Generator], Architecture]:
    """Draws architectures that meet the limits, as far as a handful of draws holds one."""
    table = SegmentTable(constraints.profile)

    def sample(rng: np.random.Generator) -> Architecture:
        indices = space.sample_indices(rng, _SAMPLER_DRAWS)
        fits = meets(table.costs(space, indices), constraints)
        return space.at(indices[int(np.argmax(fits))])

    return sample


def _versions() -> dict[str, str]:
    """What the result depends on besides the request."""
    return {
        "mcu_nas": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
    }
