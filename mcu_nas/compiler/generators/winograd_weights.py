"""The weights' side of a Winograd kernel that keeps them as int8: U = G g Gᵀ of two output channels, made at
run time, in the words that winograd_gemm.py reads.

Two of four input channels travel in a register, each in its own half: SADD16 and SSUB16 carry nothing from
one to the other. Multiples of 2 and 4 are sums, as shifts would carry; |U| <= 49 · 128 = 6,272 (F(2×2):
9 · 128) fits each half. Along one axis, of three weights w0, w1, w2:

    F(4×4), 9 instructions   w0 | w0 + w2 ± w1 | w0 + 4 w2 ± 2 w1 | w2
    F(2×2), 3                w0 | w0 + w2 ± w1 | w2

Each row of the filter goes to a buffer on the stack, then each column of the buffer to U: 251 (101)
instructions for four inputs of an output, or 7.0 (2.8) for each of their 36 weights.

Constants for two outputs, the second of which may be absent, all 0: for each four inputs, for either output,
nine words of four int8, the filter's taps row by row; then the numbers of either output channel
(winograd_scaling.py), which are copied behind U. So the products find in scratch what winograd.py has in
flash, but for the words that end a round (winograd_gemm.py): ``round_ends`` writes them once.

Registers  r0 U   r1 constants   r2-r7 three weights, the lanes (0, 2) and (1, 3) of each
           r8-r12, lr three values each, of the same lanes
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mcu_nas.compiler.generators.immediates import add_constant, load_constant
from mcu_nas.compiler.generators.winograd_frame import Frame, local_body
from mcu_nas.compiler.generators.winograd_gemm import positions_per_round
from mcu_nas.compiler.generators.winograd_input import LARGEST_POST_INDEX
from mcu_nas.compiler.generators.winograd_layer import WinogradLayer
from mcu_nas.compiler.generators.winograd_scaling import WORD_BYTES, WinogradScaling
from mcu_nas.compiler.generators.winograd_transforms import TAPS, Transform

_QUAD_BYTES = 8  # of U: four inputs of an output at one position
_EVEN, _ODD = ("r2", "r4", "r6", "r8", "r10", "r12"), ("r3", "r5", "r7", "r9", "r11", "lr")
_COPIED_AT_ONCE = 10  # words: r2-r11


def unpacked_bytes(layer: WinogradLayer, scaling: WinogradScaling) -> int:
    """Bytes of scratch for two outputs: U, the ends of rounds, and the numbers of both channels."""
    return _weights_bytes(layer, scaling.transform) + 2 * WORD_BYTES * scaling.channel_words


def byte_constants(layer: WinogradLayer, scaling: WinogradScaling) -> np.ndarray:
    """uint32, two outputs after two outputs."""
    pairs = -(-layer.out_channels // 2)
    padded = np.zeros((2 * pairs, TAPS * TAPS, layer.in_channels), np.int8)
    padded[: layer.out_channels] = layer.weights.reshape(layer.out_channels, TAPS * TAPS, layer.in_channels)
    quads = padded.reshape(pairs, 2, TAPS * TAPS, -1, 4).transpose(
        0, 3, 1, 2, 4
    )  # (pair, quad, output, tap, 4)
    words = np.ascontiguousarray(quads).reshape(pairs, -1).view("<u4")
    numbers = np.zeros((2 * pairs, scaling.channel_words), np.uint32)
    numbers[: layer.out_channels] = [scaling.words(channel) for channel in range(layer.out_channels)]
    return np.concatenate([words, numbers.reshape(pairs, -1)], axis=1).reshape(-1).astype(np.uint32)


def round_ends(layer: WinogradLayer, transform: Transform) -> Iterator[str]:
    """From r0, where U begins, the words after each round. Spoils r0-r2."""
    together = positions_per_round(layer.in_channels, transform.positions)
    rounds = transform.positions // together
    if rounds > 1:
        yield from (*load_constant("r1", rounds - 1), "mov r2, #1", "1:")
        yield from (*add_constant("r0", "r0", together * _position_bytes(layer)), "str r2, [r0], #4")
        yield from ("subs r1, r1, #1", "bne 1b")
    yield from (*add_constant("r0", "r0", together * _position_bytes(layer)), "mov r2, #0", "str r2, [r0]")


def transformed_weights(layer: WinogradLayer, scaling: WinogradScaling) -> Iterator[str]:
    """A function's body: U of the next two outputs and their numbers; Frame.WEIGHTS moves on."""
    return local_body(_unpacked_outputs(layer, scaling))


def _unpacked_outputs(layer: WinogradLayer, scaling: WinogradScaling) -> Iterator[str]:
    transform = scaling.transform
    window = transform.window
    yield from (f"ldr r0, [sp, #{Frame.SCRATCH}]", f"ldr r1, [sp, #{Frame.WEIGHTS}]")
    yield from (*load_constant("r2", layer.in_channels // 2), "1:", f"str r2, [sp, #{Frame.LEFT}]")
    yield f"sub sp, #{_buffer_bytes(transform)}"
    for row in range(TAPS):
        yield f"@ row {row} of the taps of four inputs"
        yield f"ldm r1!, {{{', '.join(_ODD[:TAPS])}}}"
        for even, odd in zip(_EVEN[:TAPS], _ODD[:TAPS], strict=True):
            yield from (f"sxtb16 {even}, {odd}", f"sxtb16 {odd}, {odd}, ror #8")
        yield from _step(transform, [f"[sp, #{8 * (column * TAPS + row)}]" for column in range(window)])
    for column in range(window):
        yield f"@ column {column} of U"
        yield f"pop {{{', '.join(sorted((*_EVEN[:TAPS], *_ODD[:TAPS])))}}}"
        steps = [_to_next(layer, transform, column * window + row) for row in range(window)]
        yield from _step(transform, [f"[r0], #{step}" for step in steps])
    end = _weights_bytes(layer, transform)
    yield from add_constant("r0", "r0", _QUAD_BYTES - end)
    yield from (f"ldr r2, [sp, #{Frame.LEFT}]", "subs r2, r2, #1", "bne.w 1b")
    yield "@ numbers of both channels"
    yield from add_constant("r0", "r0", end - _QUAD_BYTES * (layer.in_channels // 2))
    yield from _copied(2 * scaling.channel_words)
    yield f"str r1, [sp, #{Frame.WEIGHTS}]"


def _buffer_bytes(transform: Transform) -> int:
    return 8 * transform.window * TAPS


def _position_bytes(layer: WinogradLayer) -> int:
    """Bytes of U for one position."""
    return 4 * layer.in_channels


def _weights_bytes(layer: WinogradLayer, transform: Transform) -> int:
    rounds = transform.positions // positions_per_round(layer.in_channels, transform.positions)
    return transform.positions * _position_bytes(layer) + WORD_BYTES * rounds


def _to_next(layer: WinogradLayer, transform: Transform, position: int) -> int:
    """Bytes from a position to the next, beyond a round's end where there is one."""
    ends = (position + 1) % positions_per_round(layer.in_channels, transform.positions) == 0
    return _position_bytes(layer) + (WORD_BYTES if ends else 0)


def _step(transform: Transform, places: list[str]) -> Iterator[str]:
    """Both lane pairs along one axis, from registers to ``places``, which are used in order."""
    parts = [_parts(transform, *registers) for registers in (_EVEN, _ODD)]
    for first, _, _ in parts:
        yield from first
    yield from _stored(_EVEN[0], _ODD[0], places[0])
    for _, second, _ in parts:
        yield from second
    for even, odd, place in zip(parts[0][2], parts[1][2], places[1:], strict=True):
        yield from _stored(even, odd, place)


def _parts(
    transform: Transform, w0: str, w1: str, w2: str, a: str, c: str, d: str
) -> tuple[list[str], list[str], list[str]]:
    """What is done before w0 is stored, and after, and the registers of the results behind w0."""
    first = [f"sadd16 {a}, {w0}, {w2}"]
    second = [f"ssub16 {w0}, {a}, {w1}", f"sadd16 {a}, {a}, {w1}"]
    if transform.outputs == TAPS - 1:
        return first, second, [a, w0, w2]
    first += [f"sadd16 {c}, {w2}, {w2}", f"sadd16 {c}, {c}, {c}", f"sadd16 {c}, {c}, {w0}"]
    second += [f"sadd16 {w1}, {w1}, {w1}", f"ssub16 {d}, {c}, {w1}", f"sadd16 {c}, {c}, {w1}"]
    return first, second, [a, w0, c, d, w2]


def _stored(even: str, odd: str, place: str) -> Iterator[str]:
    address, _, step = place.partition("], #")
    if step and int(step) > LARGEST_POST_INDEX:
        yield from (f"strd {even}, {odd}, {address}]", *add_constant("r0", "r0", int(step)))
    else:
        yield f"strd {even}, {odd}, {place}"


def _copied(words: int) -> Iterator[str]:
    for begin in range(0, words, _COPIED_AT_ONCE):
        last = 1 + min(_COPIED_AT_ONCE, words - begin)
        if last == 2:
            yield from ("ldr r2, [r1], #4", "str r2, [r0], #4")
        else:
            yield from (f"ldm r1!, {{r2-r{last}}}", f"stm r0!, {{r2-r{last}}}")
