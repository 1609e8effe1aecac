"""The windows of two neighbouring output pixels, from NHWC int8 to PAIRS words in scratch.

The words of a window are the inputs of a pointwise product: tap by tap as the weights lie. A pair whose
windows lie in the image, in one row of outputs, is gathered row by row of the window, each one run of bytes:
13 instructions for four of each window. Any other pair goes tap by tap, and a tap outside the image reads a
pixel of zero points that lies behind the words in scratch.

Registers  as pair_gather.py; of a pair inside r11 rows that remain; of others r11, r12 the tap's row and
           column, lr the pixel of zero points, and on the stack the origins: row and column of each window's
           first tap.

``step`` is 1 in ascending order of outputs, -1 in descending: the second of a pair lies so many outputs after
the first.
"""

from __future__ import annotations

from collections.abc import Iterator

from mcu_nas.compiler.generators.conv_layer import ConvLayer
from mcu_nas.compiler.generators.immediates import add_constant
from mcu_nas.compiler.generators.pair_gather import gather_pair

STACK_BYTES = 24  # of a pair that goes tap by tap


def zero_point_bytes(layer: ConvLayer) -> int:
    """The pixel of zero points behind the words: only images with padding have one."""
    return -(-layer.in_channels // 4) * 4 if has_outside(layer) else 0


def has_outside(layer: ConvLayer) -> bool:
    """Whether any tap lies outside the image."""
    return any(
        pad > 0 or last + taps > size
        for pad, last, taps, size in zip(layer.pad, layer.last_origin, layer.window, layer.image, strict=True)
    )


def origin_word(layer: ConvLayer, pixel: int) -> int:
    """Input row and column of an output's first tap, as ``origins`` keeps them: int16 each, the row below."""
    row, column = layer.origin(pixel)
    return (row & 0xFFFF) | (column & 0xFFFF) << 16


def origins(layer: ConvLayer, slot: str, step: int) -> Iterator[str]:
    """r4, r5 and r6, r7: row and column of the first taps of two neighbouring outputs, of which ``slot`` has
    the first; it is left with that of the output that runs after them. r8-r10 are spoiled."""
    yield "@ row and column of both windows' first taps"
    yield from (f"ldr r5, {slot}", "sxth r4, r5", "asr r5, r5, #16")
    yield from ("mov r6, r4", "mov r7, r5", *_next_origin(layer, step))
    yield from ("mov r9, r6", "mov r10, r7", *_next_origin(layer, step))
    yield from ("pkhbt r6, r6, r7, lsl #16", f"str r6, {slot}", "mov r6, r9", "mov r7, r10")


def _next_origin(layer: ConvLayer, step: int) -> Iterator[str]:
    """r6, r7: the origin of the next output's window, in this row or the next."""
    begin, end = (layer.first_origin[1], layer.last_origin[1])[::step]  # of a row, in running order
    add = "add" if step > 0 else "sub"
    yield from (_origin("r8", end), "cmp r7, r8", "itee ne", f"{add}ne r7, r7, #{layer.stride[1]}")
    yield from (f"{add}eq r6, r6, #{layer.stride[0]}", _origin("r7", begin, "eq"))


def _origin(register: str, value: int, condition: str = "") -> str:
    """register = an origin, -256 or more, in one instruction."""
    return f"mvn{condition} {register}, #{~value}" if value < 0 else f"movw{condition} {register}, #{value}"


def window_pair(layer: ConvLayer, words: int, input_slot: str, step: int) -> Iterator[str]:
    """r4, r5: row and column of the first window's first tap; r6, r7: of the second's; r1: scratch.

    words: of a window. input_slot: operand that loads where the image begins.
    """
    inner_rows = min(layer.last_origin[0], layer.image[0] - layer.window[0])
    inner_columns = min(layer.last_origin[1], layer.image[1] - layer.window[1]) - layer.stride[1]
    has_inner = inner_rows >= 0 and inner_columns >= 0
    if has_inner:
        yield "@ both windows inside and in one row of outputs?"
        left = "r5"
        if step < 0:  # not r7: the last of an odd number is its own partner, with no output on its left
            left = "r9"
            yield f"sub r9, r5, #{layer.stride[1]}"
        for register, last in (("r4", inner_rows), (left, inner_columns)):
            yield from (f"movw r8, #{last}", f"cmp {register}, r8", "bhi 6f")
        yield from _inside(layer, input_slot, step)
        yield from ("b.w 7f", "6:")
    yield from _anywhere(layer, words, input_slot)
    yield "7:"


def _inside(layer: ConvLayer, input_slot: str, step: int) -> Iterator[str]:
    yield from _pixel_address(layer, "r0", "r4", "r5", f"ldr r9, {input_slot}")
    yield from add_constant("r2", "r0", step * layer.stride[1] * layer.in_channels)
    run = layer.window[1] * layer.in_channels
    if layer.window[0] == 1:
        yield from gather_pair(run)
        return
    yield from (f"mov r11, #{layer.window[0]}", "5:  @ a row of both windows")
    yield from gather_pair(run)
    for pointer in ("r0", "r2"):
        yield from add_constant(pointer, pointer, layer.image[1] * layer.in_channels - run)
    yield from ("subs r11, #1", "bne.w 5b")


def _anywhere(layer: ConvLayer, words: int, input_slot: str) -> Iterator[str]:
    """Tap by tap, each inside or outside."""
    yield f"ldr r9, {input_slot}"
    yield from ("push {r4-r7}", "push {r9, r10}  @ the image, below the origins")
    if has_outside(layer):
        yield from add_constant("lr", "r1", 4 * words)
        yield from (f"mov r4, #{(layer.input_zero_point & 0xFF) * 0x0101_0101:#x}",)
        yield from (f"str r4, [lr, #{at}]" for at in range(0, zero_point_bytes(layer), 4))
    yield from ("mov r11, #0", "5:  @ a row of taps", "mov r12, #0", "9:  @ a tap")
    for pointer, origin in (("r0", 8), ("r2", 16)):
        yield from (f"ldrd r4, r5, [sp, #{origin}]", "add r4, r4, r11", "add r5, r5, r12")
        if has_outside(layer):
            yield f"mov {pointer}, lr"
            for register, size in (("r4", layer.image[0]), ("r5", layer.image[1])):
                yield from (f"movw r8, #{size}", f"cmp {register}, r8", "bhs 10f")
        yield from _pixel_address(layer, pointer, "r4", "r5", "ldr r9, [sp]")
        yield "10:"
    yield from gather_pair(layer.in_channels)
    yield from ("add r12, #1", f"cmp r12, #{layer.window[1]}", "bne.w 9b")
    yield from ("add r11, #1", f"cmp r11, #{layer.window[0]}", "bne.w 5b", f"add sp, #{STACK_BYTES}")


def _pixel_address(layer: ConvLayer, target: str, row: str, column: str, load_image: str) -> Iterator[str]:
    """target = address of the pixel; r8 and r9 are spoiled."""
    yield from (f"movw r8, #{layer.image[1]}", f"mla r8, {row}, r8, {column}")
    yield from (f"movw {target}, #{layer.in_channels}", load_image, f"mla {target}, r8, {target}, r9")
