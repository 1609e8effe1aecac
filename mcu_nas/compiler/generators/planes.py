"""From NHWC int8 to PLANES, ARMv7E-M: four channels at once, four pixels a turn.

A word of NHWC holds four channels a0-a3 of one pixel, the word a pixel further b0-b3. PKHBT and PKHTB make
of them a0 a1 b0 b1 and a2 a3 b2 b3, and SXTB16 with and without ROR #8 makes of each of these two words of
planes: (a1, b1) and (a0, b0). Two such pairs of pixels give two words for each of four channels, one STRD
each. 16 values: 4 LDR + 4 PKH + 8 SXTB16 + 4 STRD = 20 instructions, 1.25 a value.

The border is part of it: a row is written from its left to its right border, with a word of zero points in
the place of pixels that are not there, so that rows follow each other without a gap and pointers never jump.
Rows above and below the image are STMs of zero points.

Registers
    r0      the next pixel, at its first of the four channels
    r1-r4   the four planes, at the next value to write
    r5-r12  two pairs of pixels, in the end eight words of planes
    lr      in loops where they end; elsewhere four bytes of zero point

Channels that are not a multiple of four: the last four channels overlap the four before, and what they have
in common is written twice.

in: any alignment. out: 4-byte aligned; must not overlap the input. Neither constants nor scratch.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from mcu_nas.compiler.generators.formats import Planes
from mcu_nas.compiler.generators.function_text import assembly_file, function
from mcu_nas.compiler.generators.generated import GeneratedKernel, Refusal
from mcu_nas.compiler.generators.immediates import add_constant

QUAD = 4  # channels of a word of NHWC
_PLANES = ("r1", "r2", "r3", "r4")
_PAIRS = (("r5", "r6", "r7", "r8"), ("r9", "r10", "r11", "r12"))
_WORDS = (*_PAIRS[0], *_PAIRS[1])
_FRAME_BYTES = 8
STACK_BYTES = 36 + _FRAME_BYTES  # r4-r11, lr, and the frame
_ROWS_SLOT, _QUADS_SLOT = 0, 4  # of the stack frame: what remains to be done
_COPIES = 2  # of a turn of four pixels in the loop
_POST_INDEX_REACH, _LOAD_REACH = 255, 4095  # bytes


def planes(layout: Planes, symbol: str) -> GeneratedKernel:
    """The writer of one tensor: ``void symbol(const void *in, void *out, const void *, void *)``.

    in: int8 (rows, columns, channels). out: the layout's planes, border included.

    Raises:
        Refusal: fewer than four channels, or pixels too far apart.
    """
    check_writable(layout)
    comment = [
        f"int8 {layout.rows}x{layout.columns}x{layout.channels} to int16 planes of",
        f"{layout.height}x{layout.row_stride} values, four channels at once. r0 in, r1 out.",
        "Written by planes.py, which has the register plan.",
    ]
    return GeneratedKernel(
        symbol=symbol,
        assembly=assembly_file(comment, function(symbol, _all_channels(layout), is_global=True)),
        constants=np.zeros(0, np.uint32),
        scratch_bytes=0,
        stack_bytes=STACK_BYTES,
    )


def four_channels(layout: Planes) -> Iterator[str]:
    """A function's body: the image's rows of four planes to r1, whose borders above and below are there, from
    the channels at r0, a pixel's first of the four."""
    yield from ("push {r4-r11, lr}", f"sub sp, sp, #{_FRAME_BYTES}")
    yield from add_constant("r1", "r1", 2 * layout.top * layout.row_stride)
    yield from _plane_pointers(layout)
    yield from _rows(layout)
    yield from (f"add sp, sp, #{_FRAME_BYTES}", "pop {r4-r11, pc}")


def border_rows(layout: Planes) -> Iterator[str]:
    """A function's body: what lies above and below the image in the four adjacent planes at r0."""
    yield from ("push {r4-r11, lr}", *_zero_words(layout), f"mov r2, #{QUAD}", "1: @ a plane")
    yield from _filled("r0", layout, layout.top)
    yield from add_constant("r0", "r0", 2 * layout.rows * layout.row_stride)
    yield from _filled("r0", layout, layout.bottom)  # to the next plane's begin
    yield from ("subs r2, r2, #1", "bne 1b", "pop {r4-r11, pc}")


def _all_channels(layout: Planes) -> Iterator[str]:
    quads, rest = divmod(layout.channels, QUAD)
    yield from ("push {r4-r11, lr}", f"sub sp, sp, #{_FRAME_BYTES}")
    yield from (f"mov r12, #{quads + bool(rest)}", f"str r12, [sp, #{_QUADS_SLOT}]")
    yield "1: @ four channels"
    yield from _quad(layout)
    yield from (
        f"ldr r12, [sp, #{_QUADS_SLOT}]",
        "subs r12, r12, #1",
        "beq 2f",
        f"str r12, [sp, #{_QUADS_SLOT}]",
    )
    yield "mov r1, r4"
    yield from add_constant("r0", "r0", QUAD - layout.rows * layout.columns * layout.channels)
    if rest:
        yield "@ the last four channels begin earlier, so that they end with the last"
        yield from ("cmp r12, #1", "bne 1b")
        yield from add_constant("r0", "r0", rest - QUAD)
        yield from add_constant("r1", "r1", (rest - QUAD) * 2 * layout.plane_stride)
    yield from ("b 1b", "2:", f"add sp, sp, #{_FRAME_BYTES}", "pop {r4-r11, pc}")


def check_writable(layout: Planes) -> None:
    """Raises Refusal where these planes cannot be written four at a time."""
    if layout.channels < QUAD:
        raise Refusal(f"{layout.channels} channels: four are read at once")
    if (QUAD - 1) * layout.channels > _LOAD_REACH:
        raise Refusal(f"{layout.channels} channels: four pixels lie too far apart")


def _quad(layout: Planes) -> Iterator[str]:
    """Four whole planes. Then r0 is behind the image, r1-r4 are behind their planes."""
    yield from _plane_pointers(layout)
    yield from _border_rows(layout, layout.top, "above")
    yield from _rows(layout)
    yield from _border_rows(layout, layout.bottom, "below")


def _plane_pointers(layout: Planes) -> Iterator[str]:
    """From the first plane's to the others'."""
    for before, after in pairwise(_PLANES):
        yield from add_constant(after, before, 2 * layout.plane_stride)


def _zero_points(layout: Planes, target: str) -> str:
    byte = layout.zero_point & 0xFF
    return f"mov {target}, #{byte * 0x01010101:#x}"


def _border_rows(layout: Planes, rows: int, where: str) -> Iterator[str]:
    if not rows:
        return
    yield from (f"@ {rows} border rows {where}", *_zero_words(layout))
    for plane in _PLANES:
        yield from _filled(plane, layout, rows)


def _zero_words(layout: Planes) -> Iterator[str]:
    """Two zero points in each of the registers for words."""
    first, *others = _WORDS
    yield from (_zero_points(layout, first), f"sxtb16 {first}, {first}")
    yield from (f"mov {word}, {first}" for word in others)


def _filled(plane: str, layout: Planes, rows: int) -> Iterator[str]:
    """Rows of zero points at the register ``plane``, which is then behind them."""
    full, rest = divmod(rows * layout.row_stride // 2, len(_WORDS))
    if full:
        yield from (f"mov lr, #{full}", f"3: stm {plane}!, {{{', '.join(_WORDS)}}}")
        yield from ("subs lr, lr, #1", "bne 3b")
    if rest == 1:
        yield f"str {_WORDS[0]}, [{plane}], #4"
    elif rest:
        yield f"stm {plane}!, {{{', '.join(_WORDS[:rest])}}}"


@dataclass(frozen=True)
class _Turn:
    """Two to four neighbouring values of a row: for each the pixel's place from r0, None for the border."""

    pixels: tuple[int | None, ...]

    @property
    def count(self) -> int:
        """How many are pixels of the image."""
        return sum(pixel is not None for pixel in self.pixels)

    def lines(self, pixel_bytes: int, moves: int) -> Iterator[str]:
        """r0 moves on by ``moves`` bytes, with its nearest pixel's load if that reaches."""
        pairs = [self.pixels[at : at + 2] for at in range(0, len(self.pixels), 2)]
        words: list[tuple[str, ...]] = []
        lowest = min((pixel for pixel in self.pixels if pixel is not None), default=None)
        free = lowest == 0 and moves <= _POST_INDEX_REACH
        for pair, registers in reversed(list(zip(pairs, _PAIRS, strict=False))):
            moving = moves if free and 0 in pair else 0
            written, lines = _pair(pair, registers, pixel_bytes, moving)
            yield from lines
            words.insert(0, written)
        if not free:
            yield from add_constant("r0", "r0", moves)
        for channel, plane in enumerate(_PLANES):
            values = [word[channel] for word in words]
            if len(values) == 2:
                yield f"strd {values[0]}, {values[1]}, [{plane}], #8"
            else:
                yield f"str {values[0]}, [{plane}], #4"


def _pair(
    pair: tuple[int | None, ...], registers: tuple[str, ...], pixel_bytes: int, moving: int
) -> tuple[tuple[str, ...], list[str]]:
    """Two neighbouring values of four channels: the channels' words, and the code that makes them."""
    low, even, high, odd = registers
    if pair == (None, None):
        return (low,) * QUAD, [f"sxtb16 {low}, lr"]
    lines: list[str] = []
    names: list[str] = []
    for pixel, register in reversed(list(zip(pair, (low, high), strict=True))):
        names.insert(0, "lr" if pixel is None else register)
        if pixel is not None:
            is_moving = moving and pixel == 0
            address = f"[r0], #{moving}" if is_moving else f"[r0, #{pixel * pixel_bytes}]"
            lines.append(f"ldr {register}, {address}")
    a, b = names
    lines += [
        f"pkhbt {even}, {a}, {b}, lsl #16",
        f"pkhtb {odd}, {b}, {a}, asr #16",
        f"sxtb16 {low}, {even}",
        f"sxtb16 {even}, {even}, ror #8",
        f"sxtb16 {high}, {odd}",
        f"sxtb16 {odd}, {odd}, ror #8",
    ]
    return (low, even, high, odd), lines


def _turns(values: list[int | None]) -> list[_Turn]:
    """A row's values, pixels by number, in turns whose pixels count from the turn's first."""
    turns = []
    for at in range(0, len(values), 4):
        part = values[at : at + 4]
        first = min((value for value in part if value is not None), default=0)
        turns.append(_Turn(tuple(None if value is None else value - first for value in part)))
    return turns


def _rows(layout: Planes) -> Iterator[str]:
    """The image's rows: turns with the left border, a loop of turns of pixels, and the rest."""
    right = layout.row_stride - layout.left - layout.columns
    border: list[int | None] = [None]
    turns = _turns(border * layout.left + list(range(layout.columns)) + border * right)
    inside = [turn.count == 4 for turn in turns]
    begin = inside.index(True) if any(inside) else len(turns)
    copies = _COPIES if (_COPIES * 4 - 1) * layout.channels <= _LOAD_REACH else 1
    loops = sum(inside) // copies
    if loops < 2:
        begin, loops = len(turns), 0
    end = begin + loops * copies
    pixel_bytes = layout.channels
    if layout.rows > 1:
        yield from (f"mov r12, #{layout.rows}", f"str r12, [sp, #{_ROWS_SLOT}]")
    yield "4: @ row"
    yield from _unrolled(layout, turns[:begin])
    if loops:
        yield from add_constant("lr", "r0", loops * copies * 4 * pixel_bytes)
        yield "5: @ pixels"
        for _ in range(copies):
            yield from turns[begin].lines(pixel_bytes, 4 * pixel_bytes)
        yield from ("cmp r0, lr", "bne 5b")
        yield from _unrolled(layout, turns[end:])
    if layout.rows > 1:
        slot = f"[sp, #{_ROWS_SLOT}]"
        yield from (f"ldr r12, {slot}", "subs r12, r12, #1", f"str r12, {slot}", "bne 4b")


def _unrolled(layout: Planes, turns: list[_Turn]) -> Iterator[str]:
    if any(None in turn.pixels for turn in turns):
        yield _zero_points(layout, "lr")
    for turn in turns:
        yield from turn.lines(layout.channels, turn.count * layout.channels)
