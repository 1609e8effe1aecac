"""A whole search in seconds on a few real images; run as a script it is what the kill tests kill.

python -m tests.search.small_search RUN_FOLDER DATA_FOLDER [KILL_AT_EVENT [SOURCE_RUN]]
"""

from __future__ import annotations

import gzip
import os
import signal
import struct
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from mcu_nas.search.effort import Effort
from mcu_nas.search.listener import Figures, Silence, Together
from mcu_nas.search.pipeline import Search
from mcu_nas.search.request import SearchRequest
from mcu_nas.search.reuse import supernet_source
from mcu_nas.search.run.progress_file import ProgressFile
from mcu_nas.search.run.run_folder import RunFolder
from mcu_nas.search.task import task_of
from mcu_nas.supernet import training
from mcu_nas.supernet.schedule import Schedule, SupernetSchedule
from tests.fashion import fashion

TINY = Effort(
    name="tiny",
    stage_one_samples=50,
    largest_macs=None,
    supernet=SupernetSchedule(
        largest=Schedule(steps=4, batch=32, learning_rate=0.1, warmup_steps=1),
        sampled=Schedule(steps=6, batch=32, learning_rate=0.1, warmup_steps=1),
    ),
    population=4,
    parents=2,
    generations=2,
    recalibration_images=64,
    validation_images=100,
    holdout_images=100,
    fine_tune=Schedule(steps=6, batch=32, learning_rate=0.05, warmup_steps=1),
    quantization_aware=Schedule(steps=4, batch=32, learning_rate=0.01, warmup_steps=1, distillation=0.5),
)

EFFORTS = {TINY.name: TINY}


class KillAt(Silence):
    """Kills its own process, as kill -9 does, at the given event."""

    def __init__(self, event: int) -> None:
        self._left = event

    def _count(self) -> None:
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def stage(self, name: str) -> None:
        self._count()

    def progress(self, done: int, total: int, detail: str, figures: Figures | None = None) -> None:
        self._count()


def request(data: Path) -> SearchRequest:
    """A tight search on the folder's images."""
    return SearchRequest(
        board="stm32f746g-disco",
        data=str(data),
        effort="tiny",
        seed=3,
        threads=1,
        latency_ms=8.0,
        resolutions=(12,),
        widths=(0.2, 0.3),
    )


def write_data(folder: Path, train: int = 600, test: int = 120) -> Path:
    """The first images of Fashion-MNIST as MNIST's four files."""
    data = fashion()
    folder.mkdir()
    for part, images, labels in (
        ("train", data.train_images[:train], data.train_labels[:train]),
        ("t10k", data.test_images[:test], data.test_labels[:test]),
    ):
        pixels = struct.pack(">IIII", 0x803, len(images), 28, 28) + images.tobytes()
        classes = struct.pack(">II", 0x801, len(labels)) + labels.astype(np.uint8).tobytes()
        (folder / f"{part}-images-idx3-ubyte.gz").write_bytes(gzip.compress(pixels, 1))
        (folder / f"{part}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(classes, 1))
    return folder


def request_from(source: Path, board: str = "qemu-cortex-m4", **limits: float) -> SearchRequest:
    """The same for another board, with the supernet of a run."""
    folder = RunFolder(source)
    free = {"latency_ms": None, "sram_bytes": None}
    return replace(folder.request(), board=board, **{**free, **limits}, source=supernet_source(folder))


def run(path: Path, asked: SearchRequest, kill_at: int = 0) -> None:
    """Begins the search, or resumes it where the folder exists."""
    training.CHECKPOINT_EVERY = 3
    folder = RunFolder(path)
    task = task_of(asked, EFFORTS)
    task.check_supernet(folder)
    task.check()
    if not path.exists():
        RunFolder.create(path, task.request.to_record())
    with folder.locked():
        Search(folder, task, Together(ProgressFile(folder.progress), KillAt(kill_at))).run()


def main(path: Path, data: Path, kill_at: str = "0", source: str = "") -> None:
    """One search as a process of its own."""
    run(path, request_from(Path(source)) if source else request(data), int(kill_at))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:])
