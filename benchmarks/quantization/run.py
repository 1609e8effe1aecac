"""What int8 costs small networks, and what wins it back. Runs the cells that results.jsonl lacks.

    python benchmarks/quantization/run.py            # all that is missing: about 15 minutes of one core
    python benchmarks/quantization/run.py --cell mobile-5k-relu/aware
    python benchmarks/quantization/summary.py        # the tables

A cell is NETWORK/METHOD. ``float`` trains the network; the others start from its checkpoint and are judged
on the 10,000 test images of Fashion-MNIST, which chose nothing.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.cells import Row, progress_line, run_whole_study, study_parser
from benchmarks.quantization.networks import NETWORKS
from benchmarks.quantization.post_training import (
    ChooseRange,
    correct_biases,
    equalized,
    extremes,
    percentile,
    ranges_by,
)
from mcu_nas.datasets.catalogue import load_dataset
from mcu_nas.datasets.dataset import Dataset
from mcu_nas.quantize.quantized_network import QuantizedNetwork, train_quantized
from mcu_nas.search.evaluation.evaluator import accuracy
from mcu_nas.supernet.batch_norm import recalibrate
from mcu_nas.supernet.feed import Feed
from mcu_nas.supernet.losses import Classifier
from mcu_nas.supernet.schedule import Schedule
from mcu_nas.supernet.torch_network import TorchNetwork, predict, weighted_steps
from mcu_nas.supernet.training import train_network

RESULTS = Path(__file__).with_name("results.jsonl")

RANGES: Mapping[str, ChooseRange] = {
    "extremes": extremes,
    "percentile-99.9": percentile(99.9),
    "percentile-99.99": percentile(99.99),
}
METHODS = (
    "float",
    "least-error",
    "aware",
    "aware-taught",
    "float-longer",
    *RANGES,
    "bias-correction",
    "equalization",
)


@dataclass(frozen=True)
class QuantizationStudy:
    """Sizes of everything. Images are counted from the front of the training images, which are shuffled."""

    train: Schedule
    longer: Schedule  # for as many steps as ``aware``, at the rate that batch norm allows
    aware: Schedule
    taught: Schedule
    data: str = "fashion-mnist"
    statistics_images: int = 5_120
    calibration_images: int = 512
    seed: int = 1


_TRAIN = Schedule(steps=1500, batch=128, learning_rate=0.4, weight_decay=1e-4, label_smoothing=0.0)


def _longer(steps: int, learning_rate: float, distillation: float = 0.0) -> Schedule:
    return Schedule(
        steps,
        128,
        learning_rate,
        warmup_steps=20,
        weight_decay=1e-4,
        label_smoothing=0.0,
        distillation=distillation,
    )


FULL = QuantizationStudy(_TRAIN, _longer(300, 0.05), _longer(300, 0.005), _longer(300, 0.005, 0.5))
SMOKE = QuantizationStudy(_longer(2, 0.1), _longer(2, 0.05), _longer(2, 0.005), _longer(2, 0.005, 0.5))


def main(arguments: list[str] | None = None) -> None:
    """Runs what the command line asks for."""
    options = study_parser(__doc__.splitlines()[0]).parse_args(arguments)
    study = SMOKE if options.smoke else FULL
    run_whole_study(options, Path(__file__), lambda work: QuantizationCells(study, work))


@dataclass(frozen=True)
class QuantizationCells:
    """The cells of a study, with their checkpoints in ``work``."""

    study: QuantizationStudy
    work: Path

    def plan(self, rows: Mapping[str, Row]) -> list[str]:
        """Networks in order; a network's other cells once it is trained."""
        ready = [name for name in NETWORKS if f"{name}/float" in rows]
        waiting = [f"{name}/float" for name in NETWORKS if name not in ready]
        return [
            *(f"{name}/{method}" for name in ready for method in METHODS if _applies(name, method)),
            *waiting,
        ]

    def run(self, cell: str) -> Row:
        """The row of one cell."""
        name, _, method = cell.partition("/")
        if name not in NETWORKS or method not in METHODS:
            sys.exit(f"no such cell: {cell}; --list names those that can run")
        network = self._trained(name)
        reference = predict(network, self.data.test_images)
        weights = sum(int(np.prod(step.weight_shape)) for step in weighted_steps(network.steps))
        row = {"weights": weights, "study": str(self.study)}
        if method == "float":
            return {**row, **self._score(reference)}
        if method == "float-longer":
            longer = self._trained_longer(network)
            scores = self._score(predict(longer, self.data.test_images))
            found = self._logits(QuantizedNetwork(longer, self._calibration))
            return {**row, **scores, "int8": self._score(found)}
        found = self._logits(self._quantized(network, method))
        difference = float(((found - reference) ** 2).mean())
        return {**row, **self._score(found), "squared_difference": difference}

    def _quantized(self, network: TorchNetwork, method: str) -> QuantizedNetwork:
        if method in RANGES:
            with ranges_by(RANGES[method]):
                return QuantizedNetwork(network, self._calibration)
        if method == "equalization":
            return QuantizedNetwork(equalized(network), self._calibration)
        quantized = QuantizedNetwork(network, self._calibration)
        if method == "bias-correction":
            correct_biases(network, quantized, self._calibration)
        elif method == "aware":
            train_quantized(quantized, self._feed(2), self.study.aware, progress=progress_line())
        elif method == "aware-taught":
            teacher: Classifier = lambda images: predict(network, images, len(images))  # noqa: E731
            train_quantized(
                quantized, self._feed(2), self.study.taught, teacher=teacher, progress=progress_line()
            )
        return quantized

    def _trained(self, name: str) -> TorchNetwork:
        """From its checkpoint where that is finished."""
        network = TorchNetwork(NETWORKS[name](), seed=self.study.seed)
        checkpoint = self.work / f"{name}.pt"
        train_network(
            network, self._feed(1), self.study.train, checkpoint=checkpoint, progress=progress_line()
        )
        recalibrate(network, self.data.train_images[: self.study.statistics_images])
        return network

    def _trained_longer(self, network: TorchNetwork) -> TorchNetwork:
        longer = copy.deepcopy(network)
        train_network(longer, self._feed(2), self.study.longer, progress=progress_line())
        recalibrate(longer, self.data.train_images[: self.study.statistics_images])
        return longer

    def _logits(self, quantized: QuantizedNetwork) -> Tensor:
        """float (N, classes) of the int8 model for the test images."""
        quantization = quantized.quantization[quantized.network.outputs[0]]
        outputs = torch.from_numpy(quantized.outputs(self.data.test_images)).float()
        return (outputs - quantization.zero_point) * quantization.scale

    def _score(self, logits: Tensor) -> dict[str, float]:
        labels = self.data.test_labels
        loss = float(F.cross_entropy(logits, torch.from_numpy(labels)))
        return {"accuracy": accuracy(logits.argmax(1).numpy(), labels), "loss": loss}

    def _feed(self, stream: int) -> Feed:
        """Batches in an order of their own for each ``stream``."""
        data = self.data
        return Feed(data.train_images, data.train_labels, self.study.seed * 10 + stream, data.mirrorable)

    @cached_property
    def data(self) -> Dataset:
        """All images, as they are."""
        return load_dataset(self.study.data)

    @property
    def _calibration(self) -> np.ndarray:
        return self.data.train_images[: self.study.calibration_images]


def _applies(name: str, method: str) -> bool:
    return method != "equalization" or not name.endswith("relu6")


if __name__ == "__main__":
    main()
