"""Checks of the operators that average or compare."""

from __future__ import annotations

from mcu_nas.operators import Mean, Pool2D
from mcu_nas.tflite.checks.check import Check


def mean(check: Check, op: Mean) -> None:
    check.activations(0)
    axes = op.inputs[1]
    if axes not in check.network.constants or check.network.tensors[axes].dtype != "int32":
        raise check.place.unsupported("its axes are not an int32 constant")
    check.image(0)
    values = check.graph.constants[axes].reshape(-1).tolist()
    if len(values) > 4 or set(values) != {1, 2}:
        raise check.place.unsupported(f"averages over axes {values[:4]}, not height and width")
    channels = check.shapes[0][3]
    check.output((1, 1, 1, channels) if op.keep_dims else (1, channels))


def pool(check: Check, op: Pool2D) -> None:
    check.activations(0)
    check.image(0)
    check.window_output(op, op.window, (1, 1), check.shapes[0][3])
    check.same_quantization()
