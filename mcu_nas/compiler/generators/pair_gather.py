"""From two pixels of NHWC int8 to one row of PAIRS words: 13 instructions for four channels.

LDRSB, LDRSB, ADD with the second pixel's byte shifted, for each word; one STM for four. Loading four bytes at
once and extending them by SXTB takes 15.

Registers  r0 first pixel    r2 second pixel    r1 PAIRS
           r5-r8 words       r9 second byte     r10 turns left
r0, r1 and r2 are left behind what was read and written.
"""

from __future__ import annotations

from collections.abc import Iterator

from mcu_nas.compiler.generators.formats import PAIR_SHIFT

_QUADS_OF_TURN = 2
_WORDS = ("r5", "r6", "r7", "r8")


def gather_pair(channels: int) -> Iterator[str]:
    """The code for pixels of that many channels: a loop of 8 channels where it turns twice or more."""
    quads, rest = divmod(channels, 4)
    turns = quads // _QUADS_OF_TURN
    if turns > 1:
        yield from (f"mov r10, #{turns}", "8:")
        for _ in range(_QUADS_OF_TURN):
            yield from _quad()
        yield from ("subs r10, #1", "bne 8b")
        quads %= _QUADS_OF_TURN
    for _ in range(quads):
        yield from _quad()
    for _ in range(rest):
        yield from ("ldrsb r5, [r0], #1", "ldrsb r9, [r2], #1")
        yield from (f"add r5, r5, r9, lsl #{PAIR_SHIFT}", "str r5, [r1], #4")


def _quad() -> Iterator[str]:
    for number, word in reversed(list(enumerate(_WORDS))):  # the first byte last, which moves the pointers on
        address = "[{}" + (f", #{number}]" if number else "], #4")
        yield from (f"ldrsb {word}, {address.format('r0')}", f"ldrsb r9, {address.format('r2')}")
        yield f"add {word}, {word}, r9, lsl #{PAIR_SHIFT}"
    yield f"stm r1!, {{{', '.join(_WORDS)}}}"
