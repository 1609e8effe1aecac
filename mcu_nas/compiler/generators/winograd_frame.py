"""The stack of a Winograd kernel, from its frame's base upwards.

Below the frame lie, one after the other in time: two channels' transform buffer (input, and weights of
winograd_bytes.py); the products of all positions for two outputs of two tiles, then the output transform's
buffer and return address.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import IntEnum

SAVED_BYTES = 36  # r4-r11, lr
FRAME_BYTES = 76  # with the saved registers a multiple of 8
GROUP_FRAME_BYTES = 100  # of winograd_bytes.py, the same


class Frame(IntEnum):
    """Offsets of the frame's words. Neighbours that LDRD reads together stand together."""

    IN = 0
    OUT = 4
    CONSTANTS = 8
    TRANSFORMED = 12  # scratch: the transformed tiles V
    V = 16  # the same again, beside STREAM
    STREAM = 20  # next word of constants
    ROW = 24  # first output row and column of the next tile
    COLUMN = 28
    OUT0 = 32  # where the next output channel of the two tiles begins
    OUT1 = 36
    ROW_STEP = 40  # bytes from a tile's input row to the next, and from an input pixel to the next
    COLUMN_STEP = 44
    SOURCE = 48  # four input channels of the tile's first pixel, and where their transform goes
    TARGET = 52
    SOURCE_STEP = 56
    COUNT = 60  # groups of four input channels, then output channels that remain
    TILE = 64  # 8 times the tile's number in its pair
    PAIRS = 68  # pairs of tiles that remain
    RETURN = 72  # of the local function that runs, but for the output transform's
    SCRATCH = 76  # this and what follows: winograd_bytes.py alone
    WEIGHTS = 80  # next word of constants, as V and STREAM point into scratch
    GROUP = 84  # pairs of tiles in this group
    ADDRESSES = 88  # where the next pair's OUT0 and OUT1 are kept
    LEFT = 92  # pairs of the group, or fours of inputs, that remain


def local_body(lines: Iterable[str], left_on_stack: int = 0) -> Iterator[str]:
    """The body of a local function, which layers of other sizes can share, around lines that use lr.

    left_on_stack: bytes by which they lower the stack pointer.
    """
    yield f"str lr, [sp, #{Frame.RETURN}]"
    yield from lines
    yield f"ldr pc, [sp, #{Frame.RETURN + left_on_stack}]"
