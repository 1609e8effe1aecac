"""3×3 convolutions of stride 1 by Winograd's F(4×4, 3×3) or F(2×2, 3×3) with weights of one byte, ARMv7E-M.

What winograd.py does, from the same products, transforms of tiles and arithmetic, but the constants hold the
convolution's own int8, 9 bytes for two channels instead of 72 (32), and are transformed at run time for a
group of tiles at once. For each group

    each tile         winograd_input.py     V, in scratch
    two outputs       winograd_weights.py   their transformed weights U, in scratch
      two tiles       winograd_gemm.py      V times U
      each output     winograd_output.py    back to sums, to int8, NHWC

To the instructions of winograd.py that adds 7.0 / 16 / tiles (2.8 / 4 / tiles) for each multiplication of the
convolution, ``tiles`` of a group: the last group has what remains, in pairs.

Scratch, from its begin: U with the numbers of two output channels; for each pair of tiles of a group where
its next outputs go, two words; V, 8 bytes a pair of tiles, position and two input channels.
"""

from __future__ import annotations

from collections.abc import Iterator

from mcu_nas.compiler.generators.function_text import assembly_file, function
from mcu_nas.compiler.generators.generated import GeneratedKernel, Refusal
from mcu_nas.compiler.generators.immediates import add_constant, load_constant
from mcu_nas.compiler.generators.winograd import LocalFunctions, check_shape, deepest, two_channels
from mcu_nas.compiler.generators.winograd_frame import GROUP_FRAME_BYTES, SAVED_BYTES, Frame
from mcu_nas.compiler.generators.winograd_input import position_bytes, transformed_tile
from mcu_nas.compiler.generators.winograd_layer import TileOrder, WinogradLayer, tile_order
from mcu_nas.compiler.generators.winograd_scaling import WinogradScaling
from mcu_nas.compiler.generators.winograd_transforms import Transform
from mcu_nas.compiler.generators.winograd_weights import (
    byte_constants,
    round_ends,
    transformed_weights,
    unpacked_bytes,
)

_ADDRESSES_BYTES = 8  # of a pair of tiles


def winograd_bytes(
    layer: WinogradLayer, transform: Transform, symbol: str, tiles: int, *, descending: bool = False
) -> GeneratedKernel:
    """The kernel of one layer; its tiles run in ascending or descending order (TileOrder).

    tiles: of a group, an even number, no more than there are with the last of an odd number twice. in, out:
    int8 NHWC, any alignment; out may overlap in at a distance of overlaps.py's ``tile_lag`` for such groups.
    constants, scratch: 4-byte aligned.

    Raises:
        Refusal: a group that is odd or larger than the image, and as winograd.
    """
    check_shape(layer, transform)
    order = tile_order(layer, transform, descending=descending)
    if tiles % 2 or not 2 <= tiles <= 2 * order.pairs:
        raise Refusal(f"a group of {tiles} tiles out of {2 * order.pairs}")
    scaling = WinogradScaling.of(layer, transform)
    m = transform.outputs
    comment = (
        f"3x3 convolution, {layer.height}x{layer.width}x{layer.in_channels} to "
        f"{layer.out_height}x{layer.out_width}x{layer.out_channels}, F({m}x{m}, 3x3), {tiles} tiles at once",
    )
    places = _Places(layer, scaling, tiles // 2)
    local, weights = LocalFunctions.of(symbol), f"{symbol}_weights"
    lines = _all_groups(layer, scaling, order, places, local, weights)
    return GeneratedKernel(
        symbol=symbol,
        assembly=assembly_file(
            comment,
            function(symbol, lines, is_global=True),
            *local.functions(layer, scaling),
            function(weights, transformed_weights(layer, scaling), is_global=False),
        ),
        constants=byte_constants(layer, scaling),
        scratch_bytes=places.end,
        stack_bytes=SAVED_BYTES + GROUP_FRAME_BYTES + deepest(transform),
    )


class _Places:
    """Where things lie in scratch."""

    def __init__(self, layer: WinogradLayer, scaling: WinogradScaling, pairs: int) -> None:
        self.pairs = pairs  # of tiles, in a group
        self.pair_bytes = position_bytes(layer) * scaling.transform.positions  # of V
        self.addresses = -(-unpacked_bytes(layer, scaling) // 8) * 8
        self.tiles = self.addresses + _ADDRESSES_BYTES * pairs
        self.end = self.tiles + self.pair_bytes * pairs


# Labels; 1 to 4, 9, 11 and 12 are taken inside the parts.
_GROUP, _PAIR, _TILE, _OUTPUTS, _PRODUCTS = "6", "7", "8", "10", "13"


def _all_groups(
    layer: WinogradLayer,
    scaling: WinogradScaling,
    order: TileOrder,
    places: _Places,
    local: LocalFunctions,
    weights: str,
) -> Iterator[str]:
    yield from ("push {r4-r11, lr}", f"sub sp, #{GROUP_FRAME_BYTES}")
    yield from (f"strd r0, r1, [sp, #{Frame.IN}]", f"str r2, [sp, #{Frame.CONSTANTS}]")
    yield from (f"str r3, [sp, #{Frame.SCRATCH}]", *load_constant("r4", order.first[0]))
    yield from (*load_constant("r5", order.first[1]), f"strd r4, r5, [sp, #{Frame.ROW}]")
    yield from (*load_constant("r6", order.pairs), f"str r6, [sp, #{Frame.PAIRS}]")
    yield from ("mov r0, r3", *round_ends(layer, scaling.transform))
    yield f"{_GROUP}:  @ a group of {places.pairs} pairs of tiles, or what remains"
    yield from (f"ldr r6, [sp, #{Frame.PAIRS}]", *load_constant("r7", places.pairs), "cmp r7, r6", "it hi")
    yield from ("movhi r7, r6", "sub r6, r6, r7", f"str r6, [sp, #{Frame.PAIRS}]")
    yield from (f"str r7, [sp, #{Frame.GROUP}]", *_first_pair(places, Frame.TRANSFORMED))
    yield from _inputs(layer, scaling.transform, order, places, local.input)
    yield from (f"ldr r4, [sp, #{Frame.CONSTANTS}]", f"str r4, [sp, #{Frame.WEIGHTS}]")
    yield from (*load_constant("r6", layer.out_channels), f"str r6, [sp, #{Frame.COUNT}]")
    yield f"{_OUTPUTS}:  @ two outputs of the group"
    yield f"bl {weights}"
    yield from _outputs(layer, scaling.transform, places, local)
    yield from (f"ldr r6, [sp, #{Frame.COUNT}]", "subs r6, r6, #2", f"str r6, [sp, #{Frame.COUNT}]")
    yield from (f"bgt.w {_OUTPUTS}b", f"ldr r6, [sp, #{Frame.PAIRS}]", "cmp r6, #0", f"bne.w {_GROUP}b")
    yield from (f"add sp, #{GROUP_FRAME_BYTES}", "pop {r4-r11, pc}")


def _inputs(
    layer: WinogradLayer, transform: Transform, order: TileOrder, places: _Places, channels: str
) -> Iterator[str]:
    """V of the group's tiles, and where their outputs go."""
    yield from (f"{_PAIR}:", "mov r6, #0", f"{_TILE}:", f"str r6, [sp, #{Frame.TILE}]")
    yield from transformed_tile(layer, transform, order, channels)
    yield from (f"ldr r6, [sp, #{Frame.TILE}]", "adds r6, r6, #8", "cmp r6, #8", f"beq.w {_TILE}b")
    yield from _next_pair(places, Frame.TRANSFORMED, _PAIR)


def _outputs(
    layer: WinogradLayer, transform: Transform, places: _Places, local: LocalFunctions
) -> Iterator[str]:
    """Two outputs of all the group's tiles."""
    yield from (f"ldr r7, [sp, #{Frame.GROUP}]", *_first_pair(places, Frame.V), f"{_PRODUCTS}:")
    yield from (f"ldr r6, [sp, #{Frame.ADDRESSES}]", "ldrd r4, r5, [r6]")
    yield from (f"strd r4, r5, [sp, #{Frame.OUT0}]", f"ldr r7, [sp, #{Frame.SCRATCH}]")
    yield f"str r7, [sp, #{Frame.STREAM}]"
    yield from two_channels(layer, transform, local)
    yield from _next_pair(places, Frame.V, _PRODUCTS)


def _first_pair(places: _Places, tiles: Frame) -> Iterator[str]:
    """r7 pairs to be done, from the group's first; ``tiles`` is where V of a pair is kept."""
    yield from (f"str r7, [sp, #{Frame.LEFT}]", f"ldr r6, [sp, #{Frame.SCRATCH}]")
    yield from (*add_constant("r7", "r6", places.addresses), f"str r7, [sp, #{Frame.ADDRESSES}]")
    yield from (*add_constant("r7", "r6", places.tiles), f"str r7, [sp, #{tiles}]")


def _next_pair(places: _Places, tiles: Frame, label: str) -> Iterator[str]:
    """The pair's output addresses kept, and on to the next of the group."""
    yield from (f"ldrd r4, r5, [sp, #{Frame.OUT0}]", f"ldr r6, [sp, #{Frame.ADDRESSES}]")
    yield from (f"strd r4, r5, [r6], #{_ADDRESSES_BYTES}", f"str r6, [sp, #{Frame.ADDRESSES}]")
    yield from (f"ldr r6, [sp, #{tiles}]", *add_constant("r6", "r6", places.pair_bytes))
    yield from (f"str r6, [sp, #{tiles}]", f"ldr r6, [sp, #{Frame.LEFT}]", "subs r6, r6, #1")
    yield from (f"str r6, [sp, #{Frame.LEFT}]", f"bne.w {label}b")
