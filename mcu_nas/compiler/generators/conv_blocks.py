"""Convolutions of any window and stride with weights of one byte, ARMv7E-M: a block of outputs at a time.

The windows of ``block`` neighbouring outputs are gathered into scratch as PAIRS (window_gather.py); then a
local function, the three-lane pointwise kernel of lanes_by_channels.py for that many pixels, unpacks each
triple of output channels once and uses it for the whole block: 1.9 / block instructions more for each
multiplication than conv_lanes.py, and its loops per triple, for 1 byte a weight instead of 2.7.

Scratch, from its begin: the unpacked triple; PAIRS of the block, 2 bytes a value; a pixel of zero points.
Where ``block`` does not divide the outputs, the last block begins earlier and computes some again.

Descending, outputs run in the order of the image reversed, also within a block and a pair; the last block
then begins with output 0. Either order reads a block's windows before it writes the block.

Stack frame, in words: in, out of the block, constants, scratch; then the next window's origin, where its
words go, pairs that remain of the block, blocks that remain.
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
from mcu_nas.compiler.generators.window_gather import (
    STACK_BYTES,
    origin_word,
    origins,
    window_pair,
    zero_point_bytes,
)
from mcu_nas.compiler.target import WeightStorage

_SAVED_BYTES = 36  # r4-r11, lr
_IN, _OUT, _CONSTANTS, _SCRATCH, _ORIGIN, _TARGET, _PAIRS_LEFT, _BLOCKS_LEFT = range(0, 32, 4)
_FRAME_BYTES = 36


def conv_blocks(layer: ConvLayer, symbol: str, block: int, *, descending: bool = False) -> GeneratedKernel:
    """The kernel of one layer, its outputs in ascending or descending order.

    block: outputs that share the unpacking, an even number. in, out: int8 NHWC, any alignment; out may
    overlap in at a distance of overlaps.py's ``block_lag``. constants, scratch: 4-byte aligned.

    Raises:
        Refusal: a block that is odd or larger than the output, and as conv_lanes.
    """
    check_shape(layer)
    if block % 2 or not 2 <= block <= layer.pixels:
        raise Refusal(f"a block of {block} outputs out of {layer.pixels}")
    whole = as_pointwise(layer, descending)
    plan = lane_plan(
        replace(whole, pixels=block, source=Format.PAIRS, weight_storage=WeightStorage.BYTES),
    )
    local = f"{symbol}_block"
    return GeneratedKernel(
        symbol=symbol,
        assembly=assembly_file(
            [f"Convolution by blocks of {block} outputs; conv_blocks.py explains it."],
            function(symbol, _all_blocks(layer, plan, local), is_global=True),
            function(local, by_channels(plan), is_global=False),
        ),
        constants=plan.all_constants,
        scratch_bytes=_windows_offset(plan) + pairs_bytes(block, whole.inputs) + zero_point_bytes(layer),
        stack_bytes=_SAVED_BYTES + _FRAME_BYTES + max(STACK_BYTES, _SAVED_BYTES + plan.frame_bytes),
    )


def _windows_offset(plan: LanePlan) -> int:
    """Where in scratch the windows begin."""
    return -(-plan.scratch_bytes // 8) * 8


def _all_blocks(layer: ConvLayer, plan: LanePlan, local: str) -> Iterator[str]:
    block, step = plan.layer.pixels, plan.layer.step
    first, last = (0, layer.pixels - block)[::step]  # output with which the first and the last block begin
    block_bytes = block * layer.out_channels
    yield from ("push {r4-r11, lr}", f"sub sp, #{_FRAME_BYTES}")
    yield from add_constant("r1", "r1", first * layer.out_channels)
    yield from (f"strd r0, r1, [sp, #{_IN}]", f"strd r2, r3, [sp, #{_CONSTANTS}]")
    yield from (
        *load_constant("r4", origin_word(layer, first + plan.layer.first)),
        f"str r4, [sp, #{_ORIGIN}]",
    )
    yield from (*load_constant("r4", -(-layer.pixels // block)), f"str r4, [sp, #{_BLOCKS_LEFT}]")
    yield "1:  @ a block of outputs"
    yield from (f"ldr r1, [sp, #{_SCRATCH}]", *add_constant("r1", "r1", _windows_offset(plan)))
    yield from (
        f"str r1, [sp, #{_TARGET}]",
        *load_constant("r4", block // 2),
        f"str r4, [sp, #{_PAIRS_LEFT}]",
    )
    yield "2:  @ a pair of windows"
    yield from origins(layer, f"[sp, #{_ORIGIN}]", step)
    yield f"ldr r1, [sp, #{_TARGET}]"
    yield from window_pair(layer, plan.layer.inputs, f"[sp, #{_IN}]", step)
    yield from (f"str r1, [sp, #{_TARGET}]", f"ldr r4, [sp, #{_PAIRS_LEFT}]", "subs r4, r4, #1")
    yield from (f"str r4, [sp, #{_PAIRS_LEFT}]", "bne.w 2b")
    yield from (f"ldr r1, [sp, #{_OUT}]", f"ldrd r2, r3, [sp, #{_CONSTANTS}]")
    yield from (*add_constant("r0", "r3", _windows_offset(plan)), f"bl {local}")
    yield from (f"ldr r1, [sp, #{_OUT}]", *add_constant("r1", "r1", step * block_bytes))
    yield from (f"ldr r4, [sp, #{_BLOCKS_LEFT}]", "subs r4, r4, #1", "beq 4f")
    yield f"str r4, [sp, #{_BLOCKS_LEFT}]"
    rest = layer.pixels % block
    if rest:
        yield "@ the last block ends where the image does"
        yield from ("cmp r4, #1", "bne 3f", *load_constant("r4", origin_word(layer, last + plan.layer.first)))
        back = step * (rest * layer.out_channels - block_bytes)
        yield from (f"str r4, [sp, #{_ORIGIN}]", *add_constant("r1", "r1", back))
        yield "3:"
    yield from (f"str r1, [sp, #{_OUT}]", "b.w 1b", "4:", f"add sp, #{_FRAME_BYTES}", "pop {r4-r11, pc}")
