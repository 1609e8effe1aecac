"""Depthwise convolutions from NHWC int8 with the scratch of one plane, ARMv7E-M: channel by channel.

For each channel one_plane.py writes its plane, whose border is written once before, and the code of
depthwise_planes.py computes its outputs. depthwise_nhwc.py does the same for four channels at a time, in less
time and four times the scratch.

Overlap: a channel is read whole before any of its outputs is written, and nothing else of the tensor is
touched, so that the output may lie on the input at any distance that is a multiple of the number of channels,
0 included. A PAIRS output must not overlap the input.

in: any alignment. out: NHWC any alignment, PAIRS 4-byte aligned. scratch: 4-byte aligned, overlaps neither.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from mcu_nas.compiler.generators import one_plane
from mcu_nas.compiler.generators.depthwise_planes import (
    DepthwiseLayer,
    depthwise_constants,
    depthwise_loops,
    describe,
)
from mcu_nas.compiler.generators.function_text import assembly_file, function
from mcu_nas.compiler.generators.generated import GeneratedKernel
from mcu_nas.compiler.generators.immediates import add_constant

_SAVED_BYTES = 24  # r4-r8, lr


def depthwise_plane(layer: DepthwiseLayer, symbol: str) -> GeneratedKernel:
    """The kernel of one layer, with scratch.

    in: int8 (rows, columns, channels), without the border that layer.planes describes: scratch holds it.

    Raises:
        Refusal: as depthwise_planes.
    """
    loops = depthwise_loops(layer)
    write, compute = f"{symbol}_write", f"{symbol}_compute"
    lines = _channels(layer, loops.channel_bytes, 4 * loops.step.constant_words, write, compute)
    comment = [
        *describe(layer, loops),
        "Here int8 NHWC is written into a plane in r3, scratch, channel by channel (depthwise_plane.py).",
    ]
    return GeneratedKernel(
        symbol=symbol,
        assembly=assembly_file(
            comment,
            function(symbol, lines, is_global=True),
            function(write, one_plane.one_channel(layer.planes), is_global=False),
            function(compute, loops.lines(), is_global=False),
        ),
        constants=depthwise_constants(layer, loops.step),
        scratch_bytes=replace(layer.planes, channels=1).bytes,
        stack_bytes=_SAVED_BYTES + max(one_plane.STACK_BYTES, loops.stack_bytes),
    )


def _channels(
    layer: DepthwiseLayer, out_bytes: int, constant_bytes: int, write: str, compute: str
) -> Iterator[str]:
    """r4 in, r5 out, r6 constants, r7 scratch, r8 channels left. ``out_bytes``, ``constant_bytes``: of one
    channel, in a pixel and in the constants."""
    yield "push {r4-r8, lr}"
    yield from ("mov r4, r0", "mov r5, r1", "mov r6, r2", "mov r7, r3")
    yield f"mov r8, #{layer.planes.channels}"
    yield from one_plane.fill(layer.planes, plane="r3", end="r2", pair="r12")
    yield "1: @ channel"
    yield from ("mov r0, r4", "mov r1, r7", f"bl {write}")
    yield from ("mov r0, r7", "mov r1, r5", "mov r2, r6")
    yield from add_constant("r6", "r6", constant_bytes)
    yield from ("mov r3, r6", f"bl {compute}", "add r4, r4, #1")
    yield from add_constant("r5", "r5", out_bytes)
    yield from ("subs r8, r8, #1", "bne 1b", "pop {r4-r8, pc}")
