"""Input rows of a block of outputs in scratch, with zero points for what lies beside the image.

A row holds the columns that windows read: as int8, or, where windows overlap by a stride of 1, as PAIRS words
of each value with that of the next output's column; descending, the next is the one before. Where three taps
overlap by a stride of 2 and channels are few, it holds as PAIRS words what each two outputs read of it
(shared_column.py), made from the image itself but for the last two outputs, if no border is on the left.
Otherwise the bytes of one row at a time are in scratch too, behind all rows.

Registers  r0 source   r1 target   r2-r10 values, as pair_gather.py   r10 turns left
           r11 input row   r12 rows left   lr next row of words
"""

from __future__ import annotations

from collections.abc import Iterator

from mcu_nas.compiler.generators.conv_layer import ConvLayer
from mcu_nas.compiler.generators.formats import PAIR_SHIFT
from mcu_nas.compiler.generators.immediates import add_constant, load_constant
from mcu_nas.compiler.generators.pair_gather import gather_pair
from mcu_nas.compiler.generators.shared_column import shares_column, window_pairs

_WORDS_OF_TURN = 4


class PaddedRows:
    """Where a block's input rows lie, from ``offset`` in scratch, and what fills them."""

    def __init__(self, layer: ConvLayer, out_rows: int, offset: int, descending: bool) -> None:
        self.layer, self.out_rows, self.offset, self.descending = layer, out_rows, offset, descending
        self.holds_pairs = layer.stride[1] == 1
        self.holds_windows = shares_column(layer.window[1], layer.stride[1], layer.in_channels)
        self.holds_words = self.holds_pairs or self.holds_windows
        self.value_bytes = 4 if self.holds_words else 1
        self.rows = (out_rows - 1) * layer.stride[0] + layer.window[0]
        self.columns = (layer.out[1] - 1) * layer.stride[1] + layer.window[1]
        self.byte_row_bytes = -(-self.columns * layer.in_channels // 4) * 4
        pairs = (self.columns - layer.stride[1]) * layer.in_channels
        if self.holds_windows:
            pairs = layer.out[1] // 2 * layer.window[1] * layer.in_channels
        self.row_values = pairs if self.holds_words else self.columns * layer.in_channels
        self.row_bytes = 4 * pairs if self.holds_words else self.byte_row_bytes
        self.bytes_at = offset + self.rows * self.row_bytes  # of the row of bytes that words are made from
        self.end = self.bytes_at + (self.byte_row_bytes if self.holds_words else 0)

    @property
    def pair_bytes(self) -> int:
        """From what two outputs read of a row to what the next two read."""
        layer = self.layer
        if self.holds_windows:
            return 4 * layer.window[1] * layer.in_channels
        return 2 * layer.stride[1] * layer.in_channels * self.value_bytes

    def filled(self, row: str, image: str, scratch: str) -> Iterator[str]:
        """All rows; operands load the first row's number, the image's and the scratch's begin."""
        layer = self.layer
        yield from (f"ldr r11, {row}", *load_constant("r12", self.rows), f"ldr lr, {scratch}")
        yield from add_constant("lr", "lr", self.offset)
        yield "5:  @ an input row"
        if self.holds_windows and not layer.pad[1]:
            yield from self._packed_row(image, scratch)
        else:
            yield from self._row_by_bytes(image, scratch)
        yield from ("add r11, r11, #1", "subs r12, r12, #1", "bne.w 5b")

    def _image_row(self, image: str) -> Iterator[str]:
        """r0: where row r11 begins; to label 6 if the image has no such row."""
        layer = self.layer
        yield from (*load_constant("r2", layer.image[0]), "cmp r11, r2", "bhs.w 6f")
        yield from (f"ldr r0, {image}", *load_constant("r2", layer.image[1] * layer.in_channels))
        yield "mla r0, r11, r2, r0"

    def _packed_row(self, image: str, scratch: str) -> Iterator[str]:
        """Windows from the image, those that reach beyond it from their bytes in scratch."""
        layer, pairs, channels = self.layer, self.layer.out[1] // 2, self.layer.in_channels
        pair_columns = 2 * layer.stride[1]
        beyond = pair_columns + 1 + (pairs - 1) * pair_columns - layer.image[1]  # columns of the last pair
        inside = pairs - max(-(-beyond // pair_columns), 0)
        yield "mov r1, lr"
        yield from self._image_row(image)
        if inside:
            yield from window_pairs(channels, inside, self.descending)
        if inside < pairs:
            columns = layer.image[1] - inside * pair_columns
            yield from ("mov lr, r1", f"ldr r1, {scratch}", *add_constant("r1", "r1", self.bytes_at))
            yield f"mov r3, #{(layer.input_zero_point & 0xFF) * 0x0101_0101:#x}"
            yield from _run(columns * channels, is_copied=True, is_aligned=True)
            yield from _run(beyond * channels, is_copied=False)
            yield from (f"ldr r0, {scratch}", *add_constant("r0", "r0", self.bytes_at), "mov r1, lr")
            yield from window_pairs(channels, pairs - inside, self.descending)
        yield from ("b 7f", "6:  @ beside the image")
        yield from load_constant("r3", layer.input_zero_point * (1 + (1 << PAIR_SHIFT)) & 0xFFFF_FFFF)
        yield from (*_run(self.row_bytes, is_copied=False), "7:", "mov lr, r1")

    def _row_by_bytes(self, image: str, scratch: str) -> Iterator[str]:
        """A row of bytes with its border, and what is made of it."""
        layer = self.layer
        if self.holds_words:
            yield from (f"ldr r1, {scratch}", *add_constant("r1", "r1", self.bytes_at))
        else:
            yield "mov r1, lr"
        yield f"mov r3, #{(layer.input_zero_point & 0xFF) * 0x0101_0101:#x}"
        yield from (*self._image_row(image), *self._row(), "b 7f", "6:  @ beside the image")
        yield from (*_run(self.columns * layer.in_channels, is_copied=False), "7:")
        if self.holds_pairs:
            first, second = ("r2", "r0") if self.descending else ("r0", "r2")
            yield from (f"ldr {first}, {scratch}", *add_constant(first, first, self.bytes_at))
            yield from (*add_constant(second, first, layer.in_channels), "mov r1, lr")
            yield from (*gather_pair(self.row_values), "mov lr, r1")
        elif self.holds_windows:
            yield from (f"ldr r0, {scratch}", *add_constant("r0", "r0", self.bytes_at), "mov r1, lr")
            yield from window_pairs(layer.in_channels, layer.out[1] // 2, self.descending)
            yield "mov lr, r1"
        else:
            yield from add_constant("lr", "lr", self.row_bytes)

    def _row(self) -> Iterator[str]:
        """A row of the image with its border."""
        layer = self.layer
        inside = min(layer.image[1], self.columns - layer.pad[1])
        right = self.columns - layer.pad[1] - inside
        yield from _run(layer.pad[1] * layer.in_channels, is_copied=False)
        is_aligned = layer.pad[1] * layer.in_channels % 4 == 0
        yield from _run(inside * layer.in_channels, is_copied=True, is_aligned=is_aligned)
        yield from _run(right * layer.in_channels, is_copied=False)


def _run(count: int, *, is_copied: bool, is_aligned: bool = False) -> Iterator[str]:
    """So many bytes to r1, copied from r0 or of r3; aligned: where r1 begins at a word."""
    turns, rest = divmod(count, 4 * _WORDS_OF_TURN)
    if turns > 1:
        turn = _four_words() if is_copied and is_aligned else _words(_WORDS_OF_TURN, is_copied=is_copied)
        yield from (*load_constant("r10", turns), "8:", *turn)
        yield from ("subs r10, r10, #1", "bne 8b")
    else:
        yield from _words(turns * _WORDS_OF_TURN, is_copied=is_copied)
    yield from _words(rest // 4, is_copied=is_copied)
    for _ in range(rest % 4):
        if is_copied:
            yield "ldrb r4, [r0], #1"
        yield f"strb {'r4' if is_copied else 'r3'}, [r1], #1"


def _four_words() -> Iterator[str]:
    yield from (f"ldr {register}, [r0], #4" for register in ("r4", "r5", "r6", "r7"))
    yield "stm r1!, {r4-r7}"


def _words(count: int, *, is_copied: bool) -> Iterator[str]:
    for _ in range(count):
        if is_copied:
            yield "ldr r4, [r0], #4"
        yield f"str {'r4' if is_copied else 'r3'}, [r1], #4"
