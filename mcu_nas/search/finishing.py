"""The last stages of a search: from a chosen subnet to firmware.

    fine-tune ─► export ─► test accuracy ─► firmware

The subnet may come from the search of this very folder, from another run's supernet, or from a run's front:
the folder's section ``winner`` says which it is. The test set is looked at once, after the export
(search/verification.py).
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import Any

from mcu_nas.compiler.export import write_exports
from mcu_nas.cost.board_program import load_program_for
from mcu_nas.cost.estimate import latency
from mcu_nas.devices.session import emulated_counterpart
from mcu_nas.files import write_bytes, write_text
from mcu_nas.quantize.quantize import quantize_network
from mcu_nas.search.history import Evaluation
from mcu_nas.search.listener import Listener
from mcu_nas.search.run_folder import RunFolder
from mcu_nas.search.task import SearchTask
from mcu_nas.search.verification import build_for, image_record, run_emulated, verify_accuracy
from mcu_nas.spaces.architecture import Architecture
from mcu_nas.supernet.batch_norm import recalibrate
from mcu_nas.supernet.supernet import Supernet
from mcu_nas.supernet.torch_network import TorchNetwork
from mcu_nas.supernet.training import train_network
from mcu_nas.tflite.writer import serialize_tflite


@dataclass(frozen=True)
class Finishing:
    """The last stages of one task, in a run folder."""

    folder: RunFolder
    task: SearchTask
    listener: Listener

    def run(self, supernet: Supernet, chosen: Architecture) -> None:
        """All of them, from the first unfinished one on."""
        network = self._fine_tune(supernet, chosen)
        self._export(network, chosen)
        self._verify(network)
        self._build()

    def _fine_tune(self, supernet: Supernet, chosen: Architecture) -> TorchNetwork:
        self.listener.stage("fine-tune")
        network = supernet.subnet(chosen)
        train_network(
            network,
            self.task.feed(chosen.integer("resolution")),
            self.task.effort.fine_tune,
            checkpoint=self.folder.checkpoints / "winner.pt",
            progress=lambda done, total, loss: self.listener.progress(done, total, f"loss {loss:.2f}"),
        )
        recalibrate(network, self.task.statistics_images(chosen.integer("resolution")))
        return network

    def _export(self, network: TorchNetwork, chosen: Architecture) -> None:
        self.listener.stage("export")
        images = self.task.calibration_images(chosen.integer("resolution"))
        graph = quantize_network(network, images, self.task.dataset.labels)
        graph = replace(graph, image_input=self.task.dataset.image_input(*images.shape[1:3]))
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
