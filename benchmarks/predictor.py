"""Does the accuracy predictor find the same front with a fifth of the evaluations? Runs missing cells.

    python benchmarks/predictor.py                      # cells that predictor.jsonl lacks, then the table
    python benchmarks/predictor.py --cell screened/nsga2/seed1
    python benchmarks/predictor.py --table              # the table alone

Cells: ``supernet`` trains a small one on Fashion-MNIST; ``plain/STRATEGY/seedS`` evaluates BUDGET of its
subnets; ``screened/STRATEGY/seedS`` a fifth as many, which the predictor chose. A front of loss against
instructions is measured by the share of a rectangle that it dominates, once by the losses that the search
saw, once by those of its front's members on other images.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np

from benchmarks.cells import Results, Row, progress_line, run_study, study_parser
from mcu_nas.boards import load_board
from mcu_nas.cost.constraints import Constraints, constraints_for
from mcu_nas.datasets.catalogue import load_dataset
from mcu_nas.datasets.images import resize
from mcu_nas.datasets.splits import Splits, split
from mcu_nas.search.evaluation.evaluator import SharedWeights
from mcu_nas.search.exploration.feasible import FeasibleCandidates, feasible_sampler
from mcu_nas.search.exploration.history import Evaluation, History, best
from mcu_nas.search.exploration.loop import explore, seen_by
from mcu_nas.search.exploration.pareto import non_dominated
from mcu_nas.search.exploration.screen import Screen, predictor_record
from mcu_nas.search.strategies.evolution import Evolution
from mcu_nas.search.strategies.nsga2 import Nsga2
from mcu_nas.search.strategies.strategy import Strategy
from mcu_nas.spaces.space import Space, mbconv_space
from mcu_nas.supernet.feed import Feed
from mcu_nas.supernet.schedule import Schedule, SupernetSchedule
from mcu_nas.supernet.supernet import Supernet
from mcu_nas.supernet.training import train_supernet

RESULTS = Path(__file__).with_suffix(".jsonl")
WORK = Path(__file__).parents[1] / "build" / "predictor"
RESOLUTION, WIDTH, LATENCY_MS = 20, 0.5, 16.0
BUDGET, FEWER = 400, 80  # evaluations without and with the predictor
POPULATION, PARENTS, START = 40, 10, 20
SEEDS = range(5)
STRATEGIES = ("nsga2",)
VALIDATION, HOLDOUT, RECALIBRATION = 1000, 4000, 256
SCHEDULE = SupernetSchedule(
    largest=Schedule(steps=100, batch=128, learning_rate=0.4, weight_decay=5e-4),
    sampled=Schedule(steps=900, batch=128, learning_rate=0.4, weight_decay=5e-4),
)
MEASURES = ("dominated", "dominated_holdout", "best_loss", "best_holdout_loss")
T_90 = {1: 6.314, 2: 2.920, 3: 2.353, 4: 2.132}  # Student's t, 95 % quantile, by degrees of freedom
WORST_LOSS = 0.6  # corner of the rectangle whose dominated share is measured; the other corner is the origin


def main(arguments: list[str] | None = None) -> None:
    """Runs what the command line asks for."""
    parser = study_parser(__doc__.splitlines()[0])
    parser.add_argument("--table", action="store_true", help="print the table of what is there, run nothing")
    options = parser.parse_args(arguments)
    if options.smoke:
        parser.error("there is no short version: a cell takes about a minute")
    results = Results(options.results or RESULTS)
    if not options.table:
        work = options.work or WORK
        again = [__file__, "--work", str(work), "--results", str(results.path)]
        run_study(options, results, plan, Cells(work).run, again)
    if not (options.cell or options.list):
        print("\n".join(table(results.rows())))


def plan(rows: Mapping[str, Row]) -> Sequence[str]:
    """The supernet first, since all others evaluate its subnets."""
    if "supernet" not in rows:
        return ["supernet"]
    ways = ("plain", "screened")
    return [f"{way}/{name}/seed{seed}" for name in STRATEGIES for seed in SEEDS for way in ways]


@dataclass(frozen=True)
class TwoObjectives(Nsga2):
    """NSGA-II over loss and instructions alone, the two that are measured here."""

    def values(self, evaluations: Sequence[Evaluation]) -> np.ndarray:
        """Float64 (N, 2)."""
        return _plane(evaluations)


class Cells:
    """The cells, with the supernet's checkpoint in ``work``. Subnets are evaluated once a process."""

    def __init__(self, work: Path) -> None:
        self.work = work
        self.space: Space = mbconv_space(28, 1, 10, (RESOLUTION,), (WIDTH,))
        board = load_board("stm32f746g-disco")
        self.constraints: Constraints = constraints_for(board, latency_ms=LATENCY_MS)
        self.candidates = FeasibleCandidates(self.space, self.constraints)
        self.data = load_dataset("fashion-mnist")

    def run(self, cell: str) -> Row:
        """The row of one cell."""
        match cell.split("/"):
            case ["supernet"]:
                return self._describe_supernet()
            case ["plain" | "screened" as way, name, seed]:
                return self._search(way, name, int(seed.removeprefix("seed")))
        sys.exit(f"no such cell: {cell}; --list names those that can run")

    @cached_property
    def _splits(self) -> Splits:
        sizes = {"recalibration": RECALIBRATION, "validation": VALIDATION, "holdout": HOLDOUT}
        return split(self.data.train_labels, **sizes, seed=0)

    @cached_property
    def _supernet(self) -> Supernet:
        """Trained, or from its checkpoint where that is finished."""
        images, labels = self.data.train_images, self.data.train_labels
        train = self._splits.train
        supernet = Supernet(self.space, seed=0)
        train_supernet(
            supernet,
            Feed(resize(images[train], RESOLUTION), labels[train], 0, self.data.mirrorable),
            SCHEDULE,
            checkpoint=self.work / "supernet.pt",
            sample=feasible_sampler(self.space, self.constraints),
            progress=progress_line(),
        )
        return supernet

    def _evaluator(self, indices: np.ndarray) -> SharedWeights:
        images, labels = self.data.train_images, self.data.train_labels
        return SharedWeights(
            self._supernet, images[self._splits.recalibration], images[indices], labels[indices]
        )

    @cached_property
    def _validation(self) -> SharedWeights:
        return self._evaluator(self._splits.validation)

    @cached_property
    def _holdout(self) -> SharedWeights:
        return self._evaluator(self._splits.holdout)

    def _describe_supernet(self) -> Row:
        """Trains it; what random search finds in it says how hard the task is."""
        rng = np.random.default_rng(0)
        drawn = self.candidates.gather(lambda n: [self.space.sample(rng) for _ in range(n)], 50)
        losses = [self._validation.score(architecture).loss for architecture in drawn]
        return {
            "schedule": str(SCHEDULE),
            "architectures": self.space.count(),
            "fitting": len(drawn) / (len(drawn) + self.candidates.rejected),
            "random_losses": {"best": min(losses), "mean": mean(losses), "worst": max(losses)},
        }

    def _search(self, way: str, name: str, seed: int) -> Row:
        strategies: dict[str, Strategy] = {
            "nsga2": TwoObjectives(self.space, POPULATION),
            "evolution": Evolution(self.space, POPULATION, PARENTS),
        }
        screened = way == "screened"
        with tempfile.TemporaryDirectory() as folder:
            history = History(Path(folder) / "search.sqlite")
            explore(
                strategies[name],
                name,
                self.candidates,
                history,
                lambda architectures, log: map(self._validation.score, architectures),
                start=START if screened else POPULATION,
                evaluations=FEWER if screened else BUDGET,
                seed=seed,
                gather=Screen(self.candidates).gather if screened else None,
                control=False,
            )
            log = seen_by(name, history)
            history.close()
        return {**self._judge(log), "predictor": predictor_record(self.space, log, seed)}

    def _judge(self, log: Sequence[Evaluation]) -> dict[str, Any]:
        """The log's front and best, as the search saw them and on other images; and the front's growth."""
        (leader,) = best(log, 1)
        members = [log[i] for i in non_dominated(_plane(log))]
        unseen = [self._holdout.score(member.architecture).loss for member in members]
        elsewhere = np.array([(loss, e.instructions) for loss, e in zip(unseen, members, strict=True)])
        return {
            "evaluations": len(log),
            "best_loss": leader.loss,
            "best_holdout_loss": self._holdout.score(leader.architecture).loss,
            "front": len(members),
            "dominated": self._dominated(_plane(log)),
            "dominated_holdout": self._dominated(elsewhere),
            "growth": [
                (n, self._dominated(_plane(log[:n])), best(log[:n], 1)[0].loss)
                for n in range(START, len(log) + 1, START)
            ],
        }

    def _dominated(self, points: np.ndarray) -> float:
        """Share of the rectangle from the origin to (WORST_LOSS, the limit of instructions) that (loss,
        instructions) points (N, 2) dominate."""
        limit = self.constraints.instruction_limit
        assert limit is not None
        area, reached = 0.0, WORST_LOSS
        for loss, instructions in points[np.argsort(points[:, 1], kind="stable")]:
            if loss < reached:
                area += (reached - loss) * (limit - instructions)
                reached = loss
        return area / (WORST_LOSS * limit)


def _plane(log: Sequence[Evaluation]) -> np.ndarray:
    return np.array([(e.loss, e.instructions) for e in log], dtype=np.float64)


def table(rows: Mapping[str, Row]) -> list[str]:
    """Per strategy, over the seeds that both ways have: means, paired differences with their 90 % interval,
    and after how many evaluations the search without a predictor has come as far."""
    lines = []
    for name in STRATEGIES:
        pairs = [(f"plain/{name}/seed{seed}", f"screened/{name}/seed{seed}") for seed in SEEDS]
        found = [
            (rows[plain], rows[screened]) for plain, screened in pairs if {plain, screened} <= rows.keys()
        ]
        if len(found) > 1:
            lines += ["", f"{name}, {len(found)} seeds: {BUDGET} evaluations -> {FEWER} screened"]
            lines += [_comparison(key, found) for key in MEASURES]
            lines.append(f"  plain search came as far after {_caught_up(found)}")
            taus = [screened["predictor"]["kendall_tau"] for _, screened in found]
            by_macs = [screened["predictor"]["kendall_tau_of_macs"] for _, screened in found]
            errors = [screened["predictor"]["mean_absolute_error"] for _, screened in found]
            lines.append(
                f"  held-out tau {mean(taus):.2f} (MACs: {mean(by_macs):.2f}), mean error {mean(errors):.4f}"
            )
    return lines


def _comparison(key: str, found: Sequence[tuple[Row, Row]]) -> str:
    before, after = ([row[key] for row in column] for column in zip(*found, strict=True))
    differences = [b - a for a, b in zip(before, after, strict=True)]
    half = T_90[len(found) - 1] * stdev(differences) / len(found) ** 0.5
    return (
        f"  {key:18} {mean(before):.4f} -> {mean(after):.4f},"
        f" difference {mean(differences):+.4f} ± {half:.4f}"
    )


def _caught_up(found: Sequence[tuple[Row, Row]]) -> str:
    """The evaluations after which the mean dominated share without a predictor reaches that with it."""
    reached = mean(screened["dominated"] for _, screened in found)
    for points in zip(*(plain["growth"] for plain, _ in found), strict=True):
        if mean(share for _, share, _ in points) >= reached:
            return f"{points[0][0]} evaluations"
    return f"more than {BUDGET} evaluations"


if __name__ == "__main__":
    main()
