"""Six sums of products at once, 2 pixels x 3 output channels: three products an SMLAL.

An activation word holds two pixels, p = a0 + a1 2^22 (PAIRS of formats.py), a weight word two of three output
channels: w0 + w1 2^22 and w1 + w2 2^22. With y(pixel, channel) for a sum over the inputs, two SMLALs an input
add up

    A = sum p (w0 + w1 2^22) = y00 + (y01 + y10) 2^22 + y11 2^44
    B = sum p (w1 + w2 2^22) = y01 + (y02 + y11) 2^22 + y12 2^44

Four inputs: 3 LDM + 8 SMLAL = 11 instructions for 24 products, 0.458 each.

Exactness  A and B begin at 2^21 + 2^43, which keeps their two low lanes non-negative, so that no borrow
crosses lanes, as long as |y| < 2^21 and |y + y'| < 2^21 there, and |y| < 2^19 in the highest lane of 20 bits.
With S = sum of |w| and inputs in [-128, 127]: S1, S2 <= 4095 and S0 + S1 <= 16383, of the three channels.
Where the real weights break that, the inputs are cut into segments, each within it (Segments).

Split of lanes, 14 instructions with the bias; all sums leave times 2^10, modulo 2^32, which lets ADD's
shifted operand cut the lanes above off. lo, hi are a register pair's halves:
    y00 2^10 = A.lo << 10 - 2^31          y01 2^10 = B.lo << 10 - 2^31          their lane holds 2^21 more
    y11 2^10 = (A.hi >> 12) << 10         y12 2^10 = (B.hi >> 12) << 10
    y10 2^10 = (A.lo >>> 22 + A.hi << 10 - B.lo) << 10                          2^21 on both sides
    y02 2^10 = (B.lo >>> 22 + B.hi << 10 - A.hi >> 12) << 10 - 2^31
The bias words hold bias 2^10 + 2^31 to make up for it; with further segments what they leave is added in the
stack frame. Sums that must leave times 2 (ties away from zero) are cut by UBFX and SBFX, four instructions
more, and each biased by 2^22 where a lane holds 2^21 more.

Registers  r0 activations    r1 constants    r2:r3 A    r4:r5 B
           r6-r9 activation words            r10-r12, lr weight words
           after the split: r2 y00  r3 y11  r4 y01  r5 y12  r9 y10  r10 y02; r6-r8, r11, r12, lr free
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

import numpy as np

from mcu_nas.compiler.generators.formats import PAIR_SHIFT
from mcu_nas.compiler.generators.function_text import inner_loop
from mcu_nas.compiler.generators.requantization import Rescaling, instructions

LANES = 3  # output channels of a block
LARGEST_ALONE, LARGEST_TOGETHER = 4095, 16383  # of sum |w|: 128 * 4095 < 2^19, 128 * 16383 < 2^21
LONGEST_UNROLLED = 128  # inputs
PARTIAL_SUMS_BYTES = 24  # at sp, where there is more than one segment

_OFFSET = 1 << (PAIR_SHIFT - 1)
_BEGIN = [_OFFSET, _OFFSET << PAIR_SHIFT >> 32] * 2  # A, B: 2^21 + 2^43
SCALED_BITS = 32 - PAIR_SHIFT  # sums leave times 2^10
_HIGH_LANE = 2 * PAIR_SHIFT - 32  # where the highest lane begins in hi
_BIASES = ("r6", "r7", "r8", "r11", "r12", "lr")  # of the sums in this order:
_SUMS = ("r2", "r3", "r4", "r5", "r9", "r10")  # y00 y11 y01 y12 y10 y02
_CHANNEL_OF_SUM = (0, 1, 1, 2, 0, 2)
_LANE_IS_OFFSET = (True, False, True, False, False, True)
OUTPUTS = (("r2", "r9"), ("r4", "r3"), ("r10", "r5"))  # of each channel: pixel 0, pixel 1


@dataclass(frozen=True)
class Segments:
    """The inputs, cut: ``full`` segments of ``length`` inputs, then one of ``rest`` (0: none)."""

    length: int
    full: int
    rest: int

    @property
    def count(self) -> int:
        return self.full + (self.rest > 0)

    @property
    def ranges(self) -> list[tuple[int, int]]:
        """(first input, number of inputs) of each."""
        ranges = [(number * self.length, self.length) for number in range(self.full)]
        return ranges + ([(self.full * self.length, self.rest)] if self.rest else [])


def triples(channels: int) -> list[tuple[int, int, int]]:
    """The blocks' output channels. Of 3n + 2 the last three overlap the block before; of 3n + 1 the last is
    left to one_lane.py."""
    begins = list(range(0, channels - 2, LANES))
    if channels % LANES == 2:
        begins.append(channels - LANES)
    return [(begin, begin + 1, begin + 2) for begin in begins]


def segments(weights: np.ndarray) -> Segments:
    """The fewest segments whose lanes hold all sums, for int8 weights (channels, inputs).

    One more of them is taken where all then have one length, and share their code where it is long.
    """
    inputs = weights.shape[1]
    count = -(-inputs // LONGEST_UNROLLED)
    fitting: list[Segments] = []
    while len(fitting) < 2 and not (fitting and fitting[0].rest == 0):
        length = inputs if count == 1 else -(-inputs // count // 4) * 4
        cut = Segments(length, inputs // length, inputs % length)
        if all(_fits(weights[:, begin : begin + size]) for begin, size in cut.ranges):
            fitting.append(cut)
        count += 1
    return min(fitting, key=lambda cut: (cut.rest > 0, cut.count))


def _fits(weights: np.ndarray) -> bool:
    every = np.abs(weights.astype(np.int64)).sum(axis=1)
    sums = every[np.array(triples(len(weights)))]
    alone = sums[:, 1:].max() <= LARGEST_ALONE and every.max() <= LARGEST_TOGETHER
    return bool(alone and (sums[:, 0] + sums[:, 1]).max() <= LARGEST_TOGETHER)


def weight_words(weights: np.ndarray) -> np.ndarray:
    """int8 (3, inputs) as uint32 (2 * inputs,): of each input w0 + w1 2^22, w1 + w2 2^22."""
    wide = weights.astype(np.int64)
    return (wide[:2] + (wide[1:] << PAIR_SHIFT)).T.reshape(-1).astype(np.uint32)


def begin_words(cut: Segments) -> np.ndarray:
    """What A and B begin with, where the constants hold it: uint32 (4,) or (0,)."""
    return np.array(_BEGIN if cut.count == 1 else [], np.uint32)


def bias_words(bias: np.ndarray, segment_count: int, scale_bits: int) -> np.ndarray:
    """int64 biases (3,) as uint32 (6,), with what the lanes' offsets leave taken off for every segment."""
    offset = -_OFFSET * segment_count << scale_bits  # 2^31 modulo 2^32 where sums leave times 2^10
    words = [
        (int(bias[channel]) << scale_bits) + (offset if is_offset else 0)
        for channel, is_offset in zip(_CHANNEL_OF_SUM, _LANE_IS_OFFSET, strict=True)
    ]
    return np.array(words, np.int64).astype(np.uint32)


def factor_words(form: Rescaling, channels: tuple[int, ...]) -> np.ndarray:
    """m and C of each channel, and E where the layer's differ: uint32."""
    rows = [form.multipliers, form.constants]
    if form.final_shift is None:
        rows.append(form.final_shifts)
    return np.stack(rows, 1)[list(channels)].reshape(-1).astype(np.uint32)


def sums(cut: Segments, scale_bits: int, frame_counter: int) -> Iterator[str]:
    """From the activations at r0 and a triple's constants at r1 to its six scaled sums.

    frame_counter: where in the stack frame segments are counted, where there are several of equal length.
    """
    if cut.count == 1:
        yield "ldm r1!, {r2-r5}  @ A and B begin with the lanes' offsets"
        yield from _segment(cut.length)
        yield from _split()
        yield f"ldm r1!, {{{', '.join(_BIASES)}}}  @ biases"
        yield from _added(scale_bits)
        return
    yield f"ldm r1!, {{{', '.join(_BIASES)}}}  @ biases"
    yield f"stm sp, {{{', '.join(_BIASES)}}}"
    loops = cut.full > 1 and (cut.count > 2 or 2 * cut.length > LONGEST_UNROLLED)
    if loops:
        yield from (f"mov r6, #{cut.full}", f"str r6, [sp, #{frame_counter}]", "3:")
        yield from _accumulated(cut.length, scale_bits, is_last=False)
        yield from (
            f"ldr r6, [sp, #{frame_counter}]",
            "subs r6, #1",
            f"str r6, [sp, #{frame_counter}]",
            "bne.w 3b",
        )
    lengths = ([] if loops else [cut.length] * cut.full) + ([cut.rest] if cut.rest else [])
    for number, length in enumerate(lengths, 1):
        yield from _accumulated(length, scale_bits, is_last=number == len(lengths))


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


def _accumulated(length: int, scale_bits: int, *, is_last: bool) -> Iterator[str]:
    """A segment, its sums added to those in the stack frame, where all but the last leave the result."""
    yield from (f"mov {low}, #{_BEGIN[0]}" for low in ("r2", "r4"))
    yield from (f"mov {high}, #{_BEGIN[1]}" for high in ("r3", "r5"))
    yield from _segment(length)
    yield from _split()
    yield f"ldm sp, {{{', '.join(_BIASES)}}}  @ sums so far"
    yield from _added(scale_bits)
    if not is_last:
        yield f"stm sp, {{{', '.join(_SUMS)}}}"


def _segment(length: int) -> Iterator[str]:
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


def _split() -> Iterator[str]:
    """The middle lanes into r9 and r10, the highest into r3 and r5; the lowest stay in r2 and r4."""
    above = 32 - PAIR_SHIFT
    yield f"lsr r9, r2, #{PAIR_SHIFT}"
    yield f"add r9, r9, r3, lsl #{above}"
    yield "sub r9, r9, r4  @ y10"
    yield f"lsr r10, r4, #{PAIR_SHIFT}"
    yield f"add r10, r10, r5, lsl #{above}"
    yield f"asr r3, r3, #{_HIGH_LANE}  @ y11"
    yield "sub r10, r10, r3  @ y02"
    yield f"asr r5, r5, #{_HIGH_LANE}  @ y12"


def _added(scale_bits: int) -> Iterator[str]:
    """The split sums scaled and added to what the bias registers hold."""
    cut_by_shift = scale_bits == SCALED_BITS
    for target, bias, is_offset in zip(_SUMS, _BIASES, _LANE_IS_OFFSET, strict=True):
        if not cut_by_shift and target not in ("r3", "r5"):
            yield f"{'u' if is_offset else 's'}bfx {target}, {target}, #0, #{PAIR_SHIFT}"
        yield f"add {target}, {bias}, {target}, lsl #{scale_bits}"
