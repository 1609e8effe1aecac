"""How much work a search does: the numbers behind ``--effort``."""

from __future__ import annotations

from dataclasses import dataclass, replace

from mcu_nas.supernet.schedule import Schedule, SupernetSchedule


@dataclass(frozen=True)
class Effort:
    """Sizes of every stage. Image counts are images; ``largest_macs`` bounds the networks that are considered
    (None: no bound), as their MACs are what training costs; ``stage_one_samples`` are networks a space;
    ``emulated_samples`` are the test images whose outputs over serial are compared with the host's. Without
    ``quantization_aware`` training the winner is quantized after its training. With ``adaptation`` subnets
    train so briefly before each is scored (search/evaluation/adaptation.py).
    """

    name: str
    stage_one_samples: int
    largest_macs: int | None
    supernet: SupernetSchedule
    population: int
    parents: int
    generations: int
    recalibration_images: int
    validation_images: int
    holdout_images: int
    fine_tune: Schedule
    emulated_samples: int = 4
    quantization_aware: Schedule | None = None
    adaptation: Schedule | None = None


QUICK = Effort(
    name="quick",
    stage_one_samples=1000,
    largest_macs=4_000_000,
    # About 200 s on two cores at 1.5 M MACs a subnet. In so short a training augmentation costs more than
    # it brings: after 1.4 epochs 84.7 % with shifted and mirrored images, 86.0 % with mirrored, 86.9 % with
    # neither. A stronger weight decay than the paper's holds the rate high and gained half a point. Single
    # subnets in small batches, without training the largest first: benchmarks/supernet_training.py.
    supernet=SupernetSchedule(
        largest=Schedule(steps=0, batch=128, learning_rate=0.8),
        sampled=Schedule(steps=4500, batch=128, learning_rate=0.8, weight_decay=5e-4, averaging=0.99),
    ),
    population=32,
    parents=8,
    generations=8,
    recalibration_images=512,
    validation_images=3000,
    holdout_images=3000,
    # About 90 s. Mirrored images cost it 0.2 points, as the supernet.
    fine_tune=Schedule(
        steps=2500,
        batch=128,
        learning_rate=0.4,
        warmup_steps=20,
        weight_decay=5e-4,
        label_smoothing=0.0,
        averaging=0.99,
    ),
)

_QUANTIZATION_AWARE = Schedule(
    steps=2000, batch=128, learning_rate=0.01, shift=1, mirror=True, distillation=0.5, averaging=0.99
)

# Some seconds a subnet of 3 M MACs, so that a predictor has to choose which (docs/search.md).
ADAPTATION = replace(QUICK.fine_tune, steps=50, warmup_steps=5, averaging=0.9)

# TinyNAS (MCUNet, NeurIPS 2020): the sampled phase is twice as long as the largest network's; population
# 100, 30 generations; 20 batches of 64 recalibrate.
STANDARD = Effort(
    name="standard",
    stage_one_samples=1000,
    largest_macs=None,
    supernet=SupernetSchedule(
        largest=Schedule(steps=8000, batch=256, learning_rate=0.05, mirror=True),
        sampled=Schedule(steps=16000, batch=256, learning_rate=0.05, mirror=True),
    ),
    population=100,
    parents=20,
    generations=30,
    recalibration_images=20 * 64,
    validation_images=5000,
    holdout_images=5000,
    fine_tune=Schedule(steps=10_000, batch=128, learning_rate=0.1, shift=1, mirror=True),
    emulated_samples=200,
    quantization_aware=_QUANTIZATION_AWARE,
)

# Two and a half hours of two cores for Fashion-MNIST at 3 M MACs, most of them the winner's own training.
THOROUGH = Effort(
    name="thorough",
    stage_one_samples=1000,
    largest_macs=None,
    supernet=SupernetSchedule(
        largest=Schedule(steps=0, batch=128, learning_rate=0.8),
        sampled=Schedule(
            steps=16_000,
            batch=128,
            learning_rate=0.8,
            weight_decay=2e-4,
            shift=1,
            mirror=True,
            averaging=0.998,
        ),
    ),
    population=64,
    parents=16,
    generations=10,
    recalibration_images=1280,
    validation_images=5000,
    holdout_images=2000,
    fine_tune=Schedule(
        steps=60_000,
        batch=128,
        learning_rate=0.4,
        weight_decay=2e-4,
        label_smoothing=0.05,
        shift=2,
        mirror=True,
        cutout=8,
        averaging=0.999,
    ),
    emulated_samples=200,
    quantization_aware=_QUANTIZATION_AWARE,
    adaptation=ADAPTATION,
)

EFFORTS = {effort.name: effort for effort in (QUICK, THOROUGH, STANDARD)}
