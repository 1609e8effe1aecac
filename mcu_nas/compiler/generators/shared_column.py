"""A row's part of the windows of each two outputs, where these are three columns wide and two apart.

With C channels the two read 5 C bytes of a row, the middle C of them both, and 3 C words of PAIRS hold them.
Each byte is read once, by LDRSB: 5 C LDRSB + 3 C ADD + 2 STM, 8.7 instructions for three words of one channel
where two separate windows take 9.75. A row is packed once for all rows of outputs that read it.

Registers  r0 bytes   r1 PAIRS   r2-r4 words   r5-r7 middle column, then words   r8 a byte   r10 pairs left
"""

from __future__ import annotations

from collections.abc import Iterator

from mcu_nas.compiler.generators.formats import PAIR_SHIFT
from mcu_nas.compiler.generators.immediates import load_constant

MOST_CHANNELS = 3  # in registers
_TAPS, _STRIDE = 3, 2


def shares_column(taps: int, stride: int, channels: int) -> bool:
    """Whether windows are of that kind."""
    return (taps, stride) == (_TAPS, _STRIDE) and channels <= MOST_CHANNELS


def window_pairs(channels: int, pairs: int, descending: bool) -> Iterator[str]:
    """So many pairs from the bytes at r0, which has none of the border's left out, to r1.

    descending: the output on the right is the first of a pair.
    """
    yield from (*load_constant("r10", pairs), "8:  @ what two outputs read")
    yield from _window_pair(channels, descending)
    yield from ("subs r10, r10, #1", "bne 8b")


def _window_pair(channels: int, descending: bool) -> Iterator[str]:
    words = [f"r{2 + channel}" for channel in range(channels)]
    middle = [f"r{2 + channels + channel}" for channel in range(channels)]
    apart, moved = _STRIDE * channels, 2 * _STRIDE * channels

    def joined(target: str, left: str, right: str) -> str:
        first, second = (right, left) if descending else (left, right)
        return f"add {target}, {first}, {second}, lsl #{PAIR_SHIFT}"

    for byte, (word, kept) in enumerate(zip(words, middle, strict=True)):
        yield f"ldrsb {word}, [r0, #{byte - moved}]" if byte else f"ldrsb {word}, [r0], #{moved}"
        yield from (f"ldrsb {kept}, [r0, #{byte + apart - moved}]", joined(word, word, kept))
    yield f"stm r1!, {{{', '.join(words)}}}" if channels > 1 else f"str {words[0]}, [r1], #4"
    for byte, word in enumerate(words, channels):
        yield from (f"ldrsb {word}, [r0, #{byte - moved}]", f"ldrsb r8, [r0, #{byte + apart - moved}]")
        yield joined(word, word, "r8")
    for byte, kept in enumerate(middle, 2 * channels):
        yield from (f"ldrsb r8, [r0, #{byte + apart - moved}]", joined(kept, kept, "r8"))
    yield f"stm r1!, {{{', '.join(words + middle)}}}"
