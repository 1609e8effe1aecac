"""Random operators that work element by element, on rows, or average."""

from __future__ import annotations

import numpy as np

from mcu_nas.operators import AveragePool2D, LeakyRelu, MaxPool2D, Mul, Padding, Relu6
from tests.elementwise import BINARY, FIXED_OUTPUT, UNARY, binary, constant, unary
from tests.random_models.draft import Draft, Shape
from tests.weighted_graphs import mean_over


def function(draft: Draft) -> int | None:
    """A function of one variable."""
    x = draft.source()
    if x is None:
        return None
    kind = draft.one_of(UNARY)
    alpha = draft.one_of([0.0, 0.01, 0.3, 0.5, 1.0, 1.5, 2.5]) if kind is LeakyRelu else 0.1
    y = unary(draft, kind, x, alpha=alpha)
    # TFLite Micro's RELU6 does not rescale, TFLite's does (tests/compiler/test_elementwise_operators.py).
    if kind not in FIXED_OUTPUT and kind is not Relu6 and draft.chance(0.8):
        draft.quantize_output(y, draft.scale(x), 2)
    return y


def two_operands(draft: Draft) -> int | None:
    """ADD, SUB or MUL of an activation and another, a new input or a constant, which may be repeated."""
    a = draft.source()
    if a is None:
        return None
    b = _partner(draft, a)
    first, second = (a, b) if draft.chance(0.5) else (b, a)
    kind = draft.one_of(BINARY)
    y = binary(draft, kind, first, second, draft.fused())
    scales = draft.scale(a), draft.scale(b)
    draft.quantize_output(y, scales[0] * scales[1] * 64 if kind is Mul else sum(scales) / 2)
    return y


def softmax(draft: Draft) -> int | None:
    """SOFTMAX of rows."""
    x = draft.source()
    return None if x is None or draft.chance(0.5) else draft.softmax(x)


def pool(draft: Draft) -> int | None:
    """AVERAGE_POOL_2D or MAX_POOL_2D."""
    x = draft.source(rank=4)
    if x is None:
        return None
    padding, window = draft.one_of(list(Padding)), draft.pair(1, 5)
    if padding is Padding.VALID:
        height, width = draft.shape(x)[1:3]
        window = min(window[0], height), min(window[1], width)
    kind = draft.one_of([AveragePool2D, MaxPool2D])
    return draft.pool(x, window, draft.pair(1, 3), padding, draft.fused(), kind)


def mean(draft: Draft) -> int | None:
    """MEAN over one axis or neighbouring ones."""
    x = draft.source()
    if x is None or len(draft.shape(x)) < 2:
        return None
    rank = len(draft.shape(x))
    choices = {2: [[1]], 3: [[1], [2], [-1], [1, 2]], 4: [[1, 2], [1, 2], [-3, 2], [1], [3], [2, 3]]}[rank]
    axes = draft.one_of(choices)
    y = mean_over(draft, x, axes, keep_dims=len(axes) == rank - 1 or draft.chance(0.5))
    if draft.chance(0.3):
        draft.quantization[y] = draft.quantization[x]
    else:
        draft.quantize_output(y, draft.scale(x) / 2, 2)
    return y


FAMILY = (*[function] * 4, *[two_operands] * 4, softmax, pool, pool, mean)


def _partner(draft: Draft, a: int) -> int:
    """The other operand: of the same shape if possible, or one that broadcasts."""
    shape = draft.shape(a)
    if draft.chance(0.5):
        same = [x for x in draft.made if draft.shape(x) == shape]
        return draft.one_of(same)
    repeated = _repeated(draft, shape)
    if draft.chance(0.5):
        sizes = draft.one_of([(), repeated[-1:], repeated, shape])
        values = draft.rng.integers(-128, 128, sizes)
        quantization = draft.any_quantization(0.03, 8 if draft.bold() else 1)
        return constant(draft, np.asarray(values), quantization)
    older = [x for x in draft.made if draft.shape(x) == repeated]
    return draft.one_of(older) if older else draft.new_input(repeated)


def _repeated(draft: Draft, shape: Shape) -> Shape:
    """The shape with some sizes 1."""
    return (1, *(1 if draft.chance(0.4) else size for size in shape[1:]))
