"""Operators of a .tflite file that move values, as operators of operators.py.

What their constants say becomes attributes: axes are counted from the front, SQUEEZE and EXPAND_DIMS are
RESHAPEs, parts are STRIDED_SLICEs (slices.py). Output shapes that constants imply are compared with those
that the file states.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ai_edge_litert import schema_py_generated as schema

from mcu_nas.network import shown
from mcu_nas.operators import Concatenation, Op, Pad, Reshape, ResizeNearestNeighbor, Transpose
from mcu_nas.tflite import slices
from mcu_nas.tflite.faults import Place
from mcu_nas.tflite.raw import RawModel, RawOperator
from mcu_nas.tflite.record import Record
from mcu_nas.tflite.schema import ACTIVATION_NAMES

_MAX_INPUTS = 16  # of a CONCATENATION
_CODES = schema.BuiltinOperator


def read_movement(raw: RawOperator, place: Place, model: RawModel) -> tuple[Op, ...]:
    """The operators that one with a code in MOVEMENT becomes, their tensors still numbered as in the file.

    Raises:
        ModelError: tensors or attributes that are missing, out of range or contradict each other.
        UnsupportedError: an attribute's value that this version cannot compile.
    """
    return MOVEMENT[raw.code](Record(raw, place, model))


def _concatenation(record: Record) -> tuple[Op, ...]:
    inputs, outputs, options = record.raw.inputs, record.raw.outputs, record.options
    if not 2 <= len(inputs) <= _MAX_INPUTS or len(outputs) != 1:
        counts = f"{len(inputs)} inputs and {len(outputs)} outputs, not 2 to {_MAX_INPUTS} and 1"
        raise record.place.unsupported(f"has {counts}")
    if options.fusedActivationFunction != 0:
        code = options.fusedActivationFunction
        raise record.place.unsupported(f"has fused activation {ACTIVATION_NAMES.get(code, f'number {code}')}")
    axis = record.axis(options.axis, len(record.shape(outputs[0])))
    return (Concatenation(inputs, outputs, axis),)


def _pad(record: Record) -> tuple[Op, ...]:
    with_value = record.raw.code == _CODES.PADV2
    record.takes(3 if with_value else 2)
    source, (output,) = record.raw.inputs[0], record.raw.outputs
    shape = record.shape(source)
    values = record.integers(1, "amounts", 2 * len(shape))
    if min(values) < 0:
        raise record.place.error(f"pads by {values}")
    amounts = tuple(zip(values[::2], values[1::2], strict=True))
    record.states(
        output, [before + size + after for size, (before, after) in zip(shape, amounts, strict=True)]
    )
    value = _pad_value(record, output) if with_value else None
    return (Pad((source,), (output,), amounts, value),)


def _pad_value(record: Record, output: int) -> int | None:
    """The value of PADV2; None where it is the output's zero point, as in PAD."""
    (value,) = record.integers(2, "value", 1, "int8")
    given, padded = record.model.tensors[record.raw.inputs[2]], record.model.tensors[output]
    if (given.scales, given.zero_points) != (padded.scales, padded.zero_points):
        raise record.place.error("its value and output differ in scale or zero point")
    return None if padded.zero_points == (value,) else value


def _resize(record: Record) -> tuple[Op, ...]:
    record.takes(2)
    source, (output,) = record.raw.inputs[0], record.raw.outputs
    shape = record.shape(source)
    if len(shape) != 4:
        raise record.place.unsupported(f"resizes {shown(shape)}, no image")
    record.states(output, (shape[0], *record.integers(1, "size", 2), shape[3]))
    centers = bool(record.options.halfPixelCenters)
    return (ResizeNearestNeighbor((source,), (output,), bool(record.options.alignCorners), centers),)


def _transpose(record: Record) -> tuple[Op, ...]:
    record.takes(2)
    source, (output,) = record.raw.inputs[0], record.raw.outputs
    shape = record.shape(source)
    permutation = tuple(record.integers(1, "permutation", len(shape)))
    if sorted(permutation) != list(range(len(shape))):
        raise record.place.error(f"permutes {len(shape)} axes by {list(permutation)}")
    record.states(output, [shape[axis] for axis in permutation])
    return (Transpose((source,), (output,), permutation),)


def _squeeze(record: Record) -> tuple[Op, ...]:
    record.takes(1)
    (source,), (output,) = record.raw.inputs, record.raw.outputs
    shape = record.shape(source)
    given = record.options.squeezeDims
    if given is not None and len(given) > len(shape):
        raise record.place.error(f"squeezes {len(given)} axes of {shown(shape)}")
    axes = {record.axis(value, len(shape)) for value in ([] if given is None else given.tolist())}
    axes = axes or {axis for axis, size in enumerate(shape) if size == 1}
    if any(shape[axis] != 1 for axis in axes):
        raise record.place.error(f"squeezes axes {sorted(axes)} of {shown(shape)}")
    record.states(output, [size for axis, size in enumerate(shape) if axis not in axes])
    return (Reshape((source,), (output,)),)


def _expand_dims(record: Record) -> tuple[Op, ...]:
    record.takes(2)
    source, (output,) = record.raw.inputs[0], record.raw.outputs
    shape = record.shape(source)
    axis = record.axis(record.integers(1, "axis", 1)[0], len(shape) + 1)
    record.states(output, (*shape[:axis], 1, *shape[axis:]))
    return (Reshape((source,), (output,)),)


MOVEMENT: Mapping[int, Callable[[Record], tuple[Op, ...]]] = {
    _CODES.CONCATENATION: _concatenation,
    _CODES.PAD: _pad,
    _CODES.PADV2: _pad,
    _CODES.RESIZE_NEAREST_NEIGHBOR: _resize,
    _CODES.TRANSPOSE: _transpose,
    _CODES.SQUEEZE: _squeeze,
    _CODES.EXPAND_DIMS: _expand_dims,
    _CODES.STRIDED_SLICE: slices.strided_slice,
    _CODES.SLICE: slices.slice_of,
    _CODES.SPLIT: slices.split,
    _CODES.SPLIT_V: slices.split_by_sizes,
}
