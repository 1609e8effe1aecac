"""Why the small template has three stages, and why near-ties of stage one go to the higher resolution.

    python benchmarks/small_template.py                      # runs the cells that small_template.csv lacks
    python benchmarks/small_template.py --stages 5 --px 28 --width 0.2 --seed 1

Each cell draws networks of one space that meet a latency limit of 40 ms on the STM32F746, takes one just
under the limit, trains it from scratch on Fashion-MNIST as briefly as a quick search can (900 steps of
256), and appends its float test accuracy to small_template.csv. About 100 s on two cores a cell.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import numpy as np
import torch

from mcu_nas.boards import load_board
from mcu_nas.cost.constraints import constraints_for
from mcu_nas.cost.estimate import cost
from mcu_nas.datasets.catalogue import load_dataset
from mcu_nas.datasets.images import resize
from mcu_nas.search.evaluation.evaluator import accuracy
from mcu_nas.spaces.mbconv import SMALL, Template, positions
from mcu_nas.spaces.space import Space
from mcu_nas.supernet.batch_norm import recalibrate
from mcu_nas.supernet.feed import Feed
from mcu_nas.supernet.schedule import Schedule
from mcu_nas.supernet.torch_network import TorchNetwork, predict
from mcu_nas.supernet.training import train_network

TEMPLATES = {
    3: SMALL,
    5: Template("five stages", 16, (16, 24, 40, 64, 96), (1, 2, 1, 2, 1)),
}
CELLS = [(5, 28, 0.2, 1), (3, 28, 0.5, 1), (3, 28, 0.2, 1), (3, 20, 0.6, 1), (3, 16, 0.7, 1)]
RESULTS = Path(__file__).with_suffix(".csv")
COLUMNS = ("stages", "px", "width", "seed", "blocks", "macs", "instructions", "test_accuracy")
SCHEDULE = Schedule(steps=900, batch=256, learning_rate=0.8, weight_decay=5e-4, label_smoothing=0.0)
FITTING_DRAWN, UNDER_THE_LIMIT = 60, 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--stages", type=int, choices=sorted(TEMPLATES))
    parser.add_argument("--px", type=int)
    parser.add_argument("--width", type=float)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(2)
    cells = [(options.stages, options.px, options.width, options.seed)] if options.stages else CELLS
    for cell in cells:
        if cell not in finished():
            append(run(*cell))


def finished() -> set[tuple[int, int, float, int]]:
    """The cells that the results file holds."""
    if not RESULTS.exists():
        return set()
    with RESULTS.open() as file:
        return {
            (int(row["stages"]), int(row["px"]), float(row["width"]), int(row["seed"]))
            for row in csv.DictReader(file)
        }


def run(stages: int, px: int, width: float, seed: int) -> dict[str, object]:
    """Trains one network; its row."""
    data = load_dataset("fashion-mnist")
    template = TEMPLATES[stages]
    space = Space(template, 1, len(data.labels), positions(template, (px,), (width,)))
    constraints = constraints_for(load_board("stm32f746g-disco"), latency_ms=40)
    rng = np.random.default_rng(seed)
    fitting = []
    while len(fitting) < FITTING_DRAWN:
        architecture = space.sample(rng)
        needs = cost(space.lower(architecture), constraints.profile)
        if constraints.fits(needs):
            fitting.append((needs.instructions, needs.macs, architecture))
    instructions, macs, architecture = sorted(fitting, key=lambda row: row[0])[-UNDER_THE_LIMIT]
    images, test = (resize(part, px) for part in (data.train_images, data.test_images))
    network = TorchNetwork(space.lower(architecture), seed=seed)
    train_network(network, Feed(images, data.train_labels, seed, data.mirrorable), SCHEDULE)
    recalibrate(network, images[:5120])
    return {
        "stages": stages,
        "px": px,
        "width": width,
        "seed": seed,
        "blocks": sum(architecture.integer(f"stage{stage}.depth") for stage in range(1, stages + 1)),
        "macs": macs,
        "instructions": instructions,
        "test_accuracy": accuracy(predict(network, test).argmax(1).numpy(), data.test_labels),
    }


def append(row: dict[str, object]) -> None:
    """Adds a row to the results file, and prints it."""
    new = not RESULTS.exists()
    with RESULTS.open("a", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        if new:
            writer.writeheader()
        writer.writerow(row)
    print(row, flush=True)


if __name__ == "__main__":
    main()
