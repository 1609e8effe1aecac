"""Convolutions of few input channels with weights of one byte, ARMv7E-M: some rows of outputs at a time.

What conv_blocks.py does, for an even number of outputs in a row, with windows gathered in fewer instructions
where they are short, as in a network's first layer. For each block of ``rows`` rows of outputs

    each input row       padded_rows.py   copied into scratch with its border of zero points
    each two outputs     this module      their windows as PAIRS, 4 bytes for each of two values
    each triple          lanes_by_channels.py, a local function

so that no window meets a border, and the next is a constant away. With a horizontal stride of 1 windows
overlap, and rows are kept as words, each a value with that of the next column: a pair's window is then copied
by LDM and STM, nine words at once, and a value is packed once instead of nine times in 3×3 windows. So are
windows of three columns, a stride of 2 and few channels, as in most first layers (shared_column.py). In other
cases rows are kept as bytes, which the windows are packed from.

Scratch, from its begin: the unpacked triple; PAIRS of the block; its input rows; where these are words, one
row of bytes.

Where ``rows`` does not divide the outputs, the last block begins earlier and computes some again. Descending,
outputs run in the order of the image reversed. Either order reads a block's rows before it writes the block.

Registers of the gathering  r0, r2 windows of both outputs   r1 PAIRS   r3-r10 as pair_gather.py, or r2-r10
    nine words   r11 pairs left in the row   r12 the pair's first window   lr rows of outputs left
Stack frame, in words: in, out of the block, constants, scratch, the block's first input row, blocks left.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from mcu_nas.compiler.generators.conv_lanes import as_pointwise, check_shape
from mcu_nas.compiler.generators.conv_layer import ConvLayer
from mcu_nas.compiler.generators.formats import Format, pairs_bytes
from mcu_nas.compiler.generators.function_text import assembly_file, function
from mcu_nas.compiler.generators.generated import GeneratedKernel, Refusal
from mcu_nas.compiler.generators.immediates import add_constant, load_constant
from mcu_nas.compiler.generators.lane_plan import LanePlan, lane_plan
from mcu_nas.compiler.generators.lanes_by_channels import by_channels
from mcu_nas.compiler.generators.padded_rows import PaddedRows
from mcu_nas.compiler.generators.pair_gather import gather_pair
from mcu_nas.compiler.target import WeightStorage

LONGEST_WINDOW = 160  # values: the gathering of a window is unrolled
_SAVED_BYTES = 36  # r4-r11, lr
_FRAME_BYTES = 28
_IN, _OUT, _CONSTANTS, _SCRATCH, _ROW, _BLOCKS_LEFT = range(0, 24, 4)
_COPIED_AT_ONCE = 9  # words: r2-r10


def conv_rows(layer: ConvLayer, symbol: str, rows: int, *, descending: bool = False) -> GeneratedKernel:
    """The kernel of one layer, its outputs in ascending or descending order.

    rows: of outputs, which share the unpacking. in, out: int8 NHWC, any alignment; out may overlap in at a
    distance of overlaps.py's ``block_lag`` for that many outputs. constants, scratch: 4-byte aligned.

    Raises:
        Refusal: an odd number of outputs in a row, a window of more than 160 values, more rows than there
            are, and as conv_lanes.
    """
    check_shape(layer)
    whole = as_pointwise(layer, descending)
    if layer.out[1] % 2 or whole.inputs > LONGEST_WINDOW or not 1 <= rows <= layer.out[0]:
        raise Refusal(f"{rows} of {layer.out[0]} rows of {layer.out[1]} outputs, windows of {whole.inputs}")
    pixels = rows * layer.out[1]
    plan = lane_plan(
        replace(whole, pixels=pixels, source=Format.PAIRS, weight_storage=WeightStorage.BYTES),
    )
    windows = -(-plan.scratch_bytes // 8) * 8
    padded = PaddedRows(layer, rows, windows + pairs_bytes(pixels, whole.inputs), descending)
    local = f"{symbol}_block"
    return GeneratedKernel(
        symbol=symbol,
        assembly=assembly_file(
            [f"Convolution by blocks of {rows} rows of outputs; conv_rows.py explains it."],
            function(symbol, _all_blocks(layer, plan, padded, windows, local), is_global=True),
            function(local, by_channels(plan), is_global=False),
        ),
        constants=plan.all_constants,
        scratch_bytes=padded.end,
        stack_bytes=2 * _SAVED_BYTES + _FRAME_BYTES + plan.frame_bytes,
    )


def _all_blocks(
    layer: ConvLayer, plan: LanePlan, padded: PaddedRows, windows: int, local: str
) -> Iterator[str]:
    step = plan.layer.step
    first = 0 if step > 0 else layer.out[0] - padded.out_rows  # the first block's first row of outputs
    row_bytes = layer.out[1] * layer.out_channels
    yield from ("push {r4-r11, lr}", f"sub sp, #{_FRAME_BYTES}")
    yield from add_constant("r1", "r1", first * row_bytes)
    yield from (f"strd r0, r1, [sp, #{_IN}]", f"strd r2, r3, [sp, #{_CONSTANTS}]")
    yield from load_constant("r4", first * layer.stride[0] - layer.pad[0])
    yield from load_constant("r5", -(-layer.out[0] // padded.out_rows))
    yield from (f"strd r4, r5, [sp, #{_ROW}]", "1:  @ a block of rows of outputs")
    yield from padded.filled(f"[sp, #{_ROW}]", f"[sp, #{_IN}]", f"[sp, #{_SCRATCH}]")
    yield from _windows(layer, padded, windows, step)
    yield from (f"ldr r1, [sp, #{_OUT}]", f"ldrd r2, r3, [sp, #{_CONSTANTS}]")
    yield from (*add_constant("r0", "r3", windows), f"bl {local}")
    yield from (f"ldr r1, [sp, #{_OUT}]", f"ldrd r4, r5, [sp, #{_ROW}]", "subs r5, r5, #1", "beq 4f")
    yield from _moved(layer, step * padded.out_rows)
    rest = layer.out[0] % padded.out_rows
    if rest:
        yield "@ the last block ends where the image does"
        yield from ("cmp r5, #1", "bne 3f", *_moved(layer, step * (rest - padded.out_rows)), "3:")
    yield from (f"strd r4, r5, [sp, #{_ROW}]", f"str r1, [sp, #{_OUT}]", "b.w 1b")
    yield from ("4:", f"add sp, #{_FRAME_BYTES}", "pop {r4-r11, pc}")


def _moved(layer: ConvLayer, rows: int) -> Iterator[str]:
    """r1, r4: output and first input row, so many rows of outputs on."""
    yield from add_constant("r1", "r1", rows * layer.out[1] * layer.out_channels)
    yield from add_constant("r4", "r4", rows * layer.stride[0])


def _windows(layer: ConvLayer, padded: PaddedRows, windows: int, step: int) -> Iterator[str]:
    """PAIRS of the block, in running order, from its rows."""
    stride = padded.pair_bytes // 2
    row = layer.stride[0] * padded.row_bytes
    together = 2 if padded.holds_words else 1  # columns of outputs behind the last that a window begins with
    begin = 0 if step > 0 else (padded.out_rows - 1) * row + (layer.out[1] - together) * stride
    yield from (f"ldr r1, [sp, #{_SCRATCH}]", *add_constant("r12", "r1", padded.offset + begin))
    yield from (*add_constant("r1", "r1", windows), *load_constant("lr", padded.out_rows))
    yield from ("5:  @ a row of outputs", *load_constant("r11", layer.out[1] // 2), "6:  @ two windows")
    yield from _window_pair(layer, padded, step * stride)
    yield from (*add_constant("r12", "r12", step * 2 * stride), "subs r11, r11, #1", "bne.w 6b")
    yield from add_constant("r12", "r12", step * (row - layer.out[1] * stride))
    yield from ("subs lr, lr, #1", "bne.w 5b")


def _window_pair(layer: ConvLayer, padded: PaddedRows, to_second: int) -> Iterator[str]:
    values = layer.window[1] * layer.in_channels
    to_next_row = padded.row_bytes - values * padded.value_bytes
    yield "mov r0, r12"
    if not padded.holds_words:
        yield from add_constant("r2", "r0", to_second)
    for row in range(layer.window[0]):
        if row:
            yield from add_constant("r0", "r0", to_next_row)
        if padded.holds_words:
            for begin in range(0, values, _COPIED_AT_ONCE):
                yield from _copied(min(_COPIED_AT_ONCE, values - begin))
            continue
        if row:
            yield from add_constant("r2", "r2", to_next_row)
        yield from gather_pair(values)


def _copied(words: int) -> tuple[str, str]:
    if words == 1:
        return "ldr r2, [r0], #4", "str r2, [r1], #4"
    registers = f"{{r2-r{1 + words}}}"
    return f"ldm r0!, {registers}", f"stm r1!, {registers}"
