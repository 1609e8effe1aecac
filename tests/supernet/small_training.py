"""A training of seconds on real images; run as a script it is what the kill tests kill.

    python -m tests.supernet.small_training CHECKPOINT

prints each step's number and at the end a digest of the weights.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

from torch import nn

from mcu_nas.datasets import resize
from mcu_nas.spaces.space import Space, mbconv_space
from mcu_nas.supernet import training
from mcu_nas.supernet.feed import Feed
from mcu_nas.supernet.schedule import Schedule, SupernetSchedule
from mcu_nas.supernet.supernet import Supernet
from tests.fashion import fashion

LARGEST = Schedule(steps=10, batch=16, learning_rate=0.1, warmup_steps=3, shift=1, mirror=True)
SAMPLED = Schedule(steps=15, batch=16, learning_rate=0.1, warmup_steps=3, shift=1, mirror=True)
STEPS = LARGEST.steps + SAMPLED.steps


def small_space() -> Space:
    """Three stages of depth 2 and 3 at 12 px and the narrowest width."""
    space = mbconv_space(28, 1, 10, (12,), (0.2,))
    return space.restricted({f"stage{stage}.depth": (2, 3) for stage in range(1, 4)})


def small_feed(seed: int = 5, images: int = 100) -> Feed:
    """Shuffled real images at 12 px; 25 steps see some of them three times."""
    data = fashion()
    return Feed(resize(data.train_images[:images], 12), data.train_labels[:images], seed, mirrorable=True)


def train_small_supernet(checkpoint: Path | None, progress: training.Progress | None = None) -> Supernet:
    """25 steps, a checkpoint every 4."""
    training.CHECKPOINT_EVERY = 4
    supernet = Supernet(small_space(), seed=1)
    schedule = SupernetSchedule(LARGEST, SAMPLED)
    training.train_supernet(supernet, small_feed(), schedule, checkpoint=checkpoint, progress=progress)
    return supernet


def digest(module: nn.Module) -> str:
    """SHA-256 of all parameters and statistics."""
    found = hashlib.sha256()
    for name, value in module.state_dict().items():
        found.update(name.encode())
        found.update(value.numpy().tobytes())
    return found.hexdigest()


if __name__ == "__main__":
    trained = train_small_supernet(Path(sys.argv[1]), lambda step, total, loss: print(step, flush=True))
    print(digest(trained))
