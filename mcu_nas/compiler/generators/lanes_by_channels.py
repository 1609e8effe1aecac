"""The three-lane pointwise kernel with weights of one byte: for each triple of channels, all pairs of pixels.

A triple's weights are unpacked into scratch first: of four inputs, three words become eight,
    SXTB, SXTB, SXTB, ADD w0 + w1 2^22, ADD w1 + w2 2^22
an input, with LDM, STM and the loop 22.5 to 24 instructions for 12 weights, or 1.9 / pixels for each product.

``counted``: how many pixels there are, at most the layer's, is in r4, and in and out are the first one's in
running order; else they are the layer's.

Registers of unpacking: r0 constants, r1 scratch, r10-r12 four weights of each channel, r4-r10 and r12 words
of four inputs (the last input's where its weights were), r3 one weight of the second channel, r2 turns left.
Between blocks: r11 and r12 outputs of both pixels, lr where the activations end.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

from mcu_nas.compiler.generators.formats import PAIR_SHIFT, Format
from mcu_nas.compiler.generators.immediates import add_constant, load_constant
from mcu_nas.compiler.generators.lane_plan import END, OUT0, OUT1, STREAM, LanePlan
from mcu_nas.compiler.generators.lane_segments import LANES, triples
from mcu_nas.compiler.generators.one_lane import has_tail
from mcu_nas.compiler.generators.pair_gather import gather_pair
from mcu_nas.compiler.generators.plane_border import filled_planes

_CONSTANTS, _TRIPLES_LEFT, _ACTIVATIONS, _OUTPUT, _PIXELS = range(5, 10)  # slots; STREAM: the unpacked triple
_COPIED_AT_ONCE = 9  # words: r2-r10
_FEW_PIXELS = 15  # for which unpacking is worth 260 bytes of code more
_QUADS_OF_FEW, _QUADS_OF_MANY = 4, 1  # of weights that a turn unpacks, at most
_UNPACKED = (("r4", "r5"), ("r6", "r7"), ("r8", "r9"), ("r10", "r12"))  # words of each of four inputs


def by_channels(plan: LanePlan, *, counted: bool = False) -> Iterator[str]:
    """The function's instructions. ``counted``: from NHWC to NHWC."""
    layer = plan.layer
    yield from ("push {r4-r11, lr}", f"sub sp, #{plan.frame_bytes}")
    if counted:
        yield f"str r4, {plan.slot(_PIXELS)}"
    if layer.target is Format.PLANES:
        yield from filled_planes(plan.planes)
    yield from (f"str r2, {plan.slot(_CONSTANTS)}", f"str r3, {plan.slot(STREAM)}")
    if layer.target is Format.NHWC and not counted:
        yield from add_constant("r1", "r1", layer.first * layer.outputs)
    yield f"str r1, {plan.slot(_OUTPUT)}"
    if layer.source is Format.NHWC:
        yield from add_constant("r1", "r3", plan.activations_offset)
        yield f"str r1, {plan.slot(_ACTIVATIONS)}"
        yield from _gathered(plan, counted)
    else:
        yield f"str r0, {plan.slot(_ACTIVATIONS)}"
    yield from (f"mov r12, #{len(triples(layer.outputs))}", f"str r12, {plan.slot(_TRIPLES_LEFT)}")
    yield "1:  @ a triple of channels"
    yield from _unpacked(plan)
    yield from _pairs(plan, plan.block, plan.stored, counted)
    yield from _next_outputs(plan)
    yield from (f"ldr r6, {plan.slot(_TRIPLES_LEFT)}", "subs r6, #1", f"str r6, {plan.slot(_TRIPLES_LEFT)}")
    if layer.outputs % LANES == 2:
        back = plan.channel_bytes
        yield from ("cmp r6, #1", "ittt eq", f"ldreq r11, {plan.slot(_OUTPUT)}")
        yield f"subeq r11, r11, #{back}"
        yield from (f"streq r11, {plan.slot(_OUTPUT)}", "cmp r6, #0")
    yield "bne.w 1b"
    if has_tail(layer.outputs):
        yield "@ the last channel"
        yield from _unpacked_last(plan)
        yield from _pairs(plan, plan.last_block, plan.last_stored, counted)
    yield from (f"add sp, #{plan.frame_bytes}", "pop {r4-r11, pc}")


def _next_outputs(plan: LanePlan) -> Iterator[str]:
    yield f"ldr r11, {plan.slot(_OUTPUT)}"
    yield from add_constant("r11", "r11", LANES * plan.channel_bytes)
    yield f"str r11, {plan.slot(_OUTPUT)}"


def _gathered(plan: LanePlan, counted: bool) -> Iterator[str]:
    """All pixels from r0 as PAIRS to r1, in running order; the last of an odd number twice."""
    layer = plan.layer
    if counted:
        yield "mov r11, r4"
    else:
        yield from add_constant("r0", "r0", layer.first * layer.inputs)
        yield f"mov r11, #{layer.pixels}"
    yield "5:  @ a pair into scratch"
    yield from add_constant("r2", "r0", layer.step * layer.inputs)
    if counted or layer.pixels % 2:
        yield from ("cmp r11, #1", "it eq", "moveq r2, r0")
    yield from gather_pair(layer.inputs)
    yield from (*add_constant("r0", "r2", layer.to_next * layer.inputs), "subs r11, #2", "bgt.w 5b")


def _unpacked(plan: LanePlan) -> Iterator[str]:
    """The triple's constants into scratch: head, weights, and the tail over weights beyond the last input."""
    inputs = plan.layer.inputs
    yield from (f"ldr r0, {plan.slot(_CONSTANTS)}", f"ldr r1, {plan.slot(STREAM)}")
    yield from _copied(plan.head_words)
    quads = -(-inputs // 4)
    few = plan.layer.pixels <= _FEW_PIXELS
    together = math.gcd(quads, _QUADS_OF_FEW if few else _QUADS_OF_MANY)
    yield from (f"mov r2, #{quads // together}", "7:  @ weights of four inputs at a time")
    for _ in range(together):
        yield from _unpacked_quad()
    yield from ("subs r2, #1", "bne.w 7b", *add_constant("r1", "r1", -8 * (-inputs % 4)))
    yield from _copied(plan.tail_words)
    yield f"str r0, {plan.slot(_CONSTANTS)}"


def _unpacked_quad() -> Iterator[str]:
    """Four weights of each channel to the eight words of four inputs."""
    yield "ldm r0!, {r10-r12}"
    for place, (first, second) in enumerate(_UNPACKED):
        turned = f", ror #{8 * place}" if place else ""
        yield from (f"sxtb r3, r11{turned}", f"sxtb {second}, r12{turned}", f"sxtb {first}, r10{turned}")
        yield f"add {first}, {first}, r3, lsl #{PAIR_SHIFT}"
        yield f"add {second}, r3, {second}, lsl #{PAIR_SHIFT}"
    yield "stm r1!, {r4-r10, r12}"


def _unpacked_last(plan: LanePlan) -> Iterator[str]:
    """The last channel's: a word of each weight, then the rest over weights beyond the last input."""
    quads = -(-plan.layer.inputs // 4)
    yield from (f"ldr r0, {plan.slot(_CONSTANTS)}", f"ldr r1, {plan.slot(STREAM)}")
    yield from (f"mov r2, #{quads}", "7:  @ four weights", "ldr r3, [r0], #4", "sxtb r4, r3")
    yield from (f"sxtb r{4 + place}, r3, ror #{8 * place}" for place in (1, 2, 3))
    yield from ("stm r1!, {r4-r7}", "subs r2, #1", "bne 7b")
    yield from add_constant("r1", "r1", -4 * (-plan.layer.inputs % 4))
    yield from _copied(len(plan.last_constants) - quads)


def _copied(words: int) -> Iterator[str]:
    together = -(-words // -(-words // _COPIED_AT_ONCE))
    for begin in range(0, words, together):
        last = 1 + min(together, words - begin)
        yield from (f"ldm r0!, {{r2-r{last}}}", f"stm r1!, {{r2-r{last}}}")


def _pairs(
    plan: LanePlan,
    block: Callable[[], Iterator[str]],
    stored: Callable[[int], Iterator[str]],
    counted: bool,
) -> Iterator[str]:
    """All pairs of pixels of a triple, or of the last channel."""
    layer = plan.layer
    yield f"ldr r11, {plan.slot(_OUTPUT)}"
    if layer.target is Format.NHWC:
        yield from add_constant("r12", "r11", layer.step * layer.outputs)
    if layer.target is Format.PLANES:
        yield from add_constant("r12", "r11", 2 * plan.planes.columns)
    if counted:
        yield from (f"ldr r6, {plan.slot(_PIXELS)}", "cmp r6, #1", "it eq", "moveq r12, r11")
    yield f"strd r11, r12, {plan.slot(OUT0)}"
    yield f"ldr r0, {plan.slot(_ACTIVATIONS)}"
    yield from _end_of_pairs(plan, counted)
    yield from (f"ldr r1, {plan.slot(STREAM)}", "2:  @ a pair of pixels")
    yield from block()
    yield from plan.reloaded("r1")
    yield from stored(plan.pair_bytes)
    if layer.target is Format.PLANES:
        yield from ("cmp r11, r12  @ at the row's end", "itt eq")
        yield f"addeq r11, r11, #{2 * (plan.planes.row_stride - plan.planes.columns)}"
        yield f"addeq r12, r12, #{2 * plan.planes.row_stride}"
    yield from (f"strd r11, r12, {plan.slot(OUT0)}", "cmp r0, lr", "bne.w 2b")
    if counted or _last_is_alone(plan):
        yield from _end_of_pixels(plan, counted)
        yield from ("cmp r0, r6", "beq 4f  @ else a pixel that has no second output")
        yield from (f"str r6, {plan.slot(END)}", f"str r11, {plan.slot(OUT1)}", "b.w 2b", "4:")


def _last_is_alone(plan: LanePlan) -> bool:
    return plan.layer.pixels % 2 == 1 and plan.layer.target is Format.NHWC


def _end_of_pairs(plan: LanePlan, counted: bool) -> Iterator[str]:
    """Where the activations of whole pairs end, or of a pixel that is the only one, from r0 and r6."""
    pair_bytes = 4 * plan.layer.inputs
    if counted:
        yield from ("lsrs r7, r6, #1", "it eq", "moveq r7, #1", *load_constant("r8", pair_bytes))
        yield "mla r12, r7, r8, r0"
    else:
        pairs = plan.layer.pixels // 2 if _last_is_alone(plan) else -(-plan.layer.pixels // 2)
        yield from add_constant("r12", "r0", pairs * pair_bytes)
    yield f"str r12, {plan.slot(END)}"


def _end_of_pixels(plan: LanePlan, counted: bool) -> Iterator[str]:
    """r6: where all activations end, those of a pixel alone included."""
    pair_bytes = 4 * plan.layer.inputs
    yield f"ldr r6, {plan.slot(_ACTIVATIONS)}"
    if counted:
        yield from (f"ldr r7, {plan.slot(_PIXELS)}", "add r7, r7, #1", "lsr r7, r7, #1")
        yield from (*load_constant("r8", pair_bytes), "mla r6, r7, r8, r6")
    else:
        yield from add_constant("r6", "r6", -(-plan.layer.pixels // 2) * pair_bytes)
