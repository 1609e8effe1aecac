"""Depthwise convolutions from NHWC int8, ARMv7E-M: planes of four channels at a time, in scratch.

For each four channels planes.py writes their planes, whose borders above and below the image are written once
before, and the code of depthwise_planes.py computes their outputs. Widening and transposing costs 1.4-1.7
instructions a value, 0.15-0.2 a MAC of a 3x3 window; the memory is that of four planes, whatever the number
of channels.

The last one to three channels of a number that four does not divide are written with those before them, and
only their own planes are computed.

Overlap: four channels are read whole before any output of theirs is written, and nothing else of the tensor
is touched, so that the output may lie on the input at any distance that is a multiple of the number of
channels, 0 included: in place, as in MCUNet, arXiv 2007.10319, section 3.2. (Where the last channels are
written with those before them, the latter's planes may hold outputs, and nobody reads them.) A PAIRS output
must not overlap the input.

in: any alignment. out: NHWC any alignment, PAIRS 4-byte aligned. scratch: 4-byte aligned, overlaps neither.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from mcu_nas.compiler.generators.depthwise_planes import (
    DepthwiseLayer,
    depthwise_constants,
    depthwise_loops,
    describe,
)
from mcu_nas.compiler.generators.function_text import assembly_file, function
from mcu_nas.compiler.generators.generated import GeneratedKernel
from mcu_nas.compiler.generators.immediates import add_constant
from mcu_nas.compiler.generators.planes import (
    QUAD,
    STACK_BYTES,
    border_rows,
    check_writable,
    four_channels,
)

_SAVED_BYTES = 24  # r4-r8, lr


def depthwise_nhwc(layer: DepthwiseLayer, symbol: str) -> GeneratedKernel:
    """The kernel of one layer, with scratch.

    in: int8 (rows, columns, channels), without the border that layer.planes describes: scratch holds it.

    Raises:
        Refusal: as depthwise_planes; fewer than four channels.
    """
    check_writable(layer.planes)
    loops = depthwise_loops(layer)
    write, compute = f"{symbol}_write", f"{symbol}_compute"
    border = f"{symbol}_border" if layer.planes.top or layer.planes.bottom else ""
    lines = _quads(layer, loops.channel_bytes, 4 * loops.step.constant_words, border, write, compute)
    comment = [
        *describe(layer, loops),
        "Here int8 NHWC is written into planes in r3, scratch, four channels at a time (depthwise_nhwc.py).",
    ]
    return GeneratedKernel(
        symbol=symbol,
        assembly=assembly_file(
            comment,
            function(symbol, lines, is_global=True),
            *([function(border, border_rows(layer.planes), is_global=False)] if border else []),
            function(write, four_channels(layer.planes), is_global=False),
            function(compute, loops.lines(), is_global=False),
        ),
        constants=depthwise_constants(layer, loops.step),
        scratch_bytes=replace(layer.planes, channels=QUAD).bytes,
        stack_bytes=_SAVED_BYTES + max(STACK_BYTES, loops.stack_bytes),
    )


def _quads(
    layer: DepthwiseLayer, out_bytes: int, constant_bytes: int, border: str, write: str, compute: str
) -> Iterator[str]:
    """r4 in, r5 out, r6 constants, r7 scratch, r8 how often there are four channels. ``out_bytes``,
    ``constant_bytes``: of one channel, in a pixel and in the constants."""
    quads, rest = divmod(layer.planes.channels, QUAD)
    yield "push {r4-r8, lr}"
    yield from ("mov r4, r0", "mov r5, r1", "mov r6, r2", "mov r7, r3", f"mov r8, #{quads}")
    if border:
        yield from ("mov r0, r7", f"bl {border}")
    yield "1: @ four channels"
    yield from ("mov r0, r4", "mov r1, r7", f"bl {write}")
    yield from ("mov r0, r7", "mov r1, r5", "mov r2, r6")
    yield from add_constant("r6", "r6", QUAD * constant_bytes)
    yield from ("mov r3, r6", f"bl {compute}")
    yield from add_constant("r4", "r4", QUAD)
    yield from add_constant("r5", "r5", QUAD * out_bytes)
    yield from ("subs r8, r8, #1", "bne 1b")
    if rest:
        yield f"@ the last {rest}"
        yield from (*add_constant("r0", "r4", rest - QUAD), "mov r1, r7", f"bl {write}")
        yield from add_constant("r0", "r7", (QUAD - rest) * 2 * layer.planes.plane_stride)
        yield from ("mov r1, r5", "mov r2, r6")
        yield from (*add_constant("r3", "r6", rest * constant_bytes), f"bl {compute}")
    yield "pop {r4-r8, pc}"
