"""ADD of two int8 tensors of one shape, ARMv7E-M: four elements at once, 5.5 instructions an element.

sum_line.py gives the output as a straight line of both operands, checked for all pairs of bytes:
    out = clamp(floor((floor(Ma a / 2^8) + floor(Mb b / 2^8) + C) / 2^F)).
AND with 0xff00ff00 leaves of a word two operands times 2^8 in its halves, AND of the word times 2^8 the other
two. SMLAWB and SMLAWT multiply a half by a word, take 2^16 off, and add: two of them an element, the first
with C, give v. SSAT shifts and saturates. Four elements: 2 LDR + 4 AND + 8 SMLAW + 4 SSAT + 4 STRB.

A clamp narrower than int8 costs 3 more an element: C counts outputs from the minimum, so that USAT saturates
there, and RSB, USAT, RSB do the same from the maximum down.

Registers
    r0, r3, r1   a, b and out, at the next element
    r2           0xff00ff00
    r4, r5, r6   the constants Ma, Mb, C
    r7           where a's words end that the loop adds; the last constant is how many bytes they are, so that
                 layers of other sizes share the code
    r8-r12, lr   operands, then sums

a, b, out: any alignment; out may be a, or b, or both. Else it must not overlap them.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mcu_nas.compiler.generators.function_text import assembly_file, function, inner_loop
from mcu_nas.compiler.generators.generated import GeneratedKernel
from mcu_nas.compiler.generators.sum_line import AddLayer, SumLine, sum_line

_STACK_BYTES = 36  # r4-r11, lr
_COPIES = 2  # words of a turn of the loop
_INT8 = (-128, 127)
_SUMS = ("r12", "lr", "r8", "r9")  # of a word's elements, in their order


def add_words(layer: AddLayer, symbol: str) -> GeneratedKernel:
    """The kernel of one layer, of two inputs: ``in`` is a, ``second`` is b.

    Raises:
        Refusal: as sum_line.
    """
    line = sum_line(layer)
    clamps = (layer.output_min, layer.output_max) != _INT8
    constant = line.constant - (layer.output_min << line.fraction_bits) * clamps
    comment = [
        "int8 ADD, four elements at once. r0 and r3 in, r1 out, r2 constants.",
        "Written by add_words.py, which has the register plan.",
    ]
    return GeneratedKernel(
        symbol=symbol,
        assembly=assembly_file(comment, function(symbol, _lines(layer, line), is_global=True)),
        constants=np.array(
            [word % (1 << 32) for word in (*line.multipliers, constant, _looped_bytes(layer))], np.uint32
        ),
        scratch_bytes=0,
        stack_bytes=_STACK_BYTES,
        has_second_input=True,
    )


def _looped_bytes(layer: AddLayer) -> int:
    """Of a, that the loop adds."""
    return layer.count // (4 * _COPIES) * 4 * _COPIES


def _lines(layer: AddLayer, line: SumLine) -> Iterator[str]:
    peeled, rest = divmod(layer.count - _looped_bytes(layer), 4)
    yield from ("push {r4-r11, lr}", "ldm r2, {r4-r7}", "mov r2, #0xff00ff00")
    if _looped_bytes(layer):
        yield "add r7, r0, r7"
        yield "1: @ words"
        for _ in range(_COPIES):
            yield from _word(layer, line)
        yield from ("cmp r0, r7", "bne 1b")
    for _ in range(peeled):
        yield from _word(layer, line)
    for _ in range(rest):
        yield from _one(layer, line)
    yield "pop {r4-r11, pc}"


def _word(layer: AddLayer, line: SumLine) -> Iterator[str]:
    """Four elements; then the pointers are at the next."""
    return inner_loop(4, _four_elements(layer, line), "elements")


def _four_elements(layer: AddLayer, line: SumLine) -> Iterator[str]:
    yield from (
        "ldr r9, [r0], #4",
        "ldr r11, [r3], #4",
        "and r8, r2, r9, lsl #8",
        "and r9, r2, r9",
        "and r10, r2, r11, lsl #8",
        "and r11, r2, r11",
        "smlawb r12, r4, r8, r6",
        "smlawb lr, r4, r9, r6",
        "smlawt r8, r4, r8, r6",
        "smlawt r9, r4, r9, r6",
        "smlawb r12, r5, r10, r12",
        "smlawb lr, r5, r11, lr",
        "smlawt r8, r5, r10, r8",
        "smlawt r9, r5, r11, r9",
    )
    outputs = [_output(layer, line, register) for register in _SUMS]
    yield from (instruction for four in zip(*outputs, strict=True) for instruction in four)
    for place, register in reversed(list(enumerate(_SUMS))):
        yield f"strb {register}, [r1, #{place}]" if place else f"strb {register}, [r1], #4"


def _one(layer: AddLayer, line: SumLine) -> Iterator[str]:
    """One element of the last that fill no word."""
    yield from ("ldrsb r8, [r0], #1", "ldrsb r10, [r3], #1", "lsl r8, r8, #8", "lsl r10, r10, #8")
    yield from ("smlawb r12, r4, r8, r6", "smlawb r12, r5, r10, r12")
    yield from _output(layer, line, "r12")
    yield "strb r12, [r1], #1"


def _output(layer: AddLayer, line: SumLine, register: str) -> list[str]:
    """v's output, in its register."""
    shifted = f"{register}, asr #{line.fraction_bits}"
    low, high = layer.output_min, layer.output_max
    if (low, high) == _INT8:
        return [f"ssat {register}, #8, {shifted}"]
    return [
        f"usat {register}, #8, {shifted}",
        f"rsb {register}, {register}, #{high - low}",
        f"usat {register}, #8, {register}",
        f"rsb {register}, {register}, #{high & 0xFF}",  # the byte that is stored
    ]
