"""Checks of the operators that move values without changing them.

What the constants of a file say was compared with its shapes when they were read (tflite/movement.py).
"""

from __future__ import annotations

import math

from mcu_nas.network import shown
from mcu_nas.operators import Concatenation, Pad, Reshape, ResizeNearestNeighbor, StridedSlice, Transpose
from mcu_nas.tflite.checks.check import MAX_SIDE, Check


def reshape(check: Check, op: Reshape) -> None:
    """RESHAPE to as many values, as its constant says."""
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


def concatenation(check: Check, op: Concatenation) -> None:
    """CONCATENATION of shapes that agree but for one axis."""
    output = check.quantization(op.outputs[0])
    for tensor, shape in zip(op.inputs, check.shapes, strict=True):
        declared = check.network.tensors[tensor]
        if declared.dtype != "int8":
            raise check.place.unsupported(f"joins {declared.name!r}, which is {declared.dtype}")
        if check.quantization(tensor) != output:
            raise check.place.error(f"{declared.name!r} differs from its output in scale or zero point")
        if len(shape) != len(check.out) or _without(shape, op.axis) != _without(check.out, op.axis):
            raise check.place.error(f"joins {shown(shape)} to {shown(check.out)} along axis {op.axis}")
    if check.network.constants.issuperset(op.inputs):
        raise check.place.unsupported("joins constants alone")
    check.activations(*(p for p, tensor in enumerate(op.inputs) if tensor not in check.network.constants))
    length = sum(shape[op.axis] for shape in check.shapes)
    check.output((*check.out[: op.axis], length, *check.out[op.axis + 1 :]))


def _without(shape: tuple[int, ...], axis: int) -> tuple[int, ...]:
    return (*shape[:axis], *shape[axis + 1 :])


def moved(check: Check, op: Pad | StridedSlice | Transpose | ResizeNearestNeighbor) -> None:
    """Operators whose values keep their quantization."""
    check.activations(0)
    check.same_quantization()


def resize(check: Check, op: ResizeNearestNeighbor) -> None:
    """RESIZE_NEAREST_NEIGHBOR of an image."""
    moved(check, op)
    check.image(0)
    if max(check.out[1:3]) > MAX_SIDE:
        raise check.place.unsupported(f"its output is {shown(check.out)}, beyond {MAX_SIDE} px")
