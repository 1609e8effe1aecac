"""Checks of the operators that move values without changing them."""

from __future__ import annotations

import math

from mcu_nas.operators import Reshape
from mcu_nas.tflite.checks.check import Check, shown


def reshape(check: Check, op: Reshape) -> None:
    check.activations(0)
    check.same_quantization()
    if len(op.inputs) == 2:
        check.constant(1, "new shape", "int32", 1)
    if math.prod(check.shapes[0]) != math.prod(check.out):
        raise check.place.error(f"reshapes {shown(check.shapes[0])} to {shown(check.out)}")
    if len(op.inputs) == 2:
        values = check.graph.constants[op.inputs[1]].tolist()
        fits = (wanted in (-1, size) for wanted, size in zip(values, check.out, strict=False))
        if len(values) != len(check.out) or not all(fits):
            raise check.place.error(f"its new shape is {values[:5]}, its output {shown(check.out)}")
