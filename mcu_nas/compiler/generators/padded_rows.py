"""Input rows of a block of outputs in scratch, with zero points for what lies beside the image.

A row holds the columns that windows read: as int8, or, where windows overlap by a stride of 1, as PAIRS words
of each value with that of the next output's column; descending, the next is the one before. Then the bytes of
one row at a time are in scratch too, behind all rows.

Registers  r0 source   r1 target   r2-r10 values, as pair_gather.py   r10 turns left
           r11 input row   r12 rows left   lr next row of words
"""

from __future__ import annotations

from collections.abc import Iterator

from mcu_nas.compiler.generators.conv_layer import ConvLayer
from mcu_nas.compiler.generators.immediates import add_constant
from mcu_nas.compiler.generators.pair_gather import gather_pair
from mcu_nas.compiler.generators.winograd_transforms import number

_WORDS_OF_TURN = 4


class PaddedRows:
    """Where a block's input rows lie, from ``offset`` in scratch, and what fills them."""

    def __init__(self, layer: ConvLayer, out_rows: int, offset: int, descending: bool) -> None:
        self.layer, self.out_rows, self.offset, self.descending = layer, out_rows, offset, descending
        self.holds_pairs = layer.stride[1] == 1
        self.value_bytes = 4 if self.holds_pairs else 1
        self.rows = (out_rows - 1) * layer.stride[0] + layer.window[0]
        self.columns = (layer.out[1] - 1) * layer.stride[1] + layer.window[1]
        self.byte_row_bytes = -(-self.columns * layer.in_channels // 4) * 4
        pairs = (self.columns - layer.stride[1]) * layer.in_channels
        self.row_values = pairs if self.holds_pairs else self.columns * layer.in_channels
        self.row_bytes = 4 * pairs if self.holds_pairs else self.byte_row_bytes
        self.bytes_at = offset + self.rows * self.row_bytes  # of the row of bytes that words are made from
        self.end = self.bytes_at + (self.byte_row_bytes if self.holds_pairs else 0)

    def filled(self, row: str, image: str, scratch: str) -> Iterator[str]:
        """All rows; operands load the first row's number, the image's and the scratch's begin."""
        layer = self.layer
        yield from (f"ldr r11, {row}", *number("r12", self.rows), f"ldr lr, {scratch}")
        yield from add_constant("lr", "lr", self.offset)
        yield from ("5:  @ an input row",)
        if self.holds_pairs:
            yield from (f"ldr r1, {scratch}", *add_constant("r1", "r1", self.bytes_at))
        else:
            yield "mov r1, lr"
        yield f"mov r3, #{(layer.input_zero_point & 0xFF) * 0x0101_0101:#x}"
        yield from (*number("r2", layer.image[0]), "cmp r11, r2", "bhs 6f")
        yield from (f"ldr r0, {image}", *number("r2", layer.image[1] * layer.in_channels))
        yield from ("mla r0, r11, r2, r0", *self._row(), "b 7f", "6:  @ beside the image")
        yield from (*_run(self.columns * layer.in_channels, is_copied=False), "7:")
        if self.holds_pairs:
            first, second = ("r2", "r0") if self.descending else ("r0", "r2")
            yield from (f"ldr {first}, {scratch}", *add_constant(first, first, self.bytes_at))
            yield from (*add_constant(second, first, layer.in_channels), "mov r1, lr")
            yield from (*gather_pair(self.row_values), "mov lr, r1")
        else:
            yield from add_constant("lr", "lr", self.row_bytes)
        yield from ("add r11, r11, #1", "subs r12, r12, #1", "bne.w 5b")

    def _row(self) -> Iterator[str]:
        """A row of the image with its border."""
        layer = self.layer
        inside = min(layer.image[1], self.columns - layer.pad[1])
        right = self.columns - layer.pad[1] - inside
        yield from _run(layer.pad[1] * layer.in_channels, is_copied=False)
        yield from _run(inside * layer.in_channels, is_copied=True)
        yield from _run(right * layer.in_channels, is_copied=False)


def _run(count: int, *, is_copied: bool) -> Iterator[str]:
    """So many bytes to r1, copied from r0 or of r3."""
    turns, rest = divmod(count, 4 * _WORDS_OF_TURN)
    if turns > 1:
        yield from (*number("r10", turns), "8:", *_words(_WORDS_OF_TURN, is_copied=is_copied))
        yield from ("subs r10, r10, #1", "bne 8b")
    else:
        yield from _words(turns * _WORDS_OF_TURN, is_copied=is_copied)
    yield from _words(rest // 4, is_copied=is_copied)
    for _ in range(rest % 4):
        if is_copied:
            yield "ldrb r4, [r0], #1"
        yield f"strb {'r4' if is_copied else 'r3'}, [r1], #1"


def _words(count: int, *, is_copied: bool) -> Iterator[str]:
    for _ in range(count):
        if is_copied:
            yield "ldr r4, [r0], #4"
        yield f"str {'r4' if is_copied else 'r3'}, [r1], #4"
