"""Six sums of products at once, 2 pixels x 3 output channels: three products an SMLAL.

An activation word holds two pixels, p = a0 + a1 2^22 (PAIRS of formats.py), a weight word two of three output
channels: w0 + w1 2^22 and w1 + w2 2^22. With y(pixel, channel) for a sum over the inputs, two SMLALs an input
add up

    A = sum p (w0 + w1 2^22) = y00 + (y01 + y10) 2^22 + y11 2^44
    B = sum p (w1 + w2 2^22) = y01 + (y02 + y11) 2^22 + y12 2^44

Four inputs: 3 LDM + 8 SMLAL = 11 instructions for 24 products, 0.458 each.

Exactness  A and B begin at 2^21 + 2^43, which keeps their two low lanes non-negative, so that no borrow
crosses lanes, as long as |y| < 2^21 and |y + y'| < 2^21 there, and |y| < 2^19 in the highest lane of 20 bits.
lane_segments.py cuts the inputs so that the real weights keep that: after each piece but a segment's last the
highest lanes are emptied into the stack frame, after each segment all lanes are split.

Split of lanes, 12 instructions with the bias; all sums leave times 2^s, modulo 2^32. lo, hi are a register
pair's halves, m01 = y01 + y10 and m12 = y02 + y11 the middle lanes, b biases:
    t11 = b1 + A.hi >> 12                 t12 = b2 + B.hi >> 12
    m01 = b0 + b1 + A.lo >>> 22 + A.hi << 10        m12 the same of B, with b1 + b2
    y00 2^s = b0 2^s + A.lo << s          y01 2^s = b1 2^s + B.lo << s
    y11 2^s = t11 << s                    y12 2^s = t12 << s
    y10 2^s = m01 << s - y01 2^s          y02 2^s = m12 << s - y11 2^s
s = 10 cuts off what lies above each lane. Sums that must leave times 2 (ties away from zero) are cut by BFC
and UBFX, four instructions more. The bias words make up for the lanes' offsets of 2^21; further segments are
added to them in the stack frame.

Registers  r0 activations    r1 constants    r2:r3 A    r4:r5 B
           r6-r9 activation words            r10-r12, lr weight words
           after the split: r2 y00  r3 y11  r4 y01  r5 y12  r9 y10  r10 y02; r6-r8, r11, r12, lr free
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

import numpy as np

from mcu_nas.compiler.generators.formats import PAIR_SHIFT
from mcu_nas.compiler.generators.function_text import inner_loop
from mcu_nas.compiler.generators.lane_segments import LANES, Segments
from mcu_nas.compiler.generators.requantization import Rescaling, instructions

PARTIAL_SUMS_BYTES = 28  # at sp, where the inputs are cut: six sums and, in a loop, segments that remain

_OFFSET = 1 << (PAIR_SHIFT - 1)
_BEGIN = [_OFFSET, _OFFSET << PAIR_SHIFT >> 32] * 2  # A, B: 2^21 + 2^43
_LOADED_BEGIN = "ldm r1!, {r2-r5}  @ A and B begin with the lanes' offsets"
SCALED_BITS = 32 - PAIR_SHIFT  # sums leave times 2^10
_HIGH_LANE = 2 * PAIR_SHIFT - 32  # where the highest lane begins in hi
_HIGHEST = ("r6", "r7")  # t11, t12
_LOWEST = ("r8", "r11")  # y00, y01
_MIDDLE = ("r12", "lr")  # m01, m12
_BIASES = (*_HIGHEST, *_LOWEST, *_MIDDLE)
_COUNTER = "r10"
OUTPUTS = (("r2", "r9"), ("r4", "r3"), ("r10", "r5"))  # of each channel: pixel 0, pixel 1


def weight_words(weights: np.ndarray) -> np.ndarray:
    """int8 (3, inputs) as uint32 (2 * inputs,): of each input w0 + w1 2^22, w1 + w2 2^22."""
    wide = weights.astype(np.int64)
    return (wide[:2] + (wide[1:] << PAIR_SHIFT)).T.reshape(-1).astype(np.uint32)


def begin_words(cut: Segments) -> np.ndarray:
    """What A and B begin with, where the constants hold it: uint32 (4,) or (0,)."""
    return np.array([] if cut.loops else _BEGIN, np.uint32)


def bias_words(bias: np.ndarray, segment_count: int, scale_bits: int) -> np.ndarray:
    """int64 biases (3,) as uint32 (6,), with what the lanes' offsets leave taken off for every segment."""
    zero, one, two = map(int, bias)
    offset = _OFFSET * segment_count
    lowest = [(value - offset) << scale_bits for value in (zero, one)]
    words = [one, two, *lowest, zero + one - offset, one + two - offset]
    return np.array(words, np.int64).astype(np.uint32)


def factor_words(form: Rescaling, channels: tuple[int, ...]) -> np.ndarray:
    """m and C of each channel, and E where the layer's differ: uint32."""
    rows = [form.multipliers, form.constants]
    if form.final_shift is None:
        rows.append(form.final_shifts)
    return np.stack(rows, 1)[list(channels)].reshape(-1).astype(np.uint32)


def sums(cut: Segments, scale_bits: int) -> Iterator[str]:
    """From the activations at r0 and a triple's constants at r1 to its six scaled sums."""
    if cut.is_whole:
        yield _LOADED_BEGIN
        yield from _piece(cut.length)
        yield f"ldm r1!, {{{', '.join(_BIASES)}}}  @ biases"
        yield from _added(scale_bits, is_last=True)
        yield from _finished(scale_bits)
        return
    yield f"ldm r1!, {{{', '.join(_BIASES)}}}  @ biases"
    if cut.loops:
        yield f"mov {_COUNTER}, #{cut.full}"
    yield f"stm sp, {{{_in_frame(cut)}}}"
    lengths = ([] if cut.loops else [cut.length] * cut.full) + ([cut.rest] if cut.rest else [])
    if cut.loops:
        yield "3:  @ a segment"
        yield from (*_moved_begin(), *_segment(cut.length, cut.piece))
        yield f"ldm sp, {{{_in_frame(cut)}}}  @ sums so far, and segments that remain"
        yield from _added(scale_bits, is_last=False)
        yield from (f"subs {_COUNTER}, #1", f"stm sp, {{{_in_frame(cut)}}}", "bne.w 3b")
    for number, length in enumerate(lengths, 1):
        yield from ([_LOADED_BEGIN] if number == 1 and not cut.loops else _moved_begin())
        yield from _segment(length, cut.piece)
        is_last = number == len(lengths)
        yield f"ldm sp, {{{_in_frame(cut)}}}  @ sums so far"
        yield from _added(scale_bits, is_last=is_last)
        if not is_last:
            yield f"stm sp, {{{_in_frame(cut)}}}"
    if not lengths:
        yield from (f"mov r2, {_LOWEST[0]}", f"mov r4, {_LOWEST[1]}")
    yield from _finished(scale_bits)


def outputs(form: Rescaling) -> Iterator[str]:
    """From the six sums to six sign-extended int8 values, in place."""
    if form.final_shift is not None and not (form.ties_away or form.low or form.high):
        yield "ldm r1!, {r6-r8, r11, r12, lr}  @ m and C of three channels"
        factors = (("r6", "r7"), ("r8", "r11"), ("r12", "lr"))
        pairs = [
            instructions(form, register, *factor)
            for factor, registers in zip(factors, OUTPUTS, strict=True)
            for register in registers
        ]
        for step in zip(*pairs, strict=True):
            yield from step
        return
    if form.low:
        yield f"mov r11, #{form.low}  @ the clamp's lower side"
    if form.high:
        yield f"mov lr, #{form.high}  @ the clamp's upper side"
    final = "r8" if form.final_shift is None else ""
    for registers in OUTPUTS:
        yield "ldm r1!, {r6-r8}  @ m, C and E of a channel" if final else "ldrd r6, r7, [r1], #8  @ m and C"
        for register in registers:
            yield from instructions(
                form, register, "r6", "r7", temporary="r12", final=final, low="r11", high="lr"
            )


def _moved_begin() -> Iterator[str]:
    yield from (f"mov {low}, #{_BEGIN[0]}" for low in ("r2", "r4"))
    yield from (f"mov {high}, #{_BEGIN[1]}" for high in ("r3", "r5"))


def _segment(length: int, piece: int) -> Iterator[str]:
    """A segment's products; the highest lanes of all but its last piece are added to those in the frame."""
    for begin in range(0, length, piece):
        if begin:
            yield f"ldrd {', '.join(_HIGHEST)}, [sp]  @ the highest lanes are emptied"
            yield from _highest_added()
            yield f"strd {', '.join(_HIGHEST)}, [sp]"
            yield from _highest_cleared()
        yield from _piece(min(piece, length - begin))


def _piece(length: int) -> Iterator[str]:
    fours = (_inputs(min(4, length - begin)) for begin in range(0, length, 4))
    yield from inner_loop(2 * LANES * length, chain.from_iterable(fours))


def _inputs(count: int) -> Iterator[str]:
    """Up to four inputs."""
    words = ("r6", "r7", "r8", "r9")[:count]
    yield f"ldm r0!, {{{', '.join(words)}}}" if count > 1 else "ldr r6, [r0], #4"
    for first in range(0, count, 2):
        pair = words[first : first + 2]
        weights = (("r10", "r11"), ("r12", "lr"))[: len(pair)]
        yield f"ldm r1!, {{{', '.join(word for both in weights for word in both)}}}"
        for activation, (low, high) in zip(pair, weights, strict=True):
            yield f"smlal r2, r3, {activation}, {low}"
            yield f"smlal r4, r5, {activation}, {high}"


def _highest_added() -> Iterator[str]:
    for total, high in zip(_HIGHEST, ("r3", "r5"), strict=True):
        yield f"add {total}, {total}, {high}, asr #{_HIGH_LANE}"


def _highest_cleared() -> Iterator[str]:
    yield from (f"bfc {high}, #{_HIGH_LANE}, #{32 - _HIGH_LANE}" for high in ("r3", "r5"))


def _in_frame(cut: Segments) -> str:
    """What the stack frame holds between segments, in ascending order of registers."""
    registers = {*_BIASES, _COUNTER} if cut.loops else {*_BIASES}
    return ", ".join(name for name in ("r6", "r7", "r8", "r10", "r11", "r12", "lr") if name in registers)


def _added(scale_bits: int, *, is_last: bool) -> Iterator[str]:
    """The lanes split and added to what the bias registers hold; the last lowest ones go to r2 and r4."""
    cut_by_shift = scale_bits == SCALED_BITS
    yield from _highest_added()
    if not cut_by_shift:
        yield from _highest_cleared()
    for total, low, high in zip(_MIDDLE, ("r2", "r4"), ("r3", "r5"), strict=True):
        yield f"add {total}, {total}, {low}, lsr #{PAIR_SHIFT}"
        yield f"add {total}, {total}, {high}, lsl #{32 - PAIR_SHIFT}"
    for total, low in zip(_LOWEST, ("r2", "r4"), strict=True):
        if not cut_by_shift:
            yield f"ubfx {low}, {low}, #0, #{PAIR_SHIFT}"
        yield f"add {low if is_last else total}, {total}, {low}, lsl #{scale_bits}"


def _finished(scale_bits: int) -> Iterator[str]:
    """From the sums of split lanes to the six scaled sums."""
    for target, total in zip(("r3", "r5"), _HIGHEST, strict=True):
        yield f"lsl {target}, {total}, #{scale_bits}"
    for target, total, taken_off in zip(("r9", "r10"), _MIDDLE, ("r4", "r3"), strict=True):
        yield f"rsb {target}, {taken_off}, {total}, lsl #{scale_bits}"
