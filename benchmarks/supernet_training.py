"""Which rule trains a supernet best for the same computation? Runs cells that supernet_training.jsonl lacks.

    python benchmarks/supernet_training.py             # every missing cell, then the table
    python benchmarks/supernet_training.py --table

Fashion-MNIST networks with a planned peak of 16 KiB and 64 KiB of weights at most. Each rule gets BUDGET
multiply-accumulates (three times a network's MACs for each image it trains on), hence its own number of
steps. Judged by what a search needs of a supernet: the validation losses of
NETWORKS random feasible subnets, the same for every rule, batch norms recalibrated. About four minutes of
two cores a cell.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.cells import Results, Row, progress_line
from mcu_nas.search.effort import QUICK
from mcu_nas.search.exploration.feasible import feasible_sampler
from mcu_nas.search.request import SearchRequest
from mcu_nas.search.task import SearchTask
from mcu_nas.spaces.architecture import Architecture
from mcu_nas.supernet.schedule import Schedule, SupernetSchedule
from mcu_nas.supernet.subnet_losses import POOL, SubnetLosses
from mcu_nas.supernet.supernet import Supernet
from mcu_nas.supernet.training import train_supernet

RESULTS = Results(Path(__file__).with_suffix(".jsonl"))
CHECKPOINTS = Path("build/supernet_training")
BUDGET = 1_500_000_000_000
NETWORKS = 24
DRAWN = 200
TRAINING = 3  # passes' worth of MACs an image
BASE = Schedule(steps=0, batch=256, learning_rate=0.8, weight_decay=5e-4, mirror=True)
TAUGHT = replace(BASE, distillation=1.0)
RULES: dict[str, SupernetSchedule] = {
    "single": SupernetSchedule(BASE, BASE),
    "sandwich": SupernetSchedule(BASE, TAUGHT, sandwich=2),
    "largest first, single": SupernetSchedule(replace(BASE, steps=1), BASE),
    "single, averaged": SupernetSchedule(BASE, replace(BASE, averaging=0.99)),
    "single, progressive": SupernetSchedule(BASE, BASE, progressive=True),
    "sandwich, quarter of the batch": SupernetSchedule(BASE, replace(TAUGHT, batch=64), sandwich=2),
    "sandwich, no teacher": SupernetSchedule(BASE, BASE, sandwich=2),
    "single, half the batch": SupernetSchedule(BASE, replace(BASE, batch=128)),
}
LARGEST_SHARE = 0.1  # of the budget, where the largest network is trained first
SEEDS = (1,)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--table", action="store_true", help="print the table alone")
    options = parser.parse_args()
    torch.set_num_threads(2)
    for rule in () if options.table else RULES:
        for seed in SEEDS:
            cell = f"{rule}/seed{seed}"
            if cell not in RESULTS.rows():
                print(cell, flush=True)
                RESULTS.append(cell, run(rule, seed))
    print(table())


@cache
def task(seed: int) -> SearchTask:
    """The search whose supernet is trained."""
    request = SearchRequest(
        board="stm32f746g-disco",
        data="fashion-mnist",
        effort="supernet-training",
        seed=seed,
        threads=2,
        sram_bytes=16_384,
        weights_bytes=65_536,
    )
    return SearchTask(request, replace(QUICK, largest_macs=None, validation_images=5_000))


def run(rule: str, seed: int) -> Row:
    """Trains one supernet; its row."""
    found, networks = task(seed), judged(seed)
    supernet = Supernet(found.space, seed=seed)
    schedule = affordable(RULES[rule], found, supernet)
    CHECKPOINTS.mkdir(parents=True, exist_ok=True)
    train_supernet(
        supernet,
        found.feed(found.stage_one.chosen.resolution),
        schedule,
        checkpoint=CHECKPOINTS / f"{rule.replace(', ', '-').replace(' ', '-')}-{seed}.pt",
        sample=feasible_sampler(found.space, found.constraints),
        progress=progress_line(),
    )
    evaluator = found.evaluator(supernet, found.splits.validation)
    scores = [evaluator.score(architecture) for architecture in networks]
    largest = evaluator.score(found.space.largest())
    return {
        "steps": schedule.sampled.steps,
        "losses": [score.loss for score in scores],
        "accuracies": [score.accuracy for score in scores],
        "largest_accuracy": largest.accuracy,
    }


def affordable(rule: SupernetSchedule, found: SearchTask, supernet: Supernet) -> SupernetSchedule:
    """The rule with as many steps as the budget pays for."""
    share, steps = (LARGEST_SHARE, 0) if rule.largest.steps else (0.0, 0)
    if share:
        largest = supernet.macs(found.space.largest())
        steps = int(share * BUDGET / (TRAINING * largest * rule.largest.batch))
    image = macs_of_an_image(rule, found, supernet)
    sampled = int((1 - share) * BUDGET / (image * rule.sampled.batch))
    return replace(
        rule, largest=replace(rule.largest, steps=steps), sampled=replace(rule.sampled, steps=sampled)
    )


def macs_of_an_image(rule: SupernetSchedule, found: SearchTask, supernet: Supernet) -> float:
    """Mean MACs that the rule spends on an image, over a schedule of DRAWN steps."""
    schedule = replace(rule, sampled=replace(rule.sampled, steps=DRAWN))
    subnets = SubnetLosses(supernet, schedule, feasible_sampler(found.space, found.constraints))
    rng, spent = np.random.default_rng(0), []
    for step in range(DRAWN):
        if not rule.sandwich:
            spent.append(supernet.macs(subnets.draw(step, rng)))
            continue
        pool = sorted(supernet.macs(subnets.draw(step, rng)) for _ in range(POOL))
        spent.append(pool[0] + pool[-1] + rule.sandwich * float(np.mean(pool[1:-1])))
    return TRAINING * float(np.mean(spent))


@cache
def judged(seed: int) -> list[Architecture]:
    """Random feasible networks."""
    found, rng = task(seed), np.random.default_rng(1000 + seed)
    return found.candidates.gather(lambda n: [found.space.sample(rng) for _ in range(n)], NETWORKS)


def table() -> str:
    """A row a cell, best first."""
    lines = [
        "| rule | steps | mean loss | best loss | mean accuracy | best | largest network |",
        "|---" * 7 + "|",
    ]
    rows: list[tuple[str, dict[str, Any]]] = sorted(
        ((cell, dict(row)) for cell, row in RESULTS.rows().items()),
        key=lambda pair: np.mean(pair[1]["losses"]),
    )
    for cell, row in rows:
        losses, accuracies = row["losses"], row["accuracies"]
        lines.append(
            f"| {cell} | {row['steps']:,} | {np.mean(losses):.4f} | {min(losses):.4f} |"
            f" {np.mean(accuracies):.2%} | {max(accuracies):.2%} | {row['largest_accuracy']:.2%} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
