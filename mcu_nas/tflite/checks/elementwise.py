"""Checks of the operators that work element by element, or on a row."""

from __future__ import annotations

from mcu_nas.graph import PROBABILITIES
from mcu_nas.operators import Add, Softmax
from mcu_nas.tflite.checks.check import Check, shown


def add(check: Check, op: Add) -> None:
    check.activations(0, 1)
    if check.shapes[0] != check.shapes[1]:
        both = f"{shown(check.shapes[0])} and {shown(check.shapes[1])}"
        raise check.place.unsupported(f"adds {both}, broadcasting")
    check.output(check.shapes[0])


def softmax(check: Check, op: Softmax) -> None:
    check.activations(0)
    if len(check.shapes[0]) != 2:
        raise check.place.unsupported(f"its input is {shown(check.shapes[0])}, not a row")
    check.output(check.shapes[0])
    if check.quantization(check.op.outputs[0]) != PROBABILITIES:
        raise check.place.error("its output has another scale than 1/256 or zero point than -128")
