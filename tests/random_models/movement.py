"""Random operators that move values."""

from __future__ import annotations

import math

from mcu_nas.operators import Quantize
from tests.elementwise import unary
from tests.movement import concatenation, constant_like, pad, part, resize, transpose
from tests.random_models.draft import LARGEST_TENSOR, Draft, Shape

MOST_JOINED = 10  # tflite-micro takes no more


def padding(draft: Draft) -> int | None:
    """PAD or PADV2 of any axes but the batch."""
    x = draft.source(largest=1000)
    if x is None:
        return None
    amounts = [draft.pair(0, 2) if draft.chance(0.6) else (0, 0) for _ in draft.shape(x)[1:]]
    value = None if draft.chance(0.6) else draft.integer(-128, 127)
    return pad(draft, x, ((0, 0), *amounts), value)


def slicing(draft: Draft) -> int | None:
    """STRIDED_SLICE: any begin, step and direction; it may drop an axis."""
    x = draft.source()
    if x is None:
        return None
    begin, step, shape = [0], [1], [1]
    for size in draft.shape(x)[1:]:
        if draft.chance(0.1):
            begin.append(draft.integer(0, size - 1))
            step.append(0)
            continue
        stride, count = draft.one_of([1, 1, 1, 2, 3, -1, -2]), draft.integer(1, size)
        count = min(count, (size - 1) // abs(stride) + 1)
        span = (count - 1) * abs(stride)
        low = draft.integer(0, size - 1 - span)
        begin.append(low if stride > 0 else low + span)
        step.append(stride)
        shape.append(count)
    return part(draft, x, tuple(begin), tuple(shape), tuple(step))


def split_and_join(draft: Draft) -> int | None:
    """Two parts of an image along an axis, joined again in the other order."""
    x = draft.source(rank=4)
    axis = draft.integer(1, 3)
    if x is None or draft.shape(x)[axis] < 2:
        return None
    shape = draft.shape(x)
    cut = draft.integer(1, shape[axis] - 1)
    parts = []
    for low, high in ((0, cut), (cut, shape[axis])):
        begin = tuple(low if a == axis else 0 for a in range(4))
        sizes = tuple(high - low if a == axis else size for a, size in enumerate(shape))
        parts.append(part(draft, x, begin, sizes))
    draft.made += parts
    return concatenation(draft, parts[::-1], axis)


def transposing(draft: Draft) -> int | None:
    """TRANSPOSE of all axes but the batch."""
    x = draft.source()
    if x is None:
        return None
    order = draft.rng.permutation(len(draft.shape(x)) - 1) + 1
    return transpose(draft, x, (0, *order.tolist()))


def resizing(draft: Draft) -> int | None:
    """RESIZE_NEAREST_NEIGHBOR to any size."""
    x = draft.source(rank=4, largest=2000)
    if x is None or draft.shape(x)[3] > 24:
        return None
    return resize(draft, x, draft.pair(1, 14), *draft.one_of([(False, False), (True, False), (False, True)]))


def joining(draft: Draft) -> int | None:
    """CONCATENATION with activations, a new input or a constant, brought to one quantization."""
    x = draft.source(largest=1500)
    if x is None or len(draft.shape(x)) < 2:
        return None
    shape = draft.shape(x)
    axis = draft.integer(1, len(shape) - 1)
    operands = [x]
    for number in range(draft.integer(1, 3 if draft.chance(0.9) else MOST_JOINED - 1)):
        sizes = tuple(draft.integer(1, 3) if a == axis else size for a, size in enumerate(shape))
        kind = draft.one_of(["older", "older", "constant", "input"])
        older = [y for y in draft.made if _fits(draft.shape(y), shape, axis)]
        if kind == "constant":
            operands.append(constant_like(draft, x, sizes, seed=number))
        elif kind == "input" and len(draft.inputs) < 4:
            operands.append(draft.new_input(sizes, like=x))
        else:
            operands.append(_requantized(draft, draft.one_of(older), x))
    if sum(math.prod(draft.shape(y)) for y in operands) > LARGEST_TENSOR:
        operands = operands[:2]
    first = draft.integer(0, len(operands) - 1)
    return concatenation(draft, operands[first:] + operands[:first], axis)


def reshaping(draft: Draft) -> int | None:
    """RESHAPE to a row, an image or rows."""
    x = draft.source()
    if x is None:
        return None
    count = draft.size(x)
    divisors = [n for n in range(1, min(count, 40) + 1) if count % n == 0]
    columns = draft.one_of(divisors)
    rows = draft.one_of([n for n in divisors if count % (n * columns) == 0])
    rest = count // (rows * columns)
    shapes: list[Shape] = [(1, count), (1, rows, columns, rest), (1, columns, count // columns)]
    return draft.reshape(x, draft.one_of(shapes), stated=draft.chance(0.5))


FAMILY = (padding, slicing, split_and_join, transposing, resizing, joining, reshaping)


def _fits(shape: Shape, other: Shape, axis: int) -> bool:
    """Whether both are equal but for an axis."""
    return len(shape) == len(other) and all(a == axis or size == other[a] for a, size in enumerate(shape))


def _requantized(draft: Draft, y: int, like: int) -> int:
    """``y`` itself, or where it is quantized otherwise a QUANTIZE of it."""
    if draft.quantization[y] == draft.quantization[like]:
        return y
    return unary(draft, Quantize, y, draft.quantization[like])
