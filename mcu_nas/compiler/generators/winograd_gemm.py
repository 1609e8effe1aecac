"""The products of a Winograd kernel: for every position of the transformed tiles a small matrix product.

Two tiles × two outputs at once, all inputs unrolled. Four inputs: 2 LDM + 8 SMLAD for 16 products, 0.625
instructions each, or 0.156 (F(4×4)) and 0.278 (F(2×2)) of each multiplication of the convolution. Sums are
modulo 2^32.

Registers  r0 V   r1 constants   r2-r5 sums: output 0 of tiles 0 and 1, output 1 of tiles 0 and 1
           r6-r9 V of tile 0, of tile 1   r10-r12, lr weights of output 0, of output 1

The sums of a position are pushed, the last position lowest. There is no register for a count and the stack
pointer moves, so that the loop's end stands in the constants: after the positions of each round one word, 0
after the last round.

Constants for two outputs: for each position and group of four inputs the words (0, 2), (1, 3) of output 0,
then of output 1, each an int16 transformed weight of the lower lane's input first. An absent second output
has weights of 0.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mcu_nas.compiler.generators.function_text import inner_loop
from mcu_nas.compiler.generators.winograd_frame import Frame, local_body
from mcu_nas.compiler.generators.winograd_layer import WinogradLayer
from mcu_nas.compiler.generators.winograd_transforms import TAPS, Transform

_CODE_BYTES = 2048  # of a round, unless one position has more
_CODE_BYTES_PER_INPUT = 10  # of a position
_SUM_BYTES = 16  # a position's four sums


def sums_bytes(transform: Transform) -> int:
    """Bytes of stack for the sums of all positions."""
    return _SUM_BYTES * transform.positions


def sum_offset(transform: Transform, position: int) -> int:
    """Where a position's sums lie above the stack pointer."""
    return _SUM_BYTES * (transform.positions - 1 - position)


def positions_per_round(in_channels: int, positions: int) -> int:
    """Of the transform's positions those that the loop unrolls: a divisor of them all."""
    fitting = [
        count
        for count in range(1, positions + 1)
        if positions % count == 0 and count * _CODE_BYTES_PER_INPUT * in_channels <= _CODE_BYTES
    ]
    return max(fitting, default=1)


def products(layer: WinogradLayer, transform: Transform) -> Iterator[str]:
    """A function's body: the sums of two outputs, pushed; Frame.STREAM moves to what follows the weights."""
    return local_body(_pushed_sums(layer, transform), left_on_stack=sums_bytes(transform))


def _pushed_sums(layer: WinogradLayer, transform: Transform) -> Iterator[str]:
    macs = 4 * layer.in_channels * (TAPS * transform.outputs) ** 2 // transform.positions
    yield f"ldrd r0, r1, [sp, #{Frame.V}]"
    yield "1:"
    for _ in range(positions_per_round(layer.in_channels, transform.positions)):
        yield from inner_loop(macs, _position(layer.in_channels))
        yield "push {r2-r5}"
    yield from ("ldr r6, [r1], #4", "cmp r6, #0", "bne.w 1b")
    yield f"str r1, [sp, #{sums_bytes(transform) + Frame.STREAM}]"


def _position(in_channels: int) -> Iterator[str]:
    for first in range(0, in_channels, 4):
        yield "ldm r0!, {r6-r9}"
        yield "ldm r1!, {r10-r12, lr}"
        yield from _four_inputs(begin=first == 0)


def _four_inputs(*, begin: bool) -> Iterator[str]:
    for v, w, offset in (("r6", "r10", 0), ("r7", "r11", 1)):
        for total, v_step, w_step in ((2, 0, 0), (3, 2, 0), (4, 0, 2), (5, 2, 2)):
            x = f"r{int(v[1:]) + v_step}"
            y = {10: "r10", 11: "r11", 12: "r12", 13: "lr"}[int(w[1:]) + w_step]
            if begin and offset == 0:
                yield f"smuad r{total}, {x}, {y}"
            else:
                yield f"smlad r{total}, {x}, {y}, r{total}"


def packed_weights(layer: WinogradLayer, transform: Transform) -> np.ndarray:
    """Words for each two outputs with the rounds' ends: int64 (output pairs, words)."""
    pairs = -(-layer.out_channels // 2)
    transformed = np.zeros((transform.positions, 2 * pairs, layer.in_channels), np.int64)
    transformed[:, : layer.out_channels] = transform.weights(layer.weights)
    lanes = transformed & 0xFFFF
    quads = lanes.reshape(transform.positions, pairs, 2, -1, 4)  # (position, pair, output, group, input)
    words = np.stack([quads[..., 0] | quads[..., 2] << 16, quads[..., 1] | quads[..., 3] << 16], axis=-1)
    ordered = words.transpose(1, 0, 3, 2, 4)  # (pair, position, group, output, word)
    rounds = transform.positions // positions_per_round(layer.in_channels, transform.positions)
    rows = ordered.reshape(pairs, rounds, -1)
    more = np.broadcast_to((np.arange(rounds)[::-1] > 0).astype(np.int64)[None, :, None], (pairs, rounds, 1))
    return np.concatenate([rows, more], axis=2).reshape(pairs, -1)
