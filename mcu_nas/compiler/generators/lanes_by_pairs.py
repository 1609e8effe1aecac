"""The three-lane pointwise kernel with packed weights: for each pair of pixels, all triples of channels.

A pair's second pixel is the next in running order. Gathers and triples leave their pointers behind what they
read and wrote: ascending, the next pair's first pixel begins there, descending two pixels before.

Registers besides three_lanes.py's, between blocks: r11 and r12 outputs of both pixels, lr where the triples'
constants end. NHWC input is gathered into scratch pair by pair (pair_gather.py).
"""

from __future__ import annotations

from collections.abc import Iterator

from mcu_nas.compiler.generators.formats import Format
from mcu_nas.compiler.generators.immediates import add_constant
from mcu_nas.compiler.generators.lane_plan import END, OUT0, OUT1, STREAM, LanePlan
from mcu_nas.compiler.generators.lane_segments import LANES, triples
from mcu_nas.compiler.generators.one_lane import has_tail
from mcu_nas.compiler.generators.pair_gather import gather_pair
from mcu_nas.compiler.generators.plane_border import filled_planes

INPUT, PIXELS_LEFT, CONSTANTS = 5, 6, 7  # slots; STREAM holds the pair's activations
_ROW_END = 8  # slot: where the row's pixels end in the first plane; OUT1 then holds the next pair's place


def by_pairs(plan: LanePlan) -> Iterator[str]:
    """The function's instructions."""
    layer = plan.layer
    gathers = layer.source is Format.NHWC
    yield from ("push {r4-r11, lr}", f"sub sp, #{plan.frame_bytes}")
    if layer.target is Format.PLANES:
        yield from filled_planes(plan.planes)
    yield from (f"str r2, {plan.slot(CONSTANTS)}", f"mov r12, #{layer.pixels}")
    yield f"str r12, {plan.slot(PIXELS_LEFT)}"
    yield from first_outputs(plan)
    if gathers:
        yield from add_constant("r0", "r0", layer.first * layer.inputs)
        yield from (f"str r3, {plan.slot(STREAM)}", f"str r0, {plan.slot(INPUT)}")
    else:
        yield f"str r0, {plan.slot(STREAM)}"
    yield "1:  @ a pair of pixels"
    if gathers:
        yield from _gathered(plan)
    yield from outputs_of_pair(plan)
    yield from triples_of_pair(plan)
    if not gathers:
        if not has_tail(layer.outputs):  # which leaves r0 there
            yield from add_constant("r0", "r0", 4 * layer.inputs)
        yield f"str r0, {plan.slot(STREAM)}"
    yield from (f"ldr r6, {plan.slot(PIXELS_LEFT)}", "subs r6, #2", f"str r6, {plan.slot(PIXELS_LEFT)}")
    yield from ("bgt.w 1b", f"add sp, #{plan.frame_bytes}", "pop {r4-r11, pc}")


def _gathered(plan: LanePlan) -> Iterator[str]:
    """The pair into scratch; the last pixel of an odd number twice."""
    layer = plan.layer
    yield f"ldr r0, {plan.slot(INPUT)}"
    yield from add_constant("r2", "r0", layer.step * layer.inputs)
    if layer.pixels % 2:
        yield from (f"ldr r12, {plan.slot(PIXELS_LEFT)}", "cmp r12, #1", "it eq", "moveq r2, r0")
    yield f"ldr r1, {plan.slot(STREAM)}"
    yield from gather_pair(layer.inputs)
    yield from (*add_constant("r2", "r2", layer.to_next * layer.inputs), f"str r2, {plan.slot(INPUT)}")


def first_outputs(plan: LanePlan) -> Iterator[str]:
    """From r1, the output, what ``outputs_of_pair`` expects of the pair before the first."""
    layer = plan.layer
    if layer.target is Format.NHWC:
        yield from add_constant("r1", "r1", (layer.first - layer.to_next) * layer.outputs)
    if layer.target is Format.PLANES:
        yield from add_constant("r12", "r1", 2 * plan.planes.columns)
        yield f"str r12, {plan.slot(_ROW_END)}"
    yield f"str r1, {plan.slot(OUT0 if layer.target is Format.PAIRS else OUT1)}"


def outputs_of_pair(plan: LanePlan) -> Iterator[str]:
    """Where the pair's outputs go, where its triples end, and r0 and r1 for the first block."""
    layer = plan.layer
    if layer.target is Format.NHWC:
        yield f"ldr r11, {plan.slot(OUT1)}  @ behind the pair before"
        yield from add_constant("r11", "r11", layer.to_next * layer.outputs)
        yield from add_constant("r12", "r11", layer.step * layer.outputs)
        if layer.pixels % 2:
            yield from (f"ldr r2, {plan.slot(PIXELS_LEFT)}", "cmp r2, #1", "it eq", "moveq r12, r11")
        yield f"strd r11, r12, {plan.slot(OUT0)}"
    if layer.target is Format.PLANES:
        yield from (f"ldr r11, {plan.slot(OUT1)}", f"ldr r2, {plan.slot(_ROW_END)}")
        yield from (f"add r12, r11, #{plan.pair_bytes}", "cmp r12, r2", "ittt eq")
        yield f"addeq r12, r12, #{2 * (plan.planes.row_stride - plan.planes.columns)}"
        yield from (f"addeq r2, r2, #{2 * plan.planes.row_stride}", f"streq r2, {plan.slot(_ROW_END)}")
        yield f"strd r11, r12, {plan.slot(OUT0)}"
    yield from (f"ldr r0, {plan.slot(STREAM)}", f"ldr r1, {plan.slot(CONSTANTS)}")
    whole = layer.outputs // LANES * plan.constants_bytes
    yield from (*add_constant("r12", "r1", whole), f"str r12, {plan.slot(END)}")


def triples_of_pair(plan: LanePlan) -> Iterator[str]:
    """All triples of a pair, and after them one that overlaps the last, or one channel alone."""
    layer = plan.layer
    yield "2:  @ a triple of channels"
    yield from plan.block()
    yield from plan.reloaded("r0")
    yield from plan.stored(LANES * plan.channel_bytes)
    yield from (f"strd r11, r12, {plan.slot(OUT0)}", "cmp r1, lr", "bne.w 2b")
    if has_tail(layer.outputs):
        yield from ("@ the last channel", *plan.last_block(), f"ldrd r11, r12, {plan.slot(OUT0)}")
        yield from plan.last_stored(plan.channel_bytes)
        yield f"strd r11, r12, {plan.slot(OUT0)}"
    if layer.outputs % LANES == 2:
        back = plan.channel_bytes
        yield f"ldr r6, {plan.slot(CONSTANTS)}"
        yield from add_constant("r6", "r6", len(triples(layer.outputs)) * plan.constants_bytes)
        yield from ("cmp r1, r6", "beq 4f", f"str r6, {plan.slot(END)}")
        if layer.target is Format.NHWC:
            yield from (f"sub r11, #{back}", f"sub r12, #{back}")
        else:
            yield f"sub r11, r11, #{back}"
        yield from (f"strd r11, r12, {plan.slot(OUT0)}", "b.w 2b", "4:")
