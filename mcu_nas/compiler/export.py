"""From a .tflite file to everything generated from it."""

from __future__ import annotations

import hashlib
from pathlib import Path

from mcu_nas.compiler.emit import write_sources
from mcu_nas.compiler.emit_model_data import emit_model_data
from mcu_nas.compiler.planner import Optimize
from mcu_nas.compiler.program import Program, compile_graph
from mcu_nas.compiler.target import PORTABLE, Target
from mcu_nas.tflite.reader import read_tflite


def model_hash(data: bytes) -> str:
    """A model's identity on host and device: the first 16 hex digits of its SHA-256."""
    return hashlib.sha256(data).hexdigest()[:16]


def load_program(
    model: Path,
    name: str | None = None,
    optimize: Optimize = Optimize.MEMORY,
    *,
    target: Target = PORTABLE,
    room_bytes: int = 0,
    keep_inputs: bool = False,
) -> Program:
    """A .tflite file compiled; named after the file unless ``name`` is given. See ``compile_graph``.

    Raises:
        ModelError, UnsupportedError: the file cannot be read or compiled.
    """
    graph = read_tflite(model)
    digest = model_hash(model.read_bytes())
    return compile_graph(
        graph,
        name or model.stem,
        digest,
        optimize=optimize,
        target=target,
        room_bytes=room_bytes,
        keep_inputs=keep_inputs,
    )


def write_exports(model: Path, program: Program, out_dir: Path) -> list[Path]:
    """Generated C with its kernels, and model_data.h, of a .tflite file's program; returns the paths written.

    Raises:
        UsageError: the folder cannot be written, or holds another model or files of somebody else.
    """
    byte_array = {"model_data.h": emit_model_data(model.read_bytes(), program)}
    return write_sources(program, out_dir, further=byte_array)
