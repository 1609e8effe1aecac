"""The whole of a search, stage by stage, in one run folder.

    stage one ─► supernet ─► evolution ─► holdout rank ─► fine-tune ─► export ─► test accuracy ─► firmware

Each stage leaves a checkpoint, a log or a section of run.json. A resumed search walks the same stages: what
is finished is taken from the folder, what was cut off goes on from its last step. The test set is looked at
once, after the winner was exported (search/verification.py).
"""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch

from mcu_nas import __version__
from mcu_nas.compiler.export import write_exports
from mcu_nas.cost.board_program import load_program_for
from mcu_nas.cost.estimate import Cost, latency
from mcu_nas.devices.session import emulated_counterpart
from mcu_nas.files import write_bytes, write_text
from mcu_nas.quantize.quantize import quantize_network
from mcu_nas.search.feasible import feasible_sampler
from mcu_nas.search.history import Evaluation, History, best
from mcu_nas.search.listener import Listener
from mcu_nas.search.loop import evolve, fitness_curve
from mcu_nas.search.run_folder import RunFolder
from mcu_nas.search.strategies.evolution import Evolution
from mcu_nas.search.task import SearchTask
from mcu_nas.search.verification import build_for, image_record, run_emulated, verify_accuracy
from mcu_nas.spaces.architecture import Architecture
from mcu_nas.supernet.batch_norm import recalibrate
from mcu_nas.supernet.supernet import Supernet
from mcu_nas.supernet.torch_network import TorchNetwork
from mcu_nas.supernet.training import train_network, train_supernet
from mcu_nas.tflite.writer import serialize_tflite

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
        supernet = self._supernet()
        winner = self._evolve(supernet)
        self._rank(supernet, winner)
        network = self._fine_tune(supernet, winner)
        self._export(network, winner)
        self._verify(network)
        self._build()

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

    def _supernet(self) -> Supernet:
        self.listener.stage("supernet")
        began, schedule = time.monotonic(), self.task.effort.supernet
        supernet = Supernet(self.task.space, seed=self.task.request.seed)
        train_supernet(
            supernet,
            self.task.feed(self.task.stage_one.chosen.resolution),
            schedule,
            checkpoint=self.folder.checkpoints / "supernet.pt",
            sample=feasible_sampler(self.task.space, self.task.constraints),
            progress=lambda done, total, loss: self.listener.progress(done, total, f"loss {loss:.2f}"),
        )
        phases = (schedule.largest, schedule.sampled)
        images = sum(phase.steps * phase.batch for phase in phases)
        self._record_once(
            "supernet",
            {
                "epochs": images / len(self.task.splits.train),
                "steps": sum(phase.steps for phase in phases),
                "images": images,
                "largest_macs": self.task.candidates.cost(self.task.space.largest()).macs,
                "seconds": time.monotonic() - began,
            },
        )
        return supernet

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
        self._record_once(
            "evolution",
            {
                "subnets_evaluated": len(history),
                "rejected": self.task.candidates.rejected,
                "fitness_curve": fitness_curve(history),
                "seconds": time.monotonic() - began,
            },
        )
        needs = self.task.candidates.cost(winner.architecture)
        self.folder.record("winner", self._winner_record(winner, needs))
        self.listener.note(
            f"{len(history)} subnets evaluated, the best with loss {winner.loss:.4f} and accuracy"
            f" {winner.accuracy:.2%} on validation data"
        )
        history.close()
        return winner.architecture

    def _winner_record(self, winner: Evaluation, needs: Cost) -> dict[str, Any]:
        profile = self.task.constraints.profile
        estimate = latency(needs.instructions, profile, self.task.board.clock_hz)
        return {
            "architecture": dict(winner.architecture.choices),
            "macs": needs.macs,
            "weights_bytes": needs.weights_bytes,
            "peak_bytes": needs.peak_bytes,
            "flash_bytes": needs.flash_bytes(profile),
            "instructions": needs.instructions,
            "latency": {"kind": "estimated", **asdict(estimate)},
            "validation_loss": winner.loss,
            "validation_accuracy": winner.accuracy,
        }

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

    def _fine_tune(self, supernet: Supernet, winner: Architecture) -> TorchNetwork:
        self.listener.stage("fine-tune")
        network = supernet.subnet(winner)
        train_network(
            network,
            self.task.feed(winner.integer("resolution")),
            self.task.effort.fine_tune,
            checkpoint=self.folder.checkpoints / "winner.pt",
            progress=lambda done, total, loss: self.listener.progress(done, total, f"loss {loss:.2f}"),
        )
        recalibrate(network, self.task.statistics_images(winner.integer("resolution")))
        return network

    def _export(self, network: TorchNetwork, winner: Architecture) -> None:
        self.listener.stage("export")
        images = self.task.calibration_images(winner.integer("resolution"))
        graph = quantize_network(network, images, self.task.dataset.labels)
        write_text(self.folder.architecture, json.dumps(dict(winner.choices), indent=2) + "\n")
        write_bytes(self.folder.model, serialize_tflite(graph))
        program = load_program_for(self.folder.model, self.task.board)
        write_exports(self.folder.model, program, self.folder.sources)
        self.listener.note(f"{self.folder.model}, {self.folder.sources}")

    def _verify(self, network: TorchNetwork) -> None:
        self.listener.stage("test accuracy")
        if "accuracy" not in self.folder.read():
            found = verify_accuracy(network, self.folder.model, self.task.dataset, self.task.request.seed)
            self.folder.record("accuracy", found)

    def _build(self) -> None:
        """Firmware for the board, and for an emulated one with its core, on which test images run."""
        self.listener.stage("firmware")
        emulated = emulated_counterpart(self.task.board)
        boards = {board.name: board for board in (self.task.board, emulated) if board}
        images = {name: build_for(self.folder, board) for name, board in boards.items()}
        self.folder.record("firmware", {name: image_record(image) for name, image in images.items()})
        if emulated:
            count = min(self.task.effort.emulated_samples, len(self.task.dataset.test_labels))
            found = run_emulated(
                images[emulated.name],
                emulated,
                self.folder.model,
                self.task.dataset,
                count,
                self.task.request.seed,
                lambda done: self.listener.progress(done, count, "test images on the emulated board"),
            )
            self.folder.record("emulated", found)

    def _record_once(self, name: str, content: Mapping[str, Any]) -> None:
        """Records a stage that has just finished; a stage that a resumed run finds finished stays as it was,
        with the seconds that it took."""
        if name not in self.folder.read():
            self.folder.record(name, dict(content))


def _versions() -> dict[str, str]:
    """What the result depends on besides the request."""
    return {
        "mcu_nas": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
    }
