"""Does a supernet rank networks as training each alone would? Runs the cells that results.jsonl lacks.

    python benchmarks/ranking/run.py --jobs 2        # all that is missing, two processes at a time
    python benchmarks/ranking/run.py --cell alone/budget/03/seed1
    python benchmarks/ranking/summary.py             # tables and plot

Cells: ``supernet`` trains one supernet over the space; ``shared/SET`` scores a set's networks with its
weights, batch norms recalibrated; ``adapted/SET`` after a few steps of training each besides;
``alone/SET/N/seedS`` trains one of them from scratch.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional as F

from benchmarks.cells import Row, progress_line, run_whole_study, study_parser
from benchmarks.ranking.study import FULL, SETS, SMOKE, RankingStudy
from mcu_nas.datasets.images import resize
from mcu_nas.search.evaluation.adaptation import Adaptation
from mcu_nas.search.evaluation.evaluator import SharedWeights, accuracy
from mcu_nas.spaces.architecture import Architecture
from mcu_nas.supernet.batch_norm import recalibrate
from mcu_nas.supernet.supernet import Supernet
from mcu_nas.supernet.torch_network import TorchNetwork, predict
from mcu_nas.supernet.training import train_network, train_supernet

RESULTS = Path(__file__).with_name("results.jsonl")


def main(arguments: list[str] | None = None) -> None:
    """Runs what the command line asks for."""
    options = study_parser(__doc__.splitlines()[0]).parse_args(arguments)
    study = SMOKE if options.smoke else FULL
    run_whole_study(options, Path(__file__), lambda work: RankingCells(study, work))


@dataclass(frozen=True)
class RankingCells:
    """The cells of a study, with their checkpoints in ``work``."""

    study: RankingStudy
    work: Path

    def plan(self, rows: Mapping[str, Row]) -> list[str]:
        """The supernet first, as all scores wait for it; then what needs it, then trainings alone."""
        if "supernet" not in rows:
            return ["supernet"]
        alone = [
            f"alone/{drawn_as}/{number:02d}/seed{seed}"
            for seed in self.study.alone_seeds
            for drawn_as in SETS
            for number in range(self.study.networks)
        ]
        scored = [f"{kind}/{drawn_as}" for kind in ("shared", "adapted") for drawn_as in SETS]
        return [*scored, *alone]

    def run(self, cell: str) -> Row:
        """The row of one cell."""
        match cell.split("/"):
            case ["supernet"]:
                return self._train_supernet()
            case ["shared", drawn_as]:
                return self._score(drawn_as, None)
            case ["adapted", drawn_as]:
                study = self.study
                adaptation = Adaptation.of(study.adapted, study.dataset, study.splits.train, study.seed)
                return {**self._score(drawn_as, adaptation), "schedule": str(study.adapted)}
            case ["alone", drawn_as, number, seed]:
                architecture = self.study.networks_drawn[drawn_as][int(number)]
                return self._train_alone(cell, architecture, int(seed.removeprefix("seed")))
        sys.exit(f"no such cell: {cell}; --list names those that can run")

    def _train_supernet(self) -> Row:
        self._supernet()
        phases = (self.study.supernet.largest, self.study.supernet.sampled)
        return {
            "schedule": str(self.study.supernet),
            "images": sum(phase.steps * phase.batch for phase in phases),
            "positions": {name: list(options) for name, options in self.study.space.options.items()},
            "largest_macs": self.study.macs(self.study.space.largest()),
        }

    def _supernet(self) -> Supernet:
        """The trained supernet, from its checkpoint where that is finished."""
        study = self.study
        supernet = Supernet(study.space, seed=study.seed)
        feed = study.feed(max(int(r) for r in study.space.options["resolution"]), study.seed)
        checkpoint = self.work / "supernet.pt"
        train_supernet(supernet, feed, study.supernet, checkpoint=checkpoint, progress=progress_line())
        return supernet

    def _score(self, drawn_as: str, adaptation: Adaptation | None) -> Row:
        supernet, study = self._supernet(), self.study
        evaluators = {
            judge: SharedWeights(supernet, study.recalibration, images, labels, adaptation)
            for judge, (images, labels) in study.judges().items()
        }
        networks = []
        for architecture in study.networks_drawn[drawn_as]:
            found = {judge: evaluator.score(architecture) for judge, evaluator in evaluators.items()}
            networks.append({judge: {"loss": s.loss, "accuracy": s.accuracy} for judge, s in found.items()})
        return {"networks": networks}

    def _train_alone(self, cell: str, architecture: Architecture, seed: int) -> Row:
        study, resolution = self.study, architecture.integer("resolution")
        network = TorchNetwork(study.space.lower(architecture), seed=seed)
        checkpoint = self.work / f"{cell.replace('/', '-')}.pt"
        feed = study.feed(resolution, seed)
        train_network(network, feed, study.alone, checkpoint=checkpoint, progress=progress_line())
        recalibrate(network, resize(study.recalibration, resolution))
        scores: dict[str, Any] = {}
        for judge, (images, labels) in study.judges().items():
            logits = predict(network, resize(images, resolution))
            loss = float(F.cross_entropy(logits, torch.from_numpy(labels)))
            scores[judge] = {"loss": loss, "accuracy": accuracy(logits.argmax(1).numpy(), labels)}
        checkpoint.unlink(missing_ok=True)
        return {
            "architecture": dict(architecture.choices),
            "macs": study.macs(architecture),
            "schedule": str(study.alone),
            **scores,
        }


if __name__ == "__main__":
    main()
