"""A model, a data set and a finished run that are small enough to be made anew for each test."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

from mcu_nas.graph import PIXELS
from mcu_nas.search.request import SearchRequest
from mcu_nas.search.run.run_folder import RunFolder
from mcu_nas.tflite.writer import serialize_tflite
from tests.graphs import GraphMaker

PX = 12


def write_model(path: Path) -> Path:
    """A classifier of 12×12 pixels in four classes."""
    maker = GraphMaker(1)
    pixels = maker.activation("pixels", (1, PX, PX, 1))
    maker.quantization[pixels] = PIXELS
    x = maker.mean(maker.conv(pixels, 4, (3, 3), (2, 2)))
    path.write_bytes(serialize_tflite(maker.graph((pixels,), (maker.fully_connected(x, 4),))))
    return path


def write_idx(path: Path, array: np.ndarray) -> None:
    """A uint8 array as an IDX file."""
    header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    path.write_bytes(header + array.astype(np.uint8).tobytes())


def write_digits(folder: Path, height: int = PX, width: int = PX) -> Path:
    """Twelve random images of each part in four classes, as a folder with MNIST's files."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    for part in ("train", "t10k"):
        write_idx(folder / f"{part}-images-idx3-ubyte", rng.integers(0, 256, (12, height, width)))
        write_idx(folder / f"{part}-labels-idx1-ubyte", np.arange(12) % 4)
    return folder


def write_run(path: Path, data: Path) -> Path:
    """A run folder with a winner."""
    request = SearchRequest("stm32f746g-disco", str(data), "quick", seed=0, threads=1, latency_ms=40.0)
    folder = RunFolder.create(path, request.to_record())
    folder.winner.mkdir()
    write_model(folder.model)
    return path


def contents(folder: Path) -> dict[str, bytes | None]:
    """All that lies in a folder: path -> bytes, None for folders."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }
