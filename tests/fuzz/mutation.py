"""A valid file damaged as transfers and attackers damage files: bytes flipped, overwritten or cut."""

from __future__ import annotations

import struct
from random import Random

_WORDS = (0, 1, 2, 3, 4, 7, 8, 16, 127, 128, 255, 256, 4096, 65_535, 65_536, 60_000)
_EXTREMES = (0x7F, 0x80, 0xFF, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF, 0xFFFF_FFFE, 0x4000_0000)
_FLOATS = (0.0, -1.0, 1.0, 1e-45, 1e-38, 3.4e38, float("inf"), float("nan"), 1 / 256, 0.05)
_MOST_CHANGES = 6


def mutated(data: bytes, random: Random, limit: int) -> bytes:
    """``data`` after one to six changes, ``limit`` bytes at most."""
    changed = bytearray(data)
    for _ in range(random.choice((1, 1, 1, 1, 2, _MOST_CHANGES))):
        if len(changed) < 8:
            break
        random.choice(_CHANGES)(changed, random)
    return bytes(changed[:limit])


def _flip_bit(data: bytearray, random: Random) -> None:
    data[random.randrange(len(data))] ^= 1 << random.randrange(8)


def _set_byte(data: bytearray, random: Random) -> None:
    data[random.randrange(len(data))] = random.randrange(256)


def _step_byte(data: bytearray, random: Random) -> None:
    position = random.randrange(len(data))
    data[position] = (data[position] + random.choice((-1, 1))) % 256


def _set_word(data: bytearray, random: Random) -> None:
    """Sizes, counts, indices, offsets and scales are words at multiples of four."""
    position = 4 * random.randrange(len(data) // 4)
    choices = (*_WORDS, *_EXTREMES, len(data), random.getrandbits(32))
    word = struct.pack("<I", random.choice(choices))
    if random.random() < 0.3:
        word = struct.pack("<f", random.choice(_FLOATS))
    data[position : position + 4] = word


def _copy_word(data: bytearray, random: Random) -> None:
    source, target = (4 * random.randrange(len(data) // 4) for _ in range(2))
    data[target : target + 4] = data[source : source + 4]


def _clear_run(data: bytearray, random: Random) -> None:
    begin = random.randrange(len(data))
    length = min(random.randrange(1, 65), len(data) - begin)
    data[begin : begin + length] = bytes(length)


def _cut_end(data: bytearray, random: Random) -> None:
    del data[random.randrange(len(data)) :]


def _cut_out(data: bytearray, random: Random) -> None:
    begin = random.randrange(len(data))
    del data[begin : begin + random.choice((1, 4, 8, 64))]


# Words are where a file's structure is, so that they are changed most often.
_CHANGES = (
    *(_flip_bit, _flip_bit, _set_byte, _step_byte, _step_byte),
    *(_set_word,) * 4,
    *(_copy_word, _clear_run, _cut_end, _cut_out),
)
