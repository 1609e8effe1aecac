"""Random int8 models over all operators: a number gives one model, everywhere the same.

Half of them have one operator with scales, zero points and constants up to the edge of the arithmetic, and
beyond: some are refused. The others have 2 to 10 operators, branches, and several inputs and outputs.
"""

from __future__ import annotations

from mcu_nas.graph import Graph
from tests.random_models import elementwise, movement, weighted
from tests.random_models.draft import Draft, Shape

FAMILIES = (weighted.FAMILY, elementwise.FAMILY, elementwise.FAMILY, movement.FAMILY)


def random_model(seed: int) -> Graph:
    """The model of a number."""
    single = seed % 2 == 0
    draft = Draft(seed, boldness=0.5 if single else 0.06)
    draft.new_input(_input_shape(draft))
    count = 1 if single else draft.integer(2, 10)
    while len(draft.ops) < count:  # ends: functions of one variable take any tensor
        family = draft.one_of(FAMILIES)
        output = draft.one_of(family)(draft)
        if output is not None:
            draft.made.append(output)
    return draft.graph(tuple(draft.inputs), _outputs(draft))


def _input_shape(draft: Draft) -> Shape:
    """Mostly a small image; a few images are larger, some inputs are rows."""
    if draft.chance(0.15):
        return (1, *(draft.integer(1, 24) for _ in range(draft.integer(1, 2))))
    side = 12 if draft.chance(0.95) else 30
    return (1, *draft.pair(1, side), draft.integer(1, 24 if side == 12 else 4))


def _outputs(draft: Draft) -> tuple[int, ...]:
    """What nobody reads, at times with a dead end left out; at times an inner tensor, too."""
    read = {tensor for op in draft.ops for tensor in op.inputs}
    written = [tensor for op in draft.ops for tensor in op.outputs]
    outputs = [tensor for tensor in written if tensor not in read]
    inner = [tensor for tensor in written if tensor in read]
    if len(outputs) > 1 and draft.chance(0.3):
        outputs.remove(draft.one_of(outputs))
    if inner and draft.chance(0.2):
        outputs.append(draft.one_of(inner))
    return tuple(outputs)
