"""One channel of NHWC int8 as a plane of int16, ARMv7E-M: eight pixels at once.

LDRSB reads a pixel's channel, PKHBT joins two neighbours to a word of the plane, STM writes four words. Eight
values: 8 LDRSB + 4 PKHBT + 1 STM = 13 instructions, 1.63 a value; planes.py takes 1.25 for four channels'.

The border is written once, by filling the plane with zero points: channels that follow each other in one
plane change pixels only. Where a pixel shares its word with the border, that is written with it.

Registers of the writer
    r0      a pixel of the row, at the channel
    r1      the next word to write
    r2, r3  the end of the loop over words, and of that over rows
    r4-r11  even pixels, then words; odd pixels
    r12     two zero points

in: any alignment, and nothing but the channel is read. out: 4-byte aligned; must not overlap the input.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mcu_nas.compiler.generators.formats import Planes
from mcu_nas.compiler.generators.immediates import add_constant

STACK_BYTES = 36  # r4-r11, lr
_EVEN, _ODD = ("r4", "r5", "r6", "r7"), ("r8", "r9", "r10", "r11")
_CHUNK = len(_EVEN)  # words that are written together
_COPIES = 2  # chunks of a turn of the loop over words
_FILLED = 8  # words of a turn of the loop that fills
_LOAD_REACH, _STR_REACH, _STRD_REACH = 4095, 255, 1020  # bytes

_Word = tuple[int | None, int | None]  # two pixels of a row by number; None: the border


def fill(layout: Planes, plane: str, end: str, pair: str) -> Iterator[str]:
    """The plane at register ``plane``, which then is behind it, filled with zero points.

    ``pair`` then holds two of them; ``end`` is free to use.
    """
    yield from _zero_points(layout, pair)
    turns, rest = divmod(layout.plane_stride // 2, _FILLED)
    pairs = f"strd {pair}, {pair}, [{plane}], #8"
    if turns:
        yield from add_constant(end, plane, 4 * _FILLED * turns)
        yield "3: @ zero points"
        yield from [pairs] * (_FILLED // 2)
        yield from (f"cmp {plane}, {end}", "bne 3b")
    yield from [pairs] * (rest // 2)
    yield from [f"str {pair}, [{plane}], #4"] * (rest % 2)


def one_channel(layout: Planes) -> Iterator[str]:
    """A function's body: the pixels of the channel at r0 to the plane at r1, whose border is there."""
    words = _words(layout)
    row_bytes = 2 * layout.row_stride
    yield "push {r4-r11, lr}"
    yield from _zero_points(layout, "r12")
    yield from add_constant("r1", "r1", layout.top * row_bytes + 4 * (layout.left // 2))
    if layout.rows > 1:
        yield from add_constant("r3", "r1", layout.rows * row_bytes)
        yield "1: @ row"
    yield from _row(layout, words, row_bytes - 4 * len(words))
    if layout.rows > 1:
        yield from ("cmp r1, r3", "bne 1b")
    yield "pop {r4-r11, pc}"


def _zero_points(layout: Planes, target: str) -> Iterator[str]:
    yield f"mov {target}, #{(layout.zero_point & 0xFF) * 0x00010001:#x}"
    yield f"sxtb16 {target}, {target}"


def _words(layout: Planes) -> list[_Word]:
    """The words of a row that hold pixels."""
    before = layout.left % 2
    values: list[int | None] = [None] * before + list(range(layout.columns))
    values += [None] * (len(values) % 2)
    return list(zip(values[0::2], values[1::2], strict=True))


def _row(layout: Planes, words: list[_Word], skipped: int) -> Iterator[str]:
    """A row's words: those with the left border, a loop of chunks of pixels, the rest. Then r0 is at the next
    row's first pixel, and r1, by ``skipped`` bytes, at its first word."""
    chunks = [words[at : at + _CHUNK] for at in range(0, len(words), _CHUNK)]
    inside = [len(chunk) == _CHUNK and all(None not in word for word in chunk) for chunk in chunks]
    begin = inside.index(True) if any(inside) else len(chunks)
    loops = sum(inside) // _COPIES
    if loops < 2:
        begin, loops = len(chunks), 0
    end = begin + loops * _COPIES
    cursor = _Cursor(layout.channels)
    tail = chunks[end:] if loops else []
    yield from _chunks(cursor, chunks[:begin], 0 if tail or loops else skipped)
    if loops:
        first, pixels = _first_pixel(chunks[begin]), 2 * _CHUNK * _COPIES
        yield from cursor.move_to(first)
        yield from add_constant("r2", "r1", 4 * _CHUNK * _COPIES * loops)
        yield "2: @ words"
        yield from _chunks(cursor, chunks[begin : begin + _COPIES], 0)
        yield from cursor.move_to(first + pixels)
        yield from ("cmp r1, r2", "bne 2b")
        cursor.pixel = first + loops * pixels
        yield from _chunks(cursor, tail, skipped)
        if not tail:
            yield from add_constant("r1", "r1", skipped)
    yield from cursor.move_to(layout.columns)


@dataclass
class _Cursor:
    """r0, at a pixel of the row."""

    pixel_bytes: int
    pixel: int = 0

    def move_to(self, pixel: int) -> Iterator[str]:
        yield from add_constant("r0", "r0", (pixel - self.pixel) * self.pixel_bytes)
        self.pixel = pixel

    def load(self, target: str, pixel: int) -> Iterator[str]:
        if (pixel - self.pixel) * self.pixel_bytes > _LOAD_REACH:
            yield from self.move_to(pixel)
        yield f"ldrsb {target}, [r0, #{(pixel - self.pixel) * self.pixel_bytes}]"


def _first_pixel(chunk: Sequence[_Word]) -> int:
    return min(pixel for word in chunk for pixel in word if pixel is not None)


def _chunks(cursor: _Cursor, chunks: Sequence[Sequence[_Word]], skipped: int) -> Iterator[str]:
    """Chunks one after the other; then r1 moves on by ``skipped``."""
    for place, chunk in enumerate(chunks):
        for number, word in enumerate(chunk):
            for pixel, register in zip(word, (_EVEN[number], _ODD[number]), strict=True):
                if pixel is not None:
                    yield from cursor.load(register, pixel)
        for number, (low, high) in enumerate(chunk):
            even = "r12" if low is None else _EVEN[number]
            odd = "r12" if high is None else _ODD[number]
            yield f"pkhbt {_EVEN[number]}, {even}, {odd}, lsl #16"
        yield from _store(len(chunk), skipped if place + 1 == len(chunks) else 0)


def _store(words: int, skipped: int) -> Iterator[str]:
    """Words to r1, which moves on by ``skipped`` bytes more: at no cost where one of the stores can do it, or
    where they are one word, which is border."""
    moves = 4 * words + skipped
    if words == 1 and moves <= _STR_REACH:
        yield f"str {_EVEN[0]}, [r1], #{moves}"
    elif words == 2 and moves <= _STRD_REACH:
        yield f"strd {_EVEN[0]}, {_EVEN[1]}, [r1], #{moves}"
    elif skipped == 4:
        yield f"stm r1!, {{{', '.join(_EVEN[:words])}, r12}}"
    else:
        yield f"stm r1!, {{{', '.join(_EVEN[:words])}}}"
        yield from add_constant("r1", "r1", skipped)
