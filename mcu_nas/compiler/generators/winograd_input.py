"""The input side of a Winograd kernel: where a tile begins, its border, and the transform of its channels.

V, the two transformed tiles in scratch: int16 [position][inputs / 4][tile][channels 0, 2, 1, 3], so that four
words of one LDM serve four inputs of both tiles. Positions go column by column of the transformed tile.

A tile wholly inside the image is transformed where it lies, from any address. A tile at the border is first
copied into the 4 bytes [position][group][tile] of V itself that its own transform fills later: a group of
four channels reads all its pixels before it writes, so that the copy costs no memory. Pixels outside the
image are the input's zero point.

Registers of the transform
  rows    r0 source   r4... raw words of the row's pixels   r2, r3, r10... the lanes of channels 0 and 2
          (1 and 3 stay in the raw words' registers)   r1 128 in both lanes, then spoiled
          before the lanes: r12 row step   lr pixel step   r11 the second pixel
  columns r2... both lanes of a column   r0 target   r1 spoiled
"""

from __future__ import annotations

from collections.abc import Iterator

from mcu_nas.compiler.generators.immediates import add_constant, load_constant
from mcu_nas.compiler.generators.winograd_frame import Frame, local_body
from mcu_nas.compiler.generators.winograd_layer import TileOrder, WinogradLayer
from mcu_nas.compiler.generators.winograd_transforms import Transform, both_steps

LARGEST_POST_INDEX = 1020  # of LDRD and STRD
_SECOND_SPOILED = {6: "r1", 4: "r8"}  # F(2×2)'s step returns what it spoils: one for each lane pair
_LANES = {6: ("r2", "r3", "r10", "r11", "r12", "lr"), 4: ("r2", "r3", "r10", "r11")}


def position_bytes(layer: WinogradLayer) -> int:
    """Bytes of V for one position: an int16 for each input channel of two tiles."""
    return 4 * layer.in_channels


def transformed_tile(
    layer: WinogradLayer, transform: Transform, order: TileOrder, channels: str
) -> Iterator[str]:
    """The next tile's V and output address, and the step to the tile after it. Frame.TILE says which of the
    pair it is. channels: the function of ``transformed_channels``."""
    yield f"ldrd r4, r5, [sp, #{Frame.ROW}]"
    yield from _output_address(layer)
    if layer.pad:
        yield from (f"sub r4, r4, #{layer.pad}", f"sub r5, r5, #{layer.pad}")
    has_inner = min(layer.height, layer.width) >= transform.window
    if has_inner:
        if layer.pad:
            yield "@ a tile that begins within height - window rows and width - window columns is inside"
            for register, size in (("r4", layer.height), ("r5", layer.width)):
                yield from (*load_constant("r7", size - transform.window), f"cmp {register}, r7", "bhi 11f")
        yield from _source_in_image(layer, transform)
    if has_inner and layer.pad:
        yield from ("b 12f", "11:")
    if layer.pad:
        yield from _source_at_border(layer, transform)
        yield "12:"
    yield from (
        *load_constant("r5", layer.in_channels // 4),
        f"str r5, [sp, #{Frame.COUNT}]",
        f"bl {channels}",
    )
    yield from _next_tile(order)


def _output_address(layer: WinogradLayer) -> Iterator[str]:
    yield "@ output of the tile at row r4, column r5"
    yield from (*load_constant("r7", layer.out_width), "mla r8, r4, r7, r5")
    yield from (*load_constant("r7", layer.out_channels), f"ldr r9, [sp, #{Frame.OUT}]", "mla r8, r8, r7, r9")
    yield from (f"ldr r6, [sp, #{Frame.TILE}]", f"add r7, sp, #{Frame.OUT0}")
    yield from ("add r7, r7, r6, lsr #1", "str r8, [r7]")
    yield from (f"ldr r1, [sp, #{Frame.TRANSFORMED}]", "add r1, r1, r6", f"str r1, [sp, #{Frame.TARGET}]")


def _source_in_image(layer: WinogradLayer, transform: Transform) -> Iterator[str]:
    yield "@ source, row step, pixel step and step to the next four channels: in the image"
    yield from (*load_constant("r7", layer.width), "mla r8, r4, r7, r5")
    yield from (*load_constant("r7", layer.in_channels), f"ldr r9, [sp, #{Frame.IN}]", "mla r0, r8, r7, r9")
    row = layer.width * layer.in_channels
    yield from (*load_constant("r2", row), *load_constant("r3", layer.in_channels))
    yield from load_constant("r4", 4 - transform.window * row)
    yield from _store_steps()


def _source_at_border(layer: WinogradLayer, transform: Transform) -> Iterator[str]:
    """The tile's pixels copied to V, then the same four values for the copy."""
    groups = layer.in_channels // 4
    row = layer.width * layer.in_channels
    zero_point = layer.input_zero_point & 0xFF
    yield "@ a copy of a tile at the border, in V"
    yield "@ r3 source  r8 source's row  r4, r5 row and column  r10 columns that exist in this row"
    yield from (*load_constant("r7", layer.width), "mla r8, r4, r7, r5")
    yield from (*load_constant("r7", layer.in_channels), f"ldr r9, [sp, #{Frame.IN}]", "mla r8, r8, r7, r9")
    yield from (f"mov r2, #{zero_point * 0x0101_0101:#x}", f"mov r9, #{transform.window}")
    yield "1:"
    yield from (*load_constant("r7", layer.height), "cmp r4, r7", *load_constant("r10", layer.width))
    yield from ("it hs", "movhs r10, #0")
    yield from ("mov r3, r8", "mov r11, r5", f"mov r12, #{transform.window}")
    yield "2:"
    yield from ("cmp r11, r10", "bhs 3f")
    for group in range(groups):
        yield from (f"ldr lr, [r3, #{4 * group}]", f"str lr, [r1, #{16 * group}]")
    yield from ("b 4f", "3:")
    for group in range(groups):
        yield f"str r2, [r1, #{16 * group}]"
    yield "4:"
    yield from (f"addw r3, r3, #{layer.in_channels}", f"addw r1, r1, #{position_bytes(layer)}")
    yield from ("add r11, r11, #1", "subs r12, r12, #1", "bne 2b")
    yield from (*load_constant("r7", row), "add r8, r8, r7", "add r4, r4, #1", "subs r9, r9, #1", "bne 1b")
    yield "@ source, row step, pixel step and step to the next four channels: in the copy"
    copy_row = transform.window * position_bytes(layer)
    yield f"ldr r0, [sp, #{Frame.TARGET}]"
    yield from (*load_constant("r2", copy_row), *load_constant("r3", position_bytes(layer)))
    yield from load_constant("r4", 16 - transform.window * copy_row)
    yield from _store_steps()


def _store_steps() -> Iterator[str]:
    yield f"strd r2, r3, [sp, #{Frame.ROW_STEP}]"
    yield from (f"str r0, [sp, #{Frame.SOURCE}]", f"str r4, [sp, #{Frame.SOURCE_STEP}]")


def transformed_channels(layer: WinogradLayer, transform: Transform) -> Iterator[str]:
    """A function's body: a tile's transform, the loop over Frame.COUNT groups of four channels: rows into a
    buffer on the stack, then columns into V."""
    return local_body(_groups(layer, transform))


def _groups(layer: WinogradLayer, transform: Transform) -> Iterator[str]:
    buffer = 8 * transform.positions
    yield from ("1:", f"ldr r0, [sp, #{Frame.SOURCE}]", f"sub sp, #{buffer}")
    for row in range(transform.window):
        yield f"@ row {row} of four channels"
        yield from _row(transform, row, buffer)
    yield from (f"ldr r1, [sp, #{buffer + Frame.SOURCE_STEP}]", "add r0, r0, r1")
    yield from (f"str r0, [sp, #{buffer + Frame.SOURCE}]", f"ldr r0, [sp, #{buffer + Frame.TARGET}]")
    for column in range(transform.window):
        yield f"@ column {column} of four channels"
        yield from _column(layer, transform)
    yield from (f"ldr r0, [sp, #{Frame.TARGET}]", "add r0, r0, #16", f"str r0, [sp, #{Frame.TARGET}]")
    yield from (f"ldr r5, [sp, #{Frame.COUNT}]", "subs r5, r5, #1", f"str r5, [sp, #{Frame.COUNT}]")
    yield "bne.w 1b"


def _row(transform: Transform, row: int, buffer: int) -> Iterator[str]:
    """One row of pixels transformed; buffer: (lanes 0, 2), (lanes 1, 3) of [transformed column][row]."""
    window = transform.window
    raw, lanes = [f"r{4 + pixel}" for pixel in range(window)], _LANES[window]
    yield f"ldrd r12, lr, [sp, #{buffer + Frame.ROW_STEP}]"
    yield "add r11, r0, lr"
    places = (
        "[r0]",
        "[r0, lr]",
        "[r0, lr, lsl #1]",
        "[r11, lr, lsl #1]",
        "[r0, lr, lsl #2]",
        "[r11, lr, lsl #2]",
    )
    for register, place in zip(raw, places, strict=False):
        yield f"ldr {register}, {place}"
    yield "add r0, r0, r12"
    yield from _unpacked(transform, row, raw, lanes)
    first, even = transform.input_step(lanes, "r1")
    second, odd = transform.input_step(raw, _SECOND_SPOILED[window])
    yield from first
    yield from second
    for column, pair in enumerate(zip(even, odd, strict=True)):
        yield f"strd {pair[0]}, {pair[1]}, [sp, #{8 * (column * window + row)}]"


def _unpacked(transform: Transform, row: int, raw: list[str], lanes: tuple[str, ...]) -> Iterator[str]:
    """Four int8 channels of each pixel as two words of two int16 lanes: plus 128, and the lift, where the
    transform wants lanes that never borrow."""
    if not transform.lift:
        for word, lane in zip(raw, lanes, strict=True):
            yield from (f"sxtb16 {lane}, {word}", f"sxtb16 {word}, {word}, ror #8")
        return
    yield "mov r1, #0x00800080"
    lifted_begins = transform.lifted[0] if row in transform.lifted else transform.window
    for pixel, (word, lane) in enumerate(zip(raw, lanes, strict=True)):
        if pixel == lifted_begins:
            yield f"add r1, r1, #{transform.lift}"
        yield from (f"sxtab16 {lane}, r1, {word}", f"sxtab16 {word}, r1, {word}, ror #8")


def _column(layer: WinogradLayer, transform: Transform) -> Iterator[str]:
    """One column of the buffer transformed and stored as consecutive positions of V."""
    registers = transform.pairs
    yield f"pop {{{', '.join(registers)}}}"
    lines, pairs = both_steps(transform.input_step, registers, ("r1", {6: "r1", 4: "r10"}[transform.window]))
    yield from lines
    step = position_bytes(layer)
    for low, high in pairs:
        if step <= LARGEST_POST_INDEX:
            yield f"strd {low}, {high}, [r0], #{step}"
        else:
            yield from (f"strd {low}, {high}, [r0]", f"addw r0, r0, #{step}")


def _next_tile(order: TileOrder) -> Iterator[str]:
    """Row and column of the tile after this one, as TileOrder has it."""
    beyond = "gt" if order.step > 0 else "lt"
    yield "@ step to the next tile"
    yield from (f"ldrd r4, r5, [sp, #{Frame.ROW}]", *load_constant("r7", order.last[1]))
    yield from ("cmp r5, r7", "bne 1f", *load_constant("r8", order.last[0]), "cmp r4, r8", "beq 2f")
    yield from (*add_constant("r4", "r4", order.step), "cmp r4, r8", f"it {beyond}", f"mov{beyond} r4, r8")
    yield from (*load_constant("r5", order.first[1]), "b 2f")
    yield from ("1:", *add_constant("r5", "r5", order.step), "cmp r5, r7", f"it {beyond}")
    yield from (f"mov{beyond} r5, r7", "2:", f"strd r4, r5, [sp, #{Frame.ROW}]")
