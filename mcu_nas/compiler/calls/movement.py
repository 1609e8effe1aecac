"""Arguments of the kernels that move bytes without changing them: RESHAPE, TRANSPOSE, parts, padding, ..."""

from __future__ import annotations

import math

import numpy as np

from mcu_nas.compiler.calls.fields import Arguments, Fields
from mcu_nas.graph import Graph
from mcu_nas.operators import Concatenation, Pad, Reshape, ResizeNearestNeighbor, StridedSlice, Transpose

_AXES = ("outer", "middle", "inner")  # loops of strided_copy_s8 and pad_s8; the batch of 1 needs none


def reshape(graph: Graph, op: Reshape) -> Arguments:
    """``struct mcu_reshape_s8``."""
    return {"count": math.prod(graph.network.shape(op.outputs[0]))}, {}


def strided_copy(graph: Graph, op: StridedSlice | Transpose) -> Arguments:
    """``struct mcu_strided_copy_s8``."""
    steps = _dense_steps(graph.network.shape(op.inputs[0]))
    start = 0
    if isinstance(op, StridedSlice):
        start = sum(begin * step for begin, step in zip(op.begin, steps, strict=True))
        steps = [factor * step for factor, step in zip(op.step, steps, strict=True) if factor]
    else:
        steps = [steps[axis] for axis in op.permutation]
    return _loops(start, list(zip(graph.network.shape(op.outputs[0]), steps, strict=True))), {}


def pad(graph: Graph, op: Pad) -> Arguments:
    """``struct mcu_pad_s8``."""
    sizes = graph.network.shape(op.inputs[0])[1:]
    axes: list[tuple[int, int, int]] = []  # before, size, after; an axis without padding joins the one before
    for size, (before, after) in reversed(list(zip(sizes, op.amounts[1:], strict=True))):
        if axes and axes[0][0] == axes[0][2] == 0:
            inner = axes.pop(0)[1]
            before, size, after = before * inner, size * inner, after * inner
        axes.insert(0, (before, size, after))
    axes = [(0, 1, 0)] * (len(_AXES) - len(axes)) + axes
    value = graph.quantization[op.outputs[0]].zero_point if op.value is None else op.value
    names = ("before", "size", "after")
    fields: Fields = {
        **{name: dict(zip(names, axis, strict=True)) for name, axis in zip(_AXES, axes, strict=True)},
        "value": value,
    }
    return fields, {}


def resize_nearest(graph: Graph, op: ResizeNearestNeighbor) -> Arguments:
    """``struct mcu_resize_nearest_s8``."""
    _, in_height, in_width, channels = graph.network.shape(op.inputs[0])
    _, height, width, _ = graph.network.shape(op.outputs[0])
    fields = {"height": height, "width": width, "channels": channels, "in_row": in_width * channels}
    return fields, {
        "rows": nearest_pixels(op, in_height, height),
        "columns": nearest_pixels(op, in_width, width),
    }


def concatenation(graph: Graph, op: Concatenation) -> Arguments:
    """``struct mcu_concatenation_s8``, and the inputs that are constants."""
    shapes = [graph.network.shape(tensor) for tensor in op.inputs]
    constants = {
        f"operand{position}": graph.constants[tensor].reshape(-1)
        for position, tensor in enumerate(op.inputs)
        if tensor in graph.constants
    }
    runs = np.array([math.prod(shape[op.axis :]) for shape in shapes], np.int32)
    return {"outer": math.prod(shapes[0][: op.axis]), "count": len(shapes)}, {"runs": runs, **constants}


def _dense_steps(shape: tuple[int, ...]) -> list[int]:
    """Bytes from one element to the next along each axis."""
    return [math.prod(shape[axis + 1 :]) for axis in range(len(shape))]


def _loops(start: int, axes: list[tuple[int, int]]) -> Fields:
    """Loops over axes (count, step), outermost first, joined where one goes on in the steps of another."""
    joined: list[tuple[int, int]] = []
    for count, step in axes:
        if count == 1:
            continue
        if joined and joined[-1][1] == count * step:
            count *= joined.pop()[0]
        joined.append((count, step))
    run = joined.pop()[0] if joined and joined[-1][1] == 1 else 1
    loops = [(1, 0)] * (len(_AXES) - len(joined)) + joined
    return {
        "start": start,
        **{name: {"count": n, "step": s} for name, (n, s) in zip(_AXES, loops, strict=True)},
        "run": run,
    }


def nearest_pixels(op: ResizeNearestNeighbor, in_size: int, out_size: int) -> np.ndarray:
    """The input index of each output index along one axis, in the float32 steps of TFLite's
    GetNearestNeighbor (resize_nearest_neighbor.h).
    """
    if op.align_corners and out_size > 1:
        scale = np.float32(in_size - 1) / np.float32(out_size - 1)
    else:
        scale = np.float32(in_size) / np.float32(out_size)
    offset = np.float32(0.5) if op.half_pixel_centers else np.float32(0)
    at = (np.arange(out_size, dtype=np.float32) + offset) * scale
    # C's round takes halves away from 0; no position is negative, and float64 adds 1/2 exactly.
    index = np.floor(at.astype(np.float64) + 0.5) if op.align_corners else np.floor(at)
    return np.clip(index, 0, in_size - 1).astype(np.int16)
