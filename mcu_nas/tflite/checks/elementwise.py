"""Checks of the operators that work element by element, or on rows."""

from __future__ import annotations

import numpy as np

from mcu_nas.graph import PROBABILITIES, SIGNED_UNIT
from mcu_nas.network import shown
from mcu_nas.operators import Add, Elementwise, Logistic, Mul, Softmax, Sub, Tanh
from mcu_nas.tflite.checks.check import Check


def binary(check: Check, op: Add | Sub | Mul) -> None:
    """ADD, SUB, MUL: operands that broadcast to the output."""
    operands = [check.network.tensors[tensor] for tensor in op.inputs]
    constant = [tensor in check.network.constants for tensor in op.inputs]
    if all(constant):
        raise check.place.unsupported("both its operands are constants")
    for tensor, operand, is_constant in zip(op.inputs, operands, constant, strict=True):
        if is_constant and operand.dtype != "int8":
            raise check.place.unsupported(f"its constant {operand.name!r} is {operand.dtype}, not int8")
        check.one_scale(tensor, "constant" if is_constant else "activation")
    check.activations()
    try:
        check.output(np.broadcast_shapes(*check.shapes))
    except ValueError:
        both = f"{shown(check.shapes[0])} and {shown(check.shapes[1])}"
        raise check.place.error(f"its operands {both} cannot be broadcast") from None


def unary(check: Check, op: Elementwise) -> None:
    """One activation of the output's shape."""
    check.activations(0)
    check.output(check.shapes[0])


def logistic(check: Check, op: Logistic) -> None:
    """LOGISTIC, with its fixed output quantization."""
    unary(check, op)
    _probabilities(check)


def tanh(check: Check, op: Tanh) -> None:
    """TANH, with its fixed output quantization."""
    unary(check, op)
    if check.quantization(op.outputs[0]) != SIGNED_UNIT:
        raise check.place.error("its output has another scale than 1/128 or zero point than 0")


def softmax(check: Check, op: Softmax) -> None:
    """SOFTMAX over the last axis, with its fixed output quantization."""
    check.activations(0)
    check.output(check.shapes[0])
    _probabilities(check)


def _probabilities(check: Check) -> None:
    if check.quantization(check.op.outputs[0]) != PROBABILITIES:
        raise check.place.error("its output has another scale than 1/256 or zero point than -128")
