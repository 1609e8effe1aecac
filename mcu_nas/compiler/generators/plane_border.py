"""Planes whose pixels come one by one from a pointwise convolution: filled with zero points first, ARMv7E-M.

A border is written with all that it surrounds, which pixels then overwrite: STM of eight words, 1.3
instructions for 16 values. r1 is the planes, then their first pixel; r0, r2 and r3 are kept.
"""

from __future__ import annotations

from collections.abc import Iterator

from mcu_nas.compiler.generators.formats import Planes
from mcu_nas.compiler.generators.immediates import add_constant, load_constant

_WORDS = tuple(f"r{register}" for register in range(4, 12))
_COPIES = 8  # STMs of a turn


def filled_planes(planes: Planes) -> Iterator[str]:
    """The code; planes without a border are not filled."""
    if planes.plane_stride > planes.rows * planes.columns:
        zero = planes.zero_point % (1 << 16)
        yield from load_constant(_WORDS[0], zero << 16 | zero)
        yield from (f"mov {word}, {_WORDS[0]}" for word in _WORDS[1:])
        yield "mov lr, r1"
        words = planes.bytes // 4
        turns, rest = divmod(words, _COPIES * len(_WORDS))
        stored = f"stm lr!, {{{', '.join(_WORDS)}}}"
        if turns:
            yield from (*load_constant("r12", turns), "9:  @ zero points")
            yield from (*[stored] * _COPIES, "subs r12, #1", "bne 9b")
        yield from [stored] * (rest // len(_WORDS))
        yield from [f"str {_WORDS[0]}, [lr], #4"] * (rest % len(_WORDS))
    first = 2 * (planes.top * planes.row_stride + planes.left)
    yield from add_constant("r1", "r1", first)
