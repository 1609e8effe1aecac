"""Which change to a network would lower its arena most: tried, not guessed.

A few changes that a designer would think of at the operator that sets the peak are made to the network, and
each is planned by the planner that lays out the firmware's arena. Values play no part, so that most changes
mean training again; where every constant keeps its shape (a smaller image for a convolutional network) the
weights still fit, and only the accuracy must be measured again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from mcu_nas.compiler.planner import Plan, plan_like
from mcu_nas.cost.peak_rules import planned
from mcu_nas.cost.reshaped import NewShapes, NotDerivableError, reshaped, without_add
from mcu_nas.errors import UnsupportedError
from mcu_nas.network import Network
from mcu_nas.operators import (
    Add,
    AveragePool2D,
    Conv2D,
    DepthwiseConv2D,
    FullyConnected,
    MaxPool2D,
    Op,
)

REPLANS = 12
_WINDOWED = (Conv2D, DepthwiseConv2D, AveragePool2D, MaxPool2D)
_CHANNEL_MAKERS = (Conv2D, FullyConnected)
_STRIDES_TRIED = 3


@dataclass(frozen=True)
class Change:
    """A change that was planned: what to do, the arena it gives, whether the weights keep their shapes."""

    what: str
    arena_bytes: int
    keeps_weights: bool

    def __str__(self) -> str:
        price = "same weights, measure its accuracy" if self.keeps_weights else "needs retraining"
        return f"{self.what} ({price})"


@dataclass(frozen=True)
class PeakAdvice:
    """The operator that sets the peak, its bytes, and what would lower the arena, best change first.

    ``changes`` holds only what lowers it; ``tried`` counts all that were planned. ``obstacle`` tells why a
    change could not be tried, where one could not.
    """

    op_index: int
    op_bytes: int
    arena_bytes: int
    changes: tuple[Change, ...]
    tried: int
    obstacle: str | None


def peak_op(network: Network, the_plan: Plan) -> tuple[int, int]:
    """(index, bytes) of the operator that occupies most of the arena; ``the_plan`` is the network's own."""
    sizes = [planned(network, the_plan, index) for index in range(len(network.ops))]
    largest = max(sizes)
    return sizes.index(largest), largest


def peak_advice(network: Network, the_plan: Plan) -> PeakAdvice:
    """Tries at most REPLANS changes. ``the_plan`` is the network's own plan."""
    index, size = peak_op(network, the_plan)
    found: list[Change] = []
    tried = 0
    obstacle = None
    for what, change in islice(_candidates(network, index), REPLANS):
        try:
            changed = change if isinstance(change, Network) else reshaped(network, change)
            arena_bytes = plan_like(changed, the_plan).arena_bytes
        except (NotDerivableError, UnsupportedError) as error:
            obstacle = obstacle or f"{what}: {error}"
            continue
        tried += 1
        if arena_bytes < the_plan.arena_bytes:
            found.append(Change(what, arena_bytes, _weights_fit(network, changed, change)))
    found.sort(key=lambda change: change.arena_bytes)  # stable: of equals the first tried
    return PeakAdvice(index, size, the_plan.arena_bytes, tuple(found), tried, obstacle)


def _candidates(network: Network, index: int) -> Iterator[tuple[str, NewShapes | Network]]:
    yield from _smaller_inputs(network)
    yield from _dropped_residuals(network, index)
    yield from _fewer_channels(network, index)
    yield from _larger_strides(network, index)


def _smaller_inputs(network: Network) -> Iterator[tuple[str, NewShapes]]:
    images = [tensor for tensor in network.inputs if len(network.shape(tensor)) == 4]
    for numerator, denominator in ((7, 8), (3, 4)):
        shapes = {}
        for tensor in images:
            _, height, width, channels = network.shape(tensor)
            sides = [max(1, side * numerator // denominator) for side in (height, width)]
            shapes[tensor] = (1, *sides, channels)
        if shapes:
            sizes = ", ".join(f"{shape[1]}×{shape[2]}" for shape in shapes.values())
            yield f"an input of {sizes}", NewShapes(inputs=shapes)


def _dropped_residuals(network: Network, index: int) -> Iterator[tuple[str, Network]]:
    """Without the ADD for which a tensor is held that the operator at the peak does not touch."""
    op = network.ops[index]
    held = set(network.live_at(index)) - set(op.inputs) - set(op.outputs)
    for number, later in enumerate(network.ops[index + 1 :], start=index + 1):
        activations = network.activations_in(later)
        if not isinstance(later, Add) or later.outputs[0] in network.outputs or len(set(activations)) != 2:
            continue
        for tensor in held & set(activations):
            (kept,) = set(activations) - {tensor}
            if network.shape(kept) == network.shape(later.outputs[0]):
                yield f"no residual at op {number} ADD", without_add(network, number, kept)


def _fewer_channels(network: Network, index: int) -> Iterator[tuple[str, NewShapes]]:
    """Half the channels, and the next lower multiple of 8, of the two largest tensors live at the peak."""
    by_size = sorted(network.live_at(index), key=lambda tensor: (-network.tensors[tensor].bytes, tensor))
    seen: set[frozenset[int]] = set()
    for tensor in by_size:
        tied = _tied_makers(network, tensor)
        if tied is None or tied in seen:
            continue
        seen.add(tied)
        channels = network.shape(network.ops[min(tied)].outputs[0])[-1]
        names = ", ".join(f"op {number}" for number in sorted(tied))
        for fewer in dict.fromkeys((channels // 2, (channels - 1) // 8 * 8)):
            if fewer > 0:
                change = NewShapes(channels=dict.fromkeys(tied, fewer))
                yield f"{fewer} instead of {channels} channels from {names}", change
        if len(seen) == 2:
            return


def _tied_makers(network: Network, tensor: int) -> frozenset[int] | None:
    """The operators that must change together for a tensor to have other channels; None where none can.

    Channels are handed on by every operator that takes and gives the same number, an ADD's inputs included.
    """
    channels = network.shape(tensor)[-1]
    group, pending, makers = {tensor}, [tensor], set()
    while pending:
        member = pending.pop()
        if member in network.inputs or member in network.outputs:
            return None
        for number, op in enumerate(network.ops):
            makes = isinstance(op, _CHANNEL_MAKERS)
            touches = member in op.outputs or (member in op.inputs and not makes)
            if makes and member in op.outputs:
                makers.add(number)
            elif touches:
                relatives = {*network.activations_in(op), *op.outputs}
                if any(network.shape(relative)[-1] != channels for relative in relatives):
                    if member in op.outputs:
                        return None  # a concatenation or a multiplier: no single number to change
                    continue
                pending += relatives - group
                group |= relatives
    return frozenset(makers) or None


def _larger_strides(network: Network, index: int) -> Iterator[tuple[str, NewShapes]]:
    """Stride 2 in the nearest operators of stride 1, from the one at the peak backwards."""
    behind: list[tuple[int, Op]] = list(enumerate(network.ops))[index::-1]
    steps = [(number, op) for number, op in behind if isinstance(op, _WINDOWED) and op.stride == (1, 1)]
    for number, op in steps[:_STRIDES_TRIED]:
        yield f"stride 2 in op {number} {op.tflite_name}", NewShapes(stride={number: (2, 2)})


def _weights_fit(network: Network, changed: Network, change: NewShapes | Network) -> bool:
    """Whether only the input became smaller, and no weight with it."""
    only_input = isinstance(change, NewShapes) and not change.channels and not change.stride
    return only_input and all(network.shape(t) == changed.shape(t) for t in network.constants)
