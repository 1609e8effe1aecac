"""Sums of each channel over all pixels of NHWC int8, ARMv7E-M: four channels at once.

A word holds four channels of a pixel. SXTAB16 adds two of them, sign-extended, to the halves of a register,
and with ROR #8 the other two: LDR + 2 SXTAB16 for four values, 0.75 a value. A half holds the sum of up to
256 bytes. What a kernel makes of a sum (Finish) follows: global_average.py.

Registers
    r0           the next pixel, at its first of the four channels
    r1           the next output
    r2           the end of the loop over pixels
    r3           four channels, as often as they remain
    r4, r5       sums of the first and third of the four channels, and of the second and fourth
    r6, r7       two pixels; then a sum and a temporary
    r8, r9, r12, lr   constants of the finish

Channels that are not a multiple of four: the last four overlap the four before, and what they have in common
is computed twice.

in, out: any alignment; they must not overlap.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from mcu_nas.compiler.generators.function_text import assembly_file, function, inner_loop
from mcu_nas.compiler.generators.generated import GeneratedKernel, Refusal
from mcu_nas.compiler.generators.immediates import add_constant

MOST_PIXELS = 256  # 256 * -128 = -2^15
QUAD = 4
CONSTANTS = ("r8", "r9", "r12", "lr")
SUM, TEMPORARY = "r6", "r7"
_STACK_BYTES = 28  # r4-r9, lr
_COPIES = 8  # pixels of a turn of the loop, an even number
_POST_INDEX_REACH, _LOAD_REACH = 255, 4095  # bytes


@dataclass(frozen=True)
class Finish:
    """From a sum to its output.

    Attributes:
        constants: words that the registers CONSTANTS hold, as many as there are.
        lines: code of one channel, from the register of its sum and the half of it, "b" or "t", to the output
            in SUM; it may use TEMPORARY.
    """

    constants: tuple[int, ...]
    lines: Callable[[str, str], Iterable[str]]


def channel_sums(
    pixels: int, channels: int, finish: Finish, symbol: str, comment: Iterable[str]
) -> GeneratedKernel:
    """The kernel of one layer, without scratch.

    Raises:
        Refusal: more than 256 pixels, fewer than 4 channels, or more than 4095.
    """
    if not (pixels <= MOST_PIXELS and QUAD <= channels <= _LOAD_REACH):
        raise Refusal(f"{pixels} pixels of {channels} channels: at most 256 of 4 to {_LOAD_REACH}")
    lines = _lines(pixels, channels, finish)
    return GeneratedKernel(
        symbol=symbol,
        assembly=assembly_file(
            [*comment, "r0 in, r1 out, r2 constants. channel_sums.py has the register plan."],
            function(symbol, lines, is_global=True),
        ),
        constants=np.array([word % (1 << 32) for word in finish.constants], np.uint32),
        scratch_bytes=0,
        stack_bytes=_STACK_BYTES,
    )


def _lines(pixels: int, channels: int, finish: Finish) -> Iterator[str]:
    quads, rest = divmod(channels, QUAD)
    turns = quads + bool(rest)
    held = ", ".join(CONSTANTS[: len(finish.constants)])
    yield from ("push {r4-r9, lr}", f"ldm r2, {{{held}}}")
    if turns > 1:
        yield from (f"mov r3, #{turns}", "1: @ four channels")
    yield from _sums(pixels, channels)
    places = [("r4", "b"), ("r5", "b"), ("r4", "t"), ("r5", "t")]
    for number, (register, half) in reversed(list(enumerate(places))):
        yield from finish.lines(register, half)
        yield f"strb {SUM}, [r1, #{number}]" if number else f"strb {SUM}, [r1], #4"
    if turns > 1:
        yield from add_constant("r0", "r0", QUAD - pixels * channels)
        yield from ("subs r3, r3, #1", "beq 3f")
        if rest:
            yield "@ the last four channels begin earlier, so that they end with the last"
            yield from (
                "cmp r3, #1",
                "itt eq",
                f"subeq r0, r0, #{QUAD - rest}",
                f"subeq r1, r1, #{QUAD - rest}",
            )
        yield from ("b 1b", "3:")
    yield "pop {r4-r9, pc}"


def _sums(pixels: int, channels: int) -> Iterator[str]:
    """r4 and r5 of four channels; r0 is then behind the last pixel's."""
    reach = (_COPIES - 1) * channels <= _LOAD_REACH
    copies = _COPIES if reach else 2
    loops = pixels // copies if pixels >= 2 * copies else 0
    yield from ("mov r4, #0", "mov r5, #0")
    if loops:
        yield from add_constant("r2", "r0", loops * copies * channels)
        yield "2: @ pixels"
        yield from inner_loop(QUAD * copies, _pixels(copies, channels), "values")
        yield from ("cmp r0, r2", "bne 2b")
    left = pixels - loops * copies
    while left:
        count = min(left, copies)
        yield from inner_loop(QUAD * count, _pixels(count, channels), "values")
        left -= count


def _pixels(count: int, channels: int) -> Iterator[str]:
    """So many pixels added; r0 is then behind them."""
    moves = channels <= _POST_INDEX_REACH
    for first in range(0, count, 2):
        registers = (SUM, TEMPORARY)[: count - first]
        for number, register in enumerate(registers, first):
            yield (
                f"ldr {register}, [r0], #{channels}"
                if moves
                else f"ldr {register}, [r0, #{number * channels}]"
            )
        for register in registers:
            yield from (f"sxtab16 r4, r4, {register}", f"sxtab16 r5, r5, {register}, ror #8")
    if not moves:
        yield from add_constant("r0", "r0", count * channels)
