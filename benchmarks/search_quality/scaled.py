"""The arm without a search: scaled MobileNetV2, the best of a sweep by successive halving, trained on.

Jamieson and Talwalkar, AISTATS 2016: each round trains its candidates with equal compute and passes on the
best. The winner goes on from its weights of the last round with the other half of the budget.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from benchmarks.cells import Row, progress_line
from benchmarks.search_quality.candidates import Candidate
from benchmarks.search_quality.compute import TRAINING, evaluation_macs, steps_within
from benchmarks.search_quality.searched import network_figures
from benchmarks.search_quality.study import SearchQualityStudy
from mcu_nas.datasets.images import resize
from mcu_nas.files import replacing, write_bytes
from mcu_nas.graph import Graph
from mcu_nas.quantize.quantize import quantize_network
from mcu_nas.quantize.quantized_network import QuantizedNetwork, train_quantized
from mcu_nas.search.evaluation.evaluator import accuracy
from mcu_nas.search.task import SearchTask
from mcu_nas.search.verification import verify_accuracy
from mcu_nas.supernet.batch_norm import recalibrate
from mcu_nas.supernet.torch_network import TorchNetwork, predict
from mcu_nas.supernet.training import train_network
from mcu_nas.tflite.writer import serialize_tflite


@dataclass(frozen=True)
class ScaledArm:
    """Trials and last training of one seed, with ``budget`` MACs in all; files lie in ``work``."""

    study: SearchQualityStudy
    task: SearchTask
    budget: int
    work: Path

    def run_trial(self, number: int, chosen: int, rivals: int) -> dict[str, Any]:
        """Candidate ``chosen`` in round ``number`` (from 0) of so many: its row, with the loss on validation
        data."""
        candidate = self.study.scaled[chosen]
        images = len(self.task.splits.recalibration), len(self.task.splits.validation)
        scoring = evaluation_macs(candidate.needs.macs, *images)
        network, steps = self._train(
            candidate,
            self._before(number, chosen),
            self.budget // 2 // self.study.rounds // rivals - scoring,
            self.work / f"round{number}-{chosen:02d}.pt",
        )
        px = candidate.scaled.resolution
        recalibrate(network, self.task.calibration_images(px))
        validation, labels = self._validation(px)
        logits = predict(network, validation)
        with replacing(self._weights(number, chosen)) as temporary:
            torch.save(network.state_dict(), temporary)
        return {
            **self._description(candidate),
            "validation_loss": float(F.cross_entropy(logits, torch.from_numpy(labels))),
            "validation_accuracy": accuracy(logits.argmax(1).numpy(), labels),
            "compute": {"training": self._training_macs(candidate, steps), "evaluations": scoring},
            "steps": steps,
        }

    def run_last(self, chosen: int) -> dict[str, Any]:
        """Trains the winner on with half of the budget, exports and tests it; its row."""
        candidate = self.study.scaled[chosen]
        px, aware = candidate.scaled.resolution, self.study.effort.quantization_aware
        aware_macs = TRAINING * candidate.needs.macs * aware.steps * aware.batch if aware else 0
        network, steps = self._train(
            candidate,
            self._before(self.study.rounds, chosen),
            self.budget // 2 - aware_macs,
            self.work / "last.pt",
        )
        recalibrate(network, self.task.statistics_images(px))
        model = self.work / "scaled.tflite"
        write_bytes(model, serialize_tflite(self._quantized(network, px)))
        return {
            "accuracy": verify_accuracy(network, model, self.task.dataset, self.task.request.seed),
            **self._description(candidate),
            "compute": {"training": self._training_macs(candidate, steps), "quantization-aware": aware_macs},
            "steps": steps,
            "scratch": asdict(self.study.scratch),
        }

    def _quantized(self, network: TorchNetwork, px: int) -> Graph:
        """The int8 model, as the search makes its own (search/finishing.py)."""
        images, labels = self.task.calibration_images(px), self.task.dataset.labels
        schedule = self.study.effort.quantization_aware
        if schedule is None:
            return quantize_network(network, images, labels)
        quantized = QuantizedNetwork(network, images)
        checkpoint = self.work / "quantized.pt"
        train_quantized(
            quantized, self.task.feed(px), schedule, checkpoint=checkpoint, progress=progress_line()
        )
        return quantized.graph(labels)

    def _train(
        self, candidate: Candidate, weights: Path | None, budget: int, checkpoint: Path
    ) -> tuple[TorchNetwork, int]:
        """The candidate's network trained for what the budget of MACs pays for, and the steps taken."""
        network = TorchNetwork(candidate.network, seed=self.task.request.seed)
        if weights:
            network.load_state_dict(torch.load(weights, weights_only=True))
        steps = steps_within(budget, candidate.needs.macs, self.study.scratch.batch)
        train_network(
            network,
            self.task.feed(candidate.scaled.resolution),
            replace(self.study.scratch, steps=steps),
            checkpoint=checkpoint,
            progress=progress_line(),
        )
        return network, steps

    def _before(self, number: int, chosen: int) -> Path | None:
        """The weights with which a candidate comes into a round."""
        return self._weights(number - 1, chosen) if number else None

    def _weights(self, number: int, chosen: int) -> Path:
        return self.work / f"round{number}-{chosen:02d}-weights.pt"

    def _training_macs(self, candidate: Candidate, steps: int) -> int:
        return TRAINING * candidate.needs.macs * self.study.scratch.batch * steps

    def _validation(self, px: int) -> tuple[np.ndarray, np.ndarray]:
        data, chosen = self.task.dataset, self.task.splits.validation
        return resize(data.train_images[chosen], px), data.train_labels[chosen]

    def _description(self, candidate: Candidate) -> dict[str, Any]:
        return {
            "family": candidate.family,
            "network": {**asdict(candidate.scaled), "strides": list(candidate.scaled.strides)},
            **network_figures(candidate.network, self.task.constraints),
        }


def ranked(rows: Mapping[int, Row]) -> list[int]:
    """Candidates from the least validation loss on."""
    return sorted(rows, key=lambda chosen: (rows[chosen]["validation_loss"], chosen))
