"""Checks of the operators that average or compare."""

from __future__ import annotations

from mcu_nas.graph import mean_axes
from mcu_nas.network import shown
from mcu_nas.operators import Mean, Pool2D
from mcu_nas.tflite.checks.check import Check


def mean(check: Check, op: Mean) -> None:
    """MEAN over neighbouring axes."""
    check.activations(0)
    axes = op.inputs[1]
    if axes not in check.network.constants or check.network.tensors[axes].dtype != "int32":
        raise check.place.unsupported("its axes are not an int32 constant")
    shape = check.shapes[0]
    values = check.graph.constants[axes].reshape(-1).tolist()
    if not 1 <= len(values) <= len(shape) or not all(-len(shape) <= v < len(shape) for v in values):
        raise check.place.error(f"averages over axes {values[:5]} of {shown(shape)}")
    reduced = mean_axes(check.graph, op)
    if reduced[0] == 0:
        raise check.place.unsupported(f"averages over the batch, axes {list(reduced)}")
    if reduced[-1] - reduced[0] >= len(reduced):
        raise check.place.unsupported(f"averages over axes {list(reduced)}, which are no neighbours")
    if op.keep_dims:
        check.output(tuple(1 if axis in reduced else size for axis, size in enumerate(shape)))
    else:
        check.output(tuple(size for axis, size in enumerate(shape) if axis not in reduced))


def pool(check: Check, op: Pool2D) -> None:
    """A pool over an image."""
    check.activations(0)
    check.image(0)
    check.window_output(op, op.window, (1, 1), check.shapes[0][3])
    check.same_quantization()
