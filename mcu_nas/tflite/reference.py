"""The reference interpreter: TFLite Micro on the host, whose outputs the generated C must equal."""

from __future__ import annotations

import importlib
from types import ModuleType

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from mcu_nas.errors import ToolError

ARENA_BYTES = 16 << 20  # enough for any model of this project; the interpreter takes what it needs


def reference_available() -> bool:
    """Whether the package tflite-micro is installed."""
    try:
        _runtime()
    except ToolError:
        return False
    return True


def reference_outputs(tflite: bytes, *inputs: np.ndarray) -> tuple[np.ndarray, ...]:
    """Each of a model's outputs for N samples (N, ...), from one array (N, ...) per input; types and shapes
    are the file's.

    Raises:
        ToolError: tflite-micro is not installed.
    """
    count = schema.Model.GetRootAs(tflite).Subgraphs(0).OutputsLength()
    interpreter = _runtime().Interpreter.from_bytes(tflite, arena_size=ARENA_BYTES)
    results = []
    for sample in zip(*inputs, strict=True):
        for index, values in enumerate(sample):
            interpreter.set_input(values[None], index)
        interpreter.invoke()
        results.append([interpreter.get_output(index)[0] for index in range(count)])
    return tuple(np.stack(values) for values in zip(*results, strict=True))


def _runtime() -> ModuleType:
    try:
        return importlib.import_module("tflite_micro.python.tflite_micro.runtime")
    except ImportError:
        raise ToolError(
            "tflite-micro is not installed: pip install --pre 'mcu-nas[reference]' (Linux on x86-64)"
        ) from None
