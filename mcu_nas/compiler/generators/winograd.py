"""3×3 convolutions of stride 1 by Winograd's F(4×4, 3×3) or F(2×2, 3×3), exactly, ARMv7E-M.

A tile of 4×4 (2×2) outputs needs 36 (16) multiplications a channel pair instead of 144 (36). In integers and
modulo 2^32 nothing is rounded: winograd_transforms.py has the matrices, winograd_scaling.py the way back from
their multiples. What that costs is flash: the transformed weights are int16, 8 (3.6) bytes for one of the
convolution's.

For each pair of tiles
    each tile     winograd_input.py   int8 NHWC to V, the transformed tile, int16, in scratch
    two outputs   winograd_gemm.py    V times the transformed weights, at all positions
    each output   winograd_output.py  back to sums, to int8, NHWC

Constants, in the order of reading: for each two output channels their transformed weights, then the numbers
of either channel.

Floor: the products' loop, 0.156 instructions for each multiplication of the convolution with F(4×4), 0.278
with F(2×2). To that the input's transform adds 0.90 / outputs (1.10), the output's 1.6 / inputs (1.8), and
0.22 / inputs (the same) where ties go away from zero.

Exactness. Every step is exact modulo 2^32; what must hold is that the sum itself, scaled, fits:
|sum| · 2^(1+k) < 2^31 for every output channel, with its real weights and any int8 input. Transformed weights
fit int16: at most 49 · 128 = 6,272 (9 · 128), and V does: winograd_transforms.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mcu_nas.compiler.generators.function_text import Assembly, Function, assembly_file, function
from mcu_nas.compiler.generators.generated import GeneratedKernel, Refusal
from mcu_nas.compiler.generators.immediates import load_constant
from mcu_nas.compiler.generators.winograd_frame import FRAME_BYTES, SAVED_BYTES, Frame
from mcu_nas.compiler.generators.winograd_gemm import packed_weights, products, sums_bytes
from mcu_nas.compiler.generators.winograd_input import (
    position_bytes,
    transformed_channels,
    transformed_tile,
)
from mcu_nas.compiler.generators.winograd_layer import TileOrder, WinogradLayer, tile_order
from mcu_nas.compiler.generators.winograd_output import buffer_bytes, output_channel
from mcu_nas.compiler.generators.winograd_scaling import WinogradScaling
from mcu_nas.compiler.generators.winograd_transforms import Transform

LARGEST_CHANNELS = 1020  # a group's bytes of V lie within STR's 4095 of the tile's first


def winograd(
    layer: WinogradLayer, transform: Transform, symbol: str, *, descending: bool = False
) -> GeneratedKernel:
    """The kernel of one layer; its tiles run in ascending or descending order (TileOrder).

    in, out: int8 NHWC, any alignment; out may overlap in at a distance of overlaps.py's ``tile_lag``: a pair
    reads both tiles before it writes them. constants, scratch: 4-byte aligned.

    Raises:
        Refusal: an image smaller than a tile of outputs, inputs that are no multiple of 4, or a bound.
    """
    check_shape(layer, transform)
    scaling = WinogradScaling.of(layer, transform)
    return GeneratedKernel(
        symbol=symbol,
        assembly=_functions(symbol, layer, scaling, tile_order(layer, transform, descending=descending)),
        constants=_constants(layer, transform, scaling),
        scratch_bytes=position_bytes(layer) * transform.positions,
        stack_bytes=SAVED_BYTES + FRAME_BYTES + deepest(transform),
    )


def check_shape(layer: WinogradLayer, transform: Transform) -> None:
    """Raises Refusal where the shape has no tiles."""
    if layer.in_channels % 4:
        raise Refusal(f"{layer.in_channels} input channels are no multiple of 4")
    if layer.in_channels > LARGEST_CHANNELS:
        raise Refusal(f"more than {LARGEST_CHANNELS} input channels")
    if min(layer.out_height, layer.out_width) < transform.outputs:
        raise Refusal(f"an output image smaller than {transform.outputs}×{transform.outputs}")


def deepest(transform: Transform) -> int:
    """Bytes of stack below the frame: the input's buffer, or the sums and the output's."""
    return max(8 * transform.positions, sums_bytes(transform) + buffer_bytes(transform))


def _constants(layer: WinogradLayer, transform: Transform, scaling: WinogradScaling) -> np.ndarray:
    parts: list[np.ndarray] = []
    for pair, weights in enumerate(packed_weights(layer, transform)):
        parts.append(weights)
        channels = range(2 * pair, min(2 * pair + 2, layer.out_channels))
        parts += [np.array(scaling.words(channel), np.int64) for channel in channels]
    return np.concatenate(parts).astype(np.uint32)


def _functions(symbol: str, layer: WinogradLayer, scaling: WinogradScaling, order: TileOrder) -> Assembly:
    transform = scaling.transform
    m = transform.outputs
    comment = (
        f"3x3 convolution, {layer.height}x{layer.width}x{layer.in_channels} to "
        f"{layer.out_height}x{layer.out_width}x{layer.out_channels}, F({m}x{m}, 3x3)",
    )
    local = LocalFunctions.of(symbol)
    return assembly_file(
        comment,
        function(symbol, _all_tiles(layer, transform, order, local), is_global=True),
        *local.functions(layer, scaling),
    )


@dataclass(frozen=True)
class LocalFunctions:
    """The names of the functions that do a layer's work, which layers of as many inputs can share."""

    input: str
    products: str
    output: str

    @classmethod
    def of(cls, symbol: str) -> LocalFunctions:
        return cls(f"{symbol}_input", f"{symbol}_products", f"{symbol}_output")

    def functions(self, layer: WinogradLayer, scaling: WinogradScaling) -> Iterator[Function]:
        """The functions."""
        transform = scaling.transform
        yield function(self.input, transformed_channels(layer, transform), is_global=False)
        yield function(self.products, products(layer, transform), is_global=False)
        yield function(self.output, output_channel(layer, scaling), is_global=False)


_TILE_PAIR, _TILE, _OUTPUTS, _LAST = "6", "7", "8", "9"  # labels; 1 to 4, 11 and 12 are the parts'


def _all_tiles(
    layer: WinogradLayer, transform: Transform, order: TileOrder, local: LocalFunctions
) -> Iterator[str]:
    """The loop over pairs of tiles, around the loops over the two tiles and over pairs of outputs."""
    yield from ("push {r4-r11, lr}", f"sub sp, #{FRAME_BYTES}")
    yield from (f"strd r0, r1, [sp, #{Frame.IN}]", f"strd r2, r3, [sp, #{Frame.CONSTANTS}]")
    yield from (*load_constant("r4", order.first[0]), *load_constant("r5", order.first[1]))
    yield from (f"strd r4, r5, [sp, #{Frame.ROW}]", *load_constant("r6", order.pairs))
    yield from (f"str r6, [sp, #{Frame.PAIRS}]", f"{_TILE_PAIR}:", "mov r6, #0")
    yield from (f"{_TILE}:", f"str r6, [sp, #{Frame.TILE}]")
    yield from transformed_tile(layer, transform, order, local.input)
    yield from (f"ldr r6, [sp, #{Frame.TILE}]", "adds r6, r6, #8", "cmp r6, #8", f"beq.w {_TILE}b")
    yield "@ all outputs of both tiles"
    yield from (f"ldrd r4, r5, [sp, #{Frame.CONSTANTS}]", "mov r6, r5", "mov r7, r4")
    yield from (f"strd r6, r7, [sp, #{Frame.V}]", *load_constant("r6", layer.out_channels))
    yield from (f"str r6, [sp, #{Frame.COUNT}]", f"{_OUTPUTS}:")
    yield from two_channels(layer, transform, local)
    yield from (f"ldr r6, [sp, #{Frame.COUNT}]", "subs r6, r6, #2", f"str r6, [sp, #{Frame.COUNT}]")
    yield f"bgt.w {_OUTPUTS}b"
    yield from (f"ldr r6, [sp, #{Frame.PAIRS}]", "subs r6, r6, #1", f"str r6, [sp, #{Frame.PAIRS}]")
    yield from (f"bne.w {_TILE_PAIR}b", f"add sp, #{FRAME_BYTES}", "pop {r4-r11, pc}")


def two_channels(layer: WinogradLayer, transform: Transform, local: LocalFunctions) -> Iterator[str]:
    """The products of two outputs, and both outputs of them."""
    yield from (f"bl {local.products}", "mov r0, sp", f"bl {local.output}")
    if layer.out_channels % 2:
        yield from (f"ldr r6, [sp, #{sums_bytes(transform) + Frame.COUNT}]", "cmp r6, #1", f"beq {_LAST}f")
    yield from ("add r0, sp, #8", f"bl {local.output}")
    if layer.out_channels % 2:
        yield f"{_LAST}:"
    yield f"add sp, #{sums_bytes(transform)}"
