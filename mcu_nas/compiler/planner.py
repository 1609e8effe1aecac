"""The memory planner: where each activation lies in the arena.

The network is cut wherever a single activation is live between two operators. Each piece (segment) is laid
out alone (compiler/layout.py): its input lies flush with one end, its output with either end. Because a
segment may be mirrored and stretched, the arena of the whole network is exactly the largest segment's.
That is what lets the cost model of a search space plan each distinct block once and take maxima.

An output may lie on the input that it is computed from as far as its kernel allows: wholly, where the kernel
works element by element, else at a lag (compiler/overlaps.py), for which the kernel runs its pixels in
ascending or descending order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial

from mcu_nas.compiler.catalogue import variants
from mcu_nas.compiler.kernel import Kernel
from mcu_nas.compiler.layout import NETWORK_NODES, Layout, lay_out
from mcu_nas.compiler.segment_kernels import Segment, smaller
from mcu_nas.compiler.segments import chains_of, segments_of, take_overs
from mcu_nas.compiler.target import PORTABLE, Target
from mcu_nas.compiler.tensor_formats import (
    FORMAT_ALIGN,
    Formats,
    Refused,
    possible_formats,
    tensor_bytes,
    with_formats,
)
from mcu_nas.network import Network
from mcu_nas.operators import Op


class Optimize(StrEnum):
    """What a plan is for.

    SPEED: the fastest kernels, whatever memory they take. MEMORY: the least memory that the target's own
    kernels can do with, and in it the fastest of them. BOARD: the fastest in the memory that there is, down
    to kernels in C that take a little less memory than a core's own and many times as long.
    """

    MEMORY = "memory"
    SPEED = "speed"
    BOARD = "board"


@dataclass(frozen=True)
class Plan:
    """Arena layout of a network.

    ``optimize``, ``target``, ``room_bytes``: what it was asked for. ``offsets``: bytes from the arena's
    start, by tensor id. ``takes_over``: operator output -> the input whose buffer it is written into.
    ``descending``: the operators, by number, that run from the last pixel to the first. ``scratch``:
    operator number -> offset of its scratch memory. ``bound_bytes``: the largest need of one operator after
    the in-place and overlap decisions, below which no layout can go. ``formats``: of tensors that are not
    NHWC int8.
    """

    optimize: Optimize
    target: Target
    room_bytes: int
    arena_bytes: int
    offsets: Mapping[int, int]
    kernels: tuple[Kernel, ...]
    takes_over: Mapping[int, int]
    descending: frozenset[int]
    scratch: Mapping[int, int]
    bound_bytes: int
    formats: Formats

    def tensor_bytes(self, network: Network, tensor: int) -> int:
        """Bytes of an activation in the arena, from its offset on."""
        return tensor_bytes(network, tensor, self.formats)

    def is_view(self, op: Op, kernel: Kernel) -> bool:
        """Whether an operator only renames memory, so that nothing runs."""
        return kernel.copies and op.outputs[0] in self.takes_over

    def kernels_run(self, network: Network) -> frozenset[str]:
        """Names of the C kernels that the plan's network needs code of."""
        pairs = zip(network.ops, self.kernels, strict=True)
        return frozenset(
            kernel.name for op, kernel in pairs if not (kernel.is_generated or self.is_view(op, kernel))
        )


def plan(
    network: Network,
    optimize: Optimize = Optimize.MEMORY,
    target: Target = PORTABLE,
    room_bytes: int = 0,
    refused: Refused = frozenset(),
) -> Plan:
    """Lay out the arena of a network: deterministic, exact to the byte.

    ``room_bytes``: what Optimize.BOARD has. A segment between two cuts that no kernels bring there takes as
    little as it can. ``refused``: kernels that cannot run an operator, whatever the catalogue says.

    Raises:
        UnsupportedError: an operator that no kernel serves.
    """
    choices = [
        tuple(kernel for kernel in variants(network, op, target) if (number, kernel.name) not in refused)
        for number, op in enumerate(network.ops)
    ]
    if optimize is Optimize.SPEED:
        found = _planned_within(network, target, choices, None)
    elif optimize is Optimize.BOARD:
        found = _planned_within(network, target, choices, room_bytes)
    else:
        own = [tuple(kernel for kernel in row if not kernel.is_portable) or row for row in choices]
        least = _planned_within(network, target, own, 0)
        found = _planned_within(network, target, choices, least.arena_bytes)
        found = found if found.arena_bytes <= least.arena_bytes else least
    return replace(found, optimize=optimize, room_bytes=room_bytes)


def plan_like(network: Network, the_plan: Plan) -> Plan:
    """The plan of another network, for what ``the_plan`` is for."""
    return plan(network, the_plan.optimize, the_plan.target, the_plan.room_bytes)


def plan_formats(network: Network, the_plan: Plan, refused: Refused = frozenset()) -> Plan:
    """The plan with other formats than NHWC between its kernels where its arena has room for them.

    The arena stays as large as it is, so that what a plan predicts is what is allocated.
    """
    possible = possible_formats(network, the_plan.target, the_plan.kernels, refused)
    formats, kernels, layouts = _formats_within(network, the_plan, possible, refused)
    if not formats:
        return the_plan
    offsets, scratch = _join(layouts, the_plan.arena_bytes)
    for tensor in formats:
        offsets[tensor] = -(-offsets[tensor] // FORMAT_ALIGN) * FORMAT_ALIGN
    return replace(
        the_plan,
        offsets=offsets,
        kernels=kernels,
        descending=_descending(network, kernels, offsets),
        scratch=scratch,
        formats=formats,
    )


def _formats_within(
    network: Network, the_plan: Plan, possible: Formats, refused: Refused
) -> tuple[Formats, tuple[Kernel, ...], list[Layout]]:
    """Of the possible formats those with which each segment stays within the plan's arena; the kernels, and
    the segments' layouts.

    Where a segment does not, the tensor that takes most of those at its largest operators is left NHWC.
    """
    room_bytes, formats = the_plan.arena_bytes, dict(possible)
    while formats:
        kernels = with_formats(network, the_plan.target, the_plan.kernels, formats, refused)
        chains = chains_of(network, the_plan.takes_over, formats)
        layouts: list[Layout] = []
        for operators, buffers in segments_of(chains, len(network.ops), formats):
            segment = Segment(network, buffers, operators)
            own = kernels[operators.start : operators.stop]
            needs = zip(operators, segment.needs(own), strict=True)
            tight = [at for at, need in needs if need > room_bytes]
            if not tight:
                layouts.append(lay_out(segment.with_kernels(own)))
            if tight or layouts[-1].peak_bytes > room_bytes:
                inside = [tensor for tensor in formats if network.lifetimes[tensor][0] in operators]
                there = [tensor for tensor in inside if not {*tight}.isdisjoint(network.lifetimes[tensor])]
                largest = partial(tensor_bytes, network, formats=formats)
                del formats[max(there or inside or formats, key=largest)]
                break
        else:
            return formats, tuple(kernels), layouts
    return {}, the_plan.kernels, []


def _planned_within(
    network: Network, target: Target, choices: Sequence[tuple[Kernel, ...]], room_bytes: int | None
) -> Plan:
    """With the fastest kernels with which each segment stays within the room; None: any room."""
    kernels = [fastest for fastest, *_ in choices]
    takes_over = take_overs(network, kernels)
    chains = chains_of(network, takes_over, {})
    layouts: list[Layout] = []
    nodes = NETWORK_NODES
    for operators, buffers in segments_of(chains, len(network.ops), {}):
        segment = Segment(network, buffers, operators)
        chosen = tuple(kernels[index] for index in operators)
        layout = lay_out(segment.with_kernels(chosen), nodes)
        nodes = max(0, nodes - layout.nodes)
        if room_bytes is not None and layout.peak_bytes > room_bytes:
            alternatives = [choices[index] for index in operators]
            chosen, layout = smaller(segment, alternatives, chosen, layout, room_bytes, nodes)
        kernels[operators.start : operators.stop] = chosen
        layouts.append(layout)
    arena_bytes = max(layout.peak_bytes for layout in layouts)
    bound_bytes = max(layout.bound_bytes for layout in layouts)
    offsets, scratch = _join(layouts, arena_bytes)
    return Plan(
        optimize=Optimize.BOARD,
        target=target,
        room_bytes=room_bytes or 0,
        arena_bytes=arena_bytes,
        offsets=offsets,
        kernels=tuple(kernels),
        takes_over=takes_over,
        descending=_descending(network, kernels, offsets),
        scratch=scratch,
        bound_bytes=bound_bytes,
        formats={},
    )


def _join(layouts: Sequence[Layout], arena_bytes: int) -> tuple[dict[int, int], dict[int, int]]:
    """Offsets of all tensors and of scratch by operator: each segment mirrored so that its input lies where
    the one before left it.
    """
    offsets: dict[int, int] = {}
    scratch: dict[int, int] = {}
    input_at_top = False
    for layout in layouts:
        for buffer, low in layout.stretched(arena_bytes):
            offset = arena_bytes - low - buffer.bytes if input_at_top else low
            for tensor in buffer.tensors:
                offsets[tensor] = offset
            if not buffer.tensors:
                scratch[buffer.first] = offset
        input_at_top ^= layout.output_at_top
    return offsets, scratch


def _descending(network: Network, kernels: Sequence[Kernel], offsets: Mapping[int, int]) -> frozenset[int]:
    """The operators whose output lies above the input that it overlaps."""
    numbers = []
    for index, (op, kernel) in enumerate(zip(network.ops, kernels, strict=True)):
        if kernel.lag_bytes is None:
            continue
        source, output = op.inputs[0], op.outputs[0]
        begin, end = offsets[output], offsets[output] + network.tensors[output].bytes
        source_end = offsets[source] + network.tensors[source].bytes
        overlapping = begin < source_end and offsets[source] < end
        if overlapping and begin > offsets[source] - kernel.lag_bytes(network, op):
            numbers.append(index)
    return frozenset(numbers)
