"""STRIDED_SLICE, SLICE, SPLIT and SPLIT_V of a .tflite file, as one StridedSlice for each part.

Negative positions, masks and positions beyond the input are resolved here, as TFLite Micro resolves them
(strided_slice_logic.h of TensorFlow), and the resulting shape is compared with the one that the file states:
that is what keeps a part inside its input.
"""

from __future__ import annotations

from mcu_nas.network import shown
from mcu_nas.operators import Op, StridedSlice
from mcu_nas.tflite.record import Record


def strided_slice(record: Record) -> tuple[Op, ...]:
    """STRIDED_SLICE. inputs: activation, begin, end, strides (rank each)."""
    record.takes(4)
    source, (output,) = record.raw.inputs[0], record.raw.outputs
    shape, options = record.shape(source), record.options
    if options.ellipsisMask or options.newAxisMask or options.offset:
        raise record.place.unsupported("has an ellipsis mask, a new axis mask or offsets")
    begins, ends, strides = (
        record.integers(position, role, len(shape))
        for position, role in enumerate(("begin", "end", "strides"), start=1)
    )
    if 0 in strides:
        raise record.place.error(f"has strides {strides}")
    begin, step, sizes = [], [], []
    for axis, size in enumerate(shape):
        first = _resolved(
            None if options.beginMask >> axis & 1 else begins[axis], strides[axis], size, "begin"
        )
        end = _resolved(None if options.endMask >> axis & 1 else ends[axis], strides[axis], size, "end")
        count = max(0, -((first - end) // strides[axis]))
        if options.shrinkAxisMask >> axis & 1:
            if strides[axis] < 0 or first == size:
                raise record.place.unsupported(f"drops axis {axis} at {begins[axis]} of {size}")
            step.append(0)
        else:
            step.append(strides[axis] if count > 1 else 1)
            sizes.append(count)
        begin.append(first)
    record.states(output, sizes)
    return (StridedSlice((source,), (output,), tuple(begin), tuple(step)),)


def _resolved(position: int | None, stride: int, size: int, side: str) -> int:
    """A begin or end along an axis as an index, one past the axis' either end at most; None: masked."""
    low, high = (0, size) if stride > 0 else (-1, size - 1)
    if position is None:
        return low if (side == "begin") == (stride > 0) else high
    return min(max(position + size if position < 0 else position, low), high)


def slice_of(record: Record) -> tuple[Op, ...]:
    """SLICE. inputs: activation, begin, size (rank each; size -1: all that is left)."""
    record.takes(3)
    source, (output,) = record.raw.inputs[0], record.raw.outputs
    shape = record.shape(source)
    begin = record.integers(1, "begin", len(shape))
    given = record.integers(2, "size", len(shape))
    sizes = [
        whole - first if size == -1 else size for whole, first, size in zip(shape, begin, given, strict=True)
    ]
    for axis, (whole, first, size) in enumerate(zip(shape, begin, sizes, strict=True)):
        if not 0 <= first < first + size <= whole:
            raise record.place.error(f"takes {size} at {first} of {whole} along axis {axis}")
    record.states(output, sizes)
    return (StridedSlice((source,), (output,), tuple(begin), (1,) * len(shape)),)


def split(record: Record) -> tuple[Op, ...]:
    """SPLIT. inputs: axis, activation."""
    record.takes(2, None)
    shape = record.shape(record.raw.inputs[1])
    axis = record.axis(record.integers(0, "axis", 1)[0], len(shape))
    count = len(record.raw.outputs)
    if record.options.numSplits != count or shape[axis] % count:
        raise record.place.error(f"splits {shown(shape)} along axis {axis} into {count} parts")
    return _parts(record, record.raw.inputs[1], axis, [shape[axis] // count] * count)


def split_by_sizes(record: Record) -> tuple[Op, ...]:
    """SPLIT_V. inputs: activation, sizes (one of them may be -1: all that is left), axis."""
    record.takes(3, None)
    shape = record.shape(record.raw.inputs[0])
    axis = record.axis(record.integers(2, "axis", 1)[0], len(shape))
    given = record.integers(1, "sizes", len(record.raw.outputs))
    left = shape[axis] - sum(size for size in given if size != -1)
    sizes = [left if size == -1 else size for size in given]
    if min(sizes) < 1 or sum(sizes) != shape[axis]:
        raise record.place.error(f"splits {shown(shape)} along axis {axis} into {given[:16]}")
    return _parts(record, record.raw.inputs[0], axis, sizes)


def _parts(record: Record, source: int, axis: int, sizes: list[int]) -> tuple[Op, ...]:
    """One after another along an axis."""
    shape = record.shape(source)
    parts, begin = [], [0] * len(shape)
    for output, size in zip(record.raw.outputs, sizes, strict=True):
        record.states(output, (*shape[:axis], size, *shape[axis + 1 :]))
        parts.append(StridedSlice((source,), (output,), tuple(begin), (1,) * len(shape)))
        begin[axis] += size
    return tuple(parts)
