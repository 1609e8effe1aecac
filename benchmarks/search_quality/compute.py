"""What a training costs, in multiply-accumulates, so that budgets are equal whatever else the machine does.

A forward pass costs a network's MACs for each image, forward and backward together three times that. Passes
are counted as they happen, whatever schedule asks for them: a hook sees every call of a supernet (largest,
smallest and sampled subnets alike, teachers of a distillation included) and of a network.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.modules.module import register_module_forward_hook

from mcu_nas.cost.macs import network_macs
from mcu_nas.files import write_text
from mcu_nas.network import Network
from mcu_nas.search.listener import Silence
from mcu_nas.supernet import training
from mcu_nas.supernet.supernet import Supernet

TRAINING, INFERENCE = 3, 1  # passes' worth of MACs an image


class Meter(Silence):
    """A listener that keeps, for each stage, its passes' MACs, its steps and its seconds in a file.

    The file is written where trainings leave their checkpoints, so that a resumed stage counts on from there;
    a step whose count a kill lost counts as the stage's mean.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._lock = path, threading.Lock()
        self._stages: dict[str, dict[str, float]] = json.loads(path.read_text()) if path.exists() else {}
        self._stage, self._pending, self._since = "", 0, time.monotonic()
        self._now: dict[str, float] = {}

    def stage(self, name: str) -> None:
        """A stage begins, or goes on."""
        self._stage, self._pending, self._since = name, 0, time.monotonic()
        self._now = dict(self._stages.get(name, {"macs": 0, "steps": 0, "seconds": 0.0, "total": 0}))

    def progress(
        self, done: int, total: int, detail: str, figures: Mapping[str, float] | None = None
    ) -> None:
        """A step of the stage was done."""
        with self._lock:
            passed, self._pending = self._pending, 0
        now = time.monotonic()
        self._now["macs"] += passed
        self._now["steps"] += 1
        self._now["seconds"] += now - self._since
        self._now["total"] = total
        self._since = now
        if done % training.CHECKPOINT_EVERY == 0 or done == total:
            self._stages[self._stage] = dict(self._now)
            write_text(self._path, json.dumps(self._stages, indent=2) + "\n")

    def count(self, network_macs: int, images: int, passes: int) -> None:
        """A pass of some images through a network."""
        with self._lock:
            self._pending += passes * network_macs * images

    def macs(self) -> dict[str, int]:
        """MACs of the passes of each stage that had any."""
        return {
            name: round(stage["macs"] * stage["total"] / stage["steps"])
            for name, stage in self._stages.items()
            if stage["macs"]
        }

    def seconds(self) -> dict[str, float]:
        """Seconds that each stage took between its steps."""
        return {name: round(stage["seconds"], 1) for name, stage in self._stages.items()}


@contextmanager
def metering(meter: Meter) -> Iterator[Meter]:
    """Counts the passes of all supernets and networks while the block runs."""

    def hook(module: nn.Module, inputs: tuple[Any, ...], keywords: Mapping[str, Any], output: Any) -> None:
        network = getattr(module, "network", None)
        if isinstance(module, Supernet):
            network = module.space.lower(keywords["architecture"] if keywords else inputs[1])
        if isinstance(network, Network):
            passes = TRAINING if torch.is_grad_enabled() else INFERENCE
            meter.count(network_macs(network), len(inputs[0]), passes)

    handle = register_module_forward_hook(hook, with_kwargs=True)
    try:
        yield meter
    finally:
        handle.remove()


def evaluation_macs(network: int, recalibration_images: int, images: int) -> int:
    """What scoring a network of so many MACs costs: new batch-norm statistics, then predictions."""
    return INFERENCE * network * (recalibration_images + images)


def steps_within(budget: int, network: int, batch: int) -> int:
    """Training steps of a network of so many MACs that a budget of MACs pays for; at least one."""
    return max(1, budget // (TRAINING * network * batch))
