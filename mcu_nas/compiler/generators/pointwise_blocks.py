"""Pointwise (1x1) convolutions with weights of one byte, ARMv7E-M: a block of pixels at a time.

NHWC to NHWC. A local function, the kernel of lanes_by_channels.py for ``block`` pixels, gathers them into
scratch as PAIRS, then unpacks each triple of output channels once and uses it for the whole block. That costs
1.9 / block instructions more for each multiplication than packed weights (pointwise_lanes.py), for 1 byte a
weight instead of 2.7; and 2 bytes of scratch for each value of a block, instead of the whole image.

Where ``block`` does not divide the pixels, the last block has fewer, and the local function is told how many.
Descending, blocks and the pixels in them run in the order of the image reversed. Either order reads a block's
pixels before it writes them.

Registers around the local function, which preserves them: r4 pixels of the block, r5 in and r6 out of it,
r7 constants, r8 scratch, r9 pixels that remain.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from mcu_nas.compiler.generators.formats import Format
from mcu_nas.compiler.generators.function_text import assembly_file, function
from mcu_nas.compiler.generators.generated import GeneratedKernel, Refusal
from mcu_nas.compiler.generators.immediates import add_constant, load_constant
from mcu_nas.compiler.generators.lane_plan import FARTHEST_STORE, lane_plan
from mcu_nas.compiler.generators.lane_segments import LANES
from mcu_nas.compiler.generators.lanes_by_channels import by_channels
from mcu_nas.compiler.generators.pointwise_layer import PointwiseLayer
from mcu_nas.compiler.target import WeightStorage

_SAVED_BYTES = 28  # r4-r9, lr
_LOCAL_SAVED_BYTES = 36  # r4-r11, lr


def pointwise_blocks(layer: PointwiseLayer, symbol: str, block: int) -> GeneratedKernel:
    """The kernel of one layer; its formats are taken as NHWC, its weights as BYTES.

    block: pixels that share the unpacking, an even number, or all there are. in, out: int8 NHWC, any
    alignment; out may overlap in at a distance of overlaps.py's ``group_lag``. constants, scratch: 4-byte
    aligned.

    Raises:
        Refusal: a block that is odd and not the image, or larger than it, fewer than three outputs, outputs
            too far apart for a store, or no exact requantization.
    """
    if layer.outputs < LANES or layer.outputs > FARTHEST_STORE:
        raise Refusal(f"{layer.outputs} outputs: three fill the lanes, a store reaches {FARTHEST_STORE}")
    if (block % 2 and block != layer.pixels) or not 2 <= block <= layer.pixels:
        raise Refusal(f"a block of {block} pixels out of {layer.pixels}")
    whole = replace(layer, source=Format.NHWC, target=Format.NHWC, weight_storage=WeightStorage.BYTES)
    plan = lane_plan(replace(whole, pixels=block))
    counted = layer.pixels % block != 0
    local = f"{symbol}_block"
    comment = [
        f"Pointwise convolution, {layer.pixels} pixels x {layer.inputs} inputs x {layer.outputs} outputs,",
        f"by blocks of {block} pixels; pointwise_blocks.py explains it.",
    ]
    return GeneratedKernel(
        symbol=symbol,
        assembly=assembly_file(
            comment,
            function(symbol, _all_blocks(whole, block, counted, local), is_global=True),
            function(local, by_channels(plan, counted=counted), is_global=False),
        ),
        constants=plan.all_constants,
        scratch_bytes=plan.scratch_bytes,
        stack_bytes=_SAVED_BYTES + _LOCAL_SAVED_BYTES + plan.frame_bytes,
    )


def _all_blocks(layer: PointwiseLayer, block: int, counted: bool, local: str) -> Iterator[str]:
    lowest = layer.pixels - block if layer.descending else 0
    begin = layer.first if counted else lowest  # as by_channels wants it
    yield "push {r4-r9, lr}"
    yield from add_constant("r5", "r0", begin * layer.inputs)
    yield from add_constant("r6", "r1", begin * layer.outputs)
    yield from ("mov r7, r2", "mov r8, r3", *load_constant("r9", layer.pixels))
    yield "1:  @ a block of pixels"
    yield from load_constant("r4", block)
    if counted:
        yield from ("cmp r4, r9", "it hi", "movhi r4, r9")
    yield from ("mov r0, r5", "mov r1, r6", "mov r2, r7", "mov r3, r8", f"bl {local}")
    for register, pixel_bytes in (("r5", layer.inputs), ("r6", layer.outputs)):
        yield from add_constant(register, register, layer.step * block * pixel_bytes)
    yield from ("subs r9, r9, r4", "bne 1b", "pop {r4-r9, pc}")
