"""The last output channel of a number 3n + 1, 2 pixels at once: two products an SMLAL.

Behind the triples of three_lanes.py remains one channel. One more triple, overlapping the one before, would
compute two of its channels again; here p = a0 + a1 2^22 of two pixels is multiplied by w alone, sign-extended
to a word:

    A = sum p w = y0 + y1 2^22

Four inputs: 2 LDM + 4 SMLAL, 1.5 an input instead of a triple's 2.75. A loop of 16 inputs costs 2
instructions a turn: one channel of many is worth fewer bytes of code than the triples are. A begins at
2^21 + 2^43, which keeps the low lane non-negative as long as |y0| < 2^21, that is sum of |w| <= 16383 in a
segment of the inputs; the upper lane has 42 bits. y0 is A's lowest 22 bits less 2^21, y1 is A >>> 22 less
2^21, modulo 2^32: one bias word makes up for both. With further segments their sums are added up in r4, r5.

Registers  r0 activations    r1 constants    r2:r3 A
           r4, r5 sums of segments before; of a segment alone r5 turns left
           r6-r9 activation words            r10-r12, lr weight words
           in the end r2 y0, r9 y1
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mcu_nas.compiler.generators.formats import PAIR_SHIFT
from mcu_nas.compiler.generators.lane_segments import LANES, LARGEST_IN_SEGMENT, LONGEST_UNROLLED, Segments
from mcu_nas.compiler.generators.requantization import Rescaling, instructions
from mcu_nas.compiler.generators.three_lanes import SCALED_BITS, factor_words

FIRST, SECOND = "r2", "r9"  # the outputs of both pixels
_OFFSET = 1 << (PAIR_SHIFT - 1)
_ACTIVATIONS: tuple[str, ...] = ("r6", "r7", "r8", "r9")
_WEIGHTS: tuple[str, ...] = ("r10", "r11", "r12", "lr")
_INPUTS_OF_TURN = 16


def has_tail(channels: int) -> bool:
    """Whether one output channel remains behind the triples."""
    return channels % LANES == 1


def tail_segments(weights: np.ndarray, of_triples: Segments) -> Segments:
    """The channel's inputs, uncut where its int8 weights allow it, else cut as ``of_triples``."""
    largest = int(np.abs(weights.astype(np.int64)).sum())
    is_whole = len(weights) <= LONGEST_UNROLLED and largest <= LARGEST_IN_SEGMENT
    return Segments(len(weights), 1, 0, len(weights)) if is_whole else of_triples


def tail_words(form: Rescaling, bias: int, cut: Segments, scale_bits: int, channel: int) -> np.ndarray:
    """What follows the channel's weights: the bias less the lanes' offsets, and its factors: uint32."""
    start = (bias << scale_bits) - (_OFFSET * cut.count << scale_bits)
    return np.concatenate([np.array([start]).astype(np.uint32), factor_words(form, (channel,))])


def tail_block(form: Rescaling, cut: Segments, scale_bits: int, frame_counter: int) -> Iterator[str]:
    """From the activations at r0 and the channel's constants at r1 to two values of int8."""
    yield from _sums(cut, frame_counter)
    yield f"ldm r1!, {{r6-r8{', r10' if form.final_shift is None else ''}}}  @ bias, m and C, and E"
    if scale_bits != SCALED_BITS and cut.count == 1:
        yield f"ubfx {FIRST}, {FIRST}, #0, #{PAIR_SHIFT}"
    yield from (f"add {register}, r6, {register}, lsl #{scale_bits}" for register in (FIRST, SECOND))
    if form.low:
        yield f"mov r11, #{form.low}  @ the clamp's lower side"
    if form.high:
        yield f"mov lr, #{form.high}  @ the clamp's upper side"
    final = "r10" if form.final_shift is None else ""
    for register in (FIRST, SECOND):
        yield from instructions(
            form, register, "r7", "r8", temporary="r12", final=final, low="r11", high="lr"
        )


def _sums(cut: Segments, frame_counter: int) -> Iterator[str]:
    """y0 with its offsets in the lowest 22 bits of r2, or in all of it after several segments; y1 in r9."""
    if cut.count == 1:
        turns, rest = divmod(cut.length, _INPUTS_OF_TURN)
        yield from _begun()
        if turns > 1:
            yield from (f"mov r5, #{turns}", "3:", *_products(_INPUTS_OF_TURN))
            yield from ("subs r5, r5, #1", "bne 3b", *_products(rest))
        else:
            yield from _products(cut.length)
        yield from _upper_lane()
        return
    yield from ("mov r4, #0", "mov r5, #0")
    if cut.full > 1:
        yield from (f"mov r6, #{cut.full}", f"str r6, [sp, #{frame_counter}]", "3:")
    yield from _added(cut.length)
    if cut.full > 1:
        slot = f"[sp, #{frame_counter}]"
        yield from (f"ldr r6, {slot}", "subs r6, #1", f"str r6, {slot}", "bne.w 3b")
    if cut.rest:
        yield from _added(cut.rest)
    yield from (f"mov {FIRST}, r4", f"mov {SECOND}, r5")


def _added(length: int) -> Iterator[str]:
    """One segment's lanes, added to those before."""
    yield from (*_begun(), *_products(length), *_upper_lane())
    yield f"ubfx {FIRST}, {FIRST}, #0, #{PAIR_SHIFT}"
    yield from (f"add r4, r4, {FIRST}", f"add r5, r5, {SECOND}")


def _begun() -> Iterator[str]:
    yield from (f"mov r2, #{_OFFSET}", f"mov r3, #{_OFFSET << PAIR_SHIFT >> 32}")


def _upper_lane() -> Iterator[str]:
    """The second pixel's in r9; the lower lane stays in r2, with what lies above."""
    yield f"lsr {SECOND}, r2, #{PAIR_SHIFT}"
    yield f"add {SECOND}, {SECOND}, r3, lsl #{32 - PAIR_SHIFT}"


def _products(length: int) -> Iterator[str]:
    """Of so many inputs, added to A."""
    for begin in range(0, length, 4):
        count = min(4, length - begin)
        yield _loaded(_ACTIVATIONS[:count], "r0")
        yield _loaded(_WEIGHTS[:count], "r1")
        for activation, weight in zip(_ACTIVATIONS[:count], _WEIGHTS[:count], strict=True):
            yield f"smlal r2, r3, {activation}, {weight}"


def _loaded(registers: tuple[str, ...], pointer: str) -> str:
    if len(registers) == 1:
        return f"ldr {registers[0]}, [{pointer}], #4"
    return f"ldm {pointer}!, {{{', '.join(registers)}}}"
