"""The last stages of a search: from a chosen subnet to firmware.

    fine-tune ─► quantization-aware ─► export ─► test accuracy ─► firmware

The subnet may come from the search of this very folder, from another run's supernet, or from a run's front:
the folder's section ``winner`` says which it is. The test set is looked at once, after the export
(search/verification.py).
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from torch import Tensor

from mcu_nas.compiler.export import write_exports
from mcu_nas.cost.board_program import load_program_for
from mcu_nas.cost.estimate import latency
from mcu_nas.datasets.images import resize
from mcu_nas.devices.session import emulated_counterpart
from mcu_nas.files import write_bytes, write_text
from mcu_nas.graph import Graph
from mcu_nas.quantize.quantize import quantize_network
from mcu_nas.quantize.quantized_network import QuantizedNetwork, train_quantized
from mcu_nas.search.evaluation.evaluator import accuracy
from mcu_nas.search.exploration.history import Evaluation
from mcu_nas.search.listener import Listener, TrainingProgress
from mcu_nas.search.run.curve import Curve
from mcu_nas.search.run.run_folder import RunFolder
from mcu_nas.search.task import SearchTask
from mcu_nas.search.verification import build_for, image_record, run_emulated, verify_accuracy
from mcu_nas.spaces.architecture import Architecture
from mcu_nas.supernet.batch_norm import recalibrate
from mcu_nas.supernet.schedule import Schedule
from mcu_nas.supernet.supernet import Supernet
from mcu_nas.supernet.torch_network import TorchNetwork, predict
from mcu_nas.supernet.training import train_network
from mcu_nas.tflite.writer import serialize_tflite

CURVE_POINTS = 20  # of the accuracy against time


@dataclass(frozen=True)
class Finishing:
    """The last stages of one task, in a run folder."""

    folder: RunFolder
    task: SearchTask
    listener: Listener

    def run(self, supernet: Supernet, chosen: Architecture) -> None:
        """All of them, from the first unfinished one on."""
        network = self._fine_tune(supernet, chosen)
        self._export(self._quantize(network, chosen), chosen)
        self._verify(network)
        self._build()

    def _fine_tune(self, supernet: Supernet, chosen: Architecture) -> TorchNetwork:
        self.listener.stage("fine-tune")
        network, schedule = supernet.subnet(chosen), self.task.effort.fine_tune
        resolution, epoch = chosen.integer("resolution"), len(self.task.splits.train)
        progress = TrainingProgress(self.listener, [(schedule.steps, schedule.batch)], epoch)
        curve = self._curve(network, resolution)

        def after_step(done: int, total: int, loss: float) -> None:
            progress(done, total, loss)
            curve(done, total)

        train_network(
            network,
            self.task.feed(resolution),
            schedule,
            checkpoint=self.folder.checkpoints / "winner.pt",
            progress=after_step,
        )
        seconds = curve.finish(schedule.steps)
        recalibrate(network, self.task.statistics_images(resolution))
        self.folder.record_once("fine_tune", training_record([schedule], epoch, seconds))
        return network

    def _curve(self, network: TorchNetwork, resolution: int) -> Curve:
        """Validation accuracy of the network while it trains, CURVE_POINTS times."""
        data, chosen = self.task.dataset, self.task.splits.validation
        images, labels = resize(data.train_images[chosen], resolution), data.train_labels[chosen]
        recalibration = self.task.calibration_images(resolution)

        def measure() -> float:
            recalibrate(network, recalibration)
            found = accuracy(predict(network, images).argmax(1).numpy(), labels)
            network.train()
            return found

        schedule = self.task.effort.fine_tune
        return Curve(self.folder, measure, max(1, schedule.steps // CURVE_POINTS), schedule.batch)

    def _quantize(self, network: TorchNetwork, chosen: Architecture) -> Graph:
        """The int8 model, trained on as such where the effort says so."""
        resolution, labels = chosen.integer("resolution"), self.task.dataset.labels
        images, schedule = self.task.calibration_images(resolution), self.task.effort.quantization_aware
        if schedule is None:
            return quantize_network(network, images, labels)
        self.listener.stage("quantization-aware")
        began, epoch = time.monotonic(), len(self.task.splits.train)
        quantized = QuantizedNetwork(network, images)

        def float_logits(batch: np.ndarray) -> Tensor:
            return predict(network, batch, len(batch))

        train_quantized(
            quantized,
            self.task.feed(resolution),
            schedule,
            teacher=float_logits if schedule.distillation else None,
            checkpoint=self.folder.checkpoints / "quantized.pt",
            progress=TrainingProgress(self.listener, [(schedule.steps, schedule.batch)], epoch),
        )
        seconds = time.monotonic() - began
        self.folder.record_once("quantization_aware", training_record([schedule], epoch, seconds))
        return quantized.graph(labels)

    def _export(self, graph: Graph, chosen: Architecture) -> None:
        self.listener.stage("export")
        resolution = chosen.integer("resolution")
        graph = replace(graph, image_input=self.task.dataset.image_input(resolution, resolution))
        write_text(self.folder.architecture, json.dumps(dict(chosen.choices), indent=2) + "\n")
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


def training_record(phases: Sequence[Schedule], epoch: int, seconds: float | None) -> dict[str, Any]:
    """A training's section of run.json; ``epoch``: the images of one."""
    images = sum(phase.steps * phase.batch for phase in phases)
    return {
        "epochs": images / epoch,
        "steps": sum(phase.steps for phase in phases),
        "images": images,
        "seconds": seconds,
    }


def winner_record(task: SearchTask, chosen: Evaluation) -> dict[str, Any]:
    """Section ``winner`` of run.json: an evaluated architecture, what it needs, how it was scored."""
    estimate = latency(chosen.instructions, task.constraints.profile, task.board.clock_hz)
    return {
        "architecture": dict(chosen.architecture.choices),
        "macs": chosen.macs,
        "weights_bytes": chosen.weights_bytes,
        "peak_bytes": chosen.peak_bytes,
        "flash_bytes": chosen.flash_bytes,
        "instructions": chosen.instructions,
        "latency": {"kind": "estimated", **asdict(estimate)},
        "validation_loss": chosen.loss,
        "validation_accuracy": chosen.accuracy,
    }
