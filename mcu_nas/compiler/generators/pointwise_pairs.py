"""Pointwise (1x1) convolutions of four to eight inputs, ARMv7E-M: both pixels of a pair stay in registers.

With so few inputs the lanes of three_lanes.py cost more to split than they save. Here two pixels are widened
to int16 once, two inputs a word, eight registers in all; then each output channel takes

    LDM bias, two weight words   4 SMLAD      LDM two weight words   4 SMLAD
    LDM m, C                     2 SMMLA      2 SSAT     2 STRB

or 17 instructions for 16 products and two outputs, of four inputs 12 for 8. An input word holds the bytes 0
and 2 or 1 and 3 of four, as SXTB16 leaves them, and so do the weights. Of five to seven inputs the last four
overlap those before, which have zeros for weights where they are read again.

Weights and bias are scaled by 2^s, s <= 8, so that int16 holds them: 128 2^8 = 2^15 is met by -128 alone, as
-2^15. Sums are modulo 2^32, and requantization.py refuses a channel whose (|bias| + 128 sum |w|) 2^s reaches
2^31. Where ties show (TFLM rounds them away from zero) s = 1, and three instructions more an output channel
take [y < 0] off C before the high multiply, and read C again.

Weights of one byte (BYTES) are unpacked into scratch when the kernel begins, as it then reads them: SXTB16
twice for four, and SADD16 of each word with itself s times. 12 to 40 instructions an output channel, once.

The pixels of an even number; descending, pairs run from the image's end, in each the lower pixel first. A
pair is read before its outputs are written: the output may overlap its input at overlaps.py's ``group_lag``.
in, out: int8 NHWC, any alignment. constants, scratch: 4-byte aligned. WIDE needs no scratch.

Registers  r0 the lower pixel's outputs   r1 constants   r2-r5 the lower pixel   r6-r9 the higher
           r10, r11 sums   r12, lr weights, then m and C; between pairs r12 the next pair
Stack frame, in words: next pair, where pairs end, constants, where the turn over channels ends.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mcu_nas.compiler.generators.function_text import assembly_file, function, inner_loop
from mcu_nas.compiler.generators.generated import GeneratedKernel, Refusal
from mcu_nas.compiler.generators.immediates import add_constant, load_constant
from mcu_nas.compiler.generators.lane_plan import FARTHEST_STORE
from mcu_nas.compiler.generators.pointwise_layer import PointwiseLayer
from mcu_nas.compiler.generators.requantization import (
    Requantization,
    Rescaling,
    largest_sums,
    narrowed,
    rescaling,
)
from mcu_nas.compiler.generators.uniform_rescaling import uniform_rescaling
from mcu_nas.compiler.target import WeightStorage

LEAST_INPUTS, MOST_INPUTS = 4, 8
_MOST_SCALE_BITS = 8
_LONGEST_UNROLLED, _TURN = 16, 8  # channels
_LOWER, _HIGHER = ("r2", "r3", "r4", "r5"), ("r6", "r7", "r8", "r9")
_NEXT, _END, _CONSTANTS, _TURNS_END = range(0, 16, 4)
_FRAME_BYTES, _SAVED_BYTES = 16, 36  # r4-r11, lr


def pointwise_pairs(layer: PointwiseLayer, symbol: str) -> GeneratedKernel:
    """The kernel of one layer; its formats are taken as NHWC.

    Raises:
        Refusal: an odd number of pixels, inputs beyond four to eight, outputs too far apart for a store, or
            no exact requantization.
    """
    if layer.pixels % 2 or not LEAST_INPUTS <= layer.inputs <= MOST_INPUTS:
        raise Refusal(
            f"{layer.pixels} pixels of {layer.inputs} inputs: pairs of four to eight stay in registers"
        )
    if layer.outputs > FARTHEST_STORE:
        raise Refusal(f"{layer.outputs} outputs of a pixel lie farther apart than an instruction reaches")
    plan = _Plan(layer, _form(layer))
    comment = [
        f"Pointwise convolution, {layer.pixels} pixels x {layer.inputs} inputs x {layer.outputs} outputs.",
        "r0 in, r1 out, r2 constants. pointwise_pairs.py explains it.",
    ]
    return GeneratedKernel(
        symbol=symbol,
        assembly=assembly_file(comment, function(symbol, plan.lines(), is_global=True)),
        constants=np.concatenate([plan.stored(channel) for channel in range(layer.outputs)]),
        scratch_bytes=4 * len(plan.constants(0)) * layer.outputs if plan.unpacks else 0,
        stack_bytes=_SAVED_BYTES + _FRAME_BYTES,
    )


def _form(layer: PointwiseLayer) -> Rescaling:
    """Scaled by as much as int16 and the sums permit, or by 2 where ties show or that has no form."""
    asked = Requantization(
        layer.multipliers, layer.shifts, layer.output_zero_point, layer.output_min, layer.output_max
    )
    largest = largest_sums(layer.weights, layer.folded_bias)
    bits = min(_MOST_SCALE_BITS, 31 - int(largest.max()).bit_length())
    if asked.hides_ties and bits > 1:
        try:
            return uniform_rescaling(asked, largest, bits) or rescaling(asked, largest, bits)
        except Refusal:
            pass  # bounds of sums times 2^s, which sums times 2 may keep
    return rescaling(asked, largest, 1)


@dataclass(frozen=True)
class _Plan:
    layer: PointwiseLayer
    form: Rescaling

    @property
    def _words(self) -> list[int]:
        """The inputs that the words of a pixel begin with, four each."""
        return [0] if self.layer.inputs == LEAST_INPUTS else [0, self.layer.inputs - 4]

    @property
    def unpacks(self) -> bool:
        """Whether constants hold weights as bytes."""
        return self.layer.weight_storage is WeightStorage.BYTES

    def stored(self, channel: int) -> np.ndarray:
        """A channel's constants."""
        read = self.constants(channel)
        if not self.unpacks:
            return read
        fours = np.concatenate(self._fours(channel)).astype(np.int8).view("<u4")
        return np.concatenate([read[:1], fours, read[1 + 2 * len(fours) :]])

    def constants(self, channel: int) -> np.ndarray:
        """As the products read them: bias, weight words, m, C, and E where channels differ."""
        scale = 1 << self._scale_bits
        words = [int(self.layer.folded_bias[channel]) * scale]
        for four in self._fours(channel):
            pairs = (scale * four[0::2], scale * four[1::2])
            words += [int(low) % (1 << 16) + (int(high) << 16) for low, high in pairs]
        words += [int(self.form.multipliers[channel]), int(self.form.constants[channel])]
        if self.form.final_shift is None:
            words.append(int(self.form.final_shifts[channel]))
        return np.array([word % (1 << 32) for word in words], np.uint32)

    @property
    def _scale_bits(self) -> int:
        return int(self.form.scale_bits[0])  # of all channels

    def _fours(self, channel: int) -> list[np.ndarray]:
        """A channel's weights as pixels are read, int64 (4,) each."""
        weights = self.layer.weights[channel].astype(np.int64)
        fours = [weights[first : first + 4].copy() for first in self._words]
        if len(fours) > 1:
            fours[1][: LEAST_INPUTS - self._words[1]] = 0  # read with the first four
        return fours

    def lines(self) -> Iterator[str]:
        """The function's instructions."""
        layer = self.layer
        first = layer.pixels - 2 if layer.descending else 0
        yield from ("push {r4-r11, lr}", f"sub sp, #{_FRAME_BYTES}")
        if self.unpacks:
            yield from self._unpacked()
        yield from add_constant("r12", "r0", first * layer.inputs)
        yield from add_constant("lr", "r12", layer.step * layer.pixels * layer.inputs)
        yield from (f"str lr, [sp, #{_END}]", f"str r2, [sp, #{_CONSTANTS}]")
        yield from add_constant("r0", "r1", first * layer.outputs)
        yield from ("1:  @ a pair of pixels", *self._widened())
        yield f"ldr r1, [sp, #{_CONSTANTS}]"
        yield from self._channels()
        yield from add_constant("r0", "r0", (-3 if layer.descending else 1) * layer.outputs)
        yield from (f"ldrd r12, lr, [sp, #{_NEXT}]", "cmp r12, lr", "bne.w 1b")
        yield from (f"add sp, #{_FRAME_BYTES}", "pop {r4-r11, pc}")

    def _unpacked(self) -> Iterator[str]:
        """All channels' constants from r2 to r3, and r2 then where they are."""
        yield from ("mov r12, r3", *load_constant("r11", self.layer.outputs), "3:  @ a channel's weights")
        yield from ("ldr r4, [r2], #4", "str r4, [r12], #4")
        for _ in self._words:
            yield from ("ldr r5, [r2], #4", "sxtb16 r4, r5", "sxtb16 r5, r5, ror #8")
            for _ in range(self._scale_bits):
                yield from ("sadd16 r4, r4, r4", "sadd16 r5, r5, r5")
            yield "stm r12!, {r4, r5}"
        factors = "{r4-r6}" if self.form.final_shift is None else "{r4, r5}"
        yield from (f"ldm r2!, {factors}", f"stm r12!, {factors}")
        yield from ("subs r11, r11, #1", "bne.w 3b", "mov r2, r3")

    def _widened(self) -> Iterator[str]:
        """The pair at r12 in int16, and r12 moved on to the next into the frame."""
        inputs, moved = self.layer.inputs, self.layer.step * 2 * self.layer.inputs
        for pixel, registers in enumerate((_LOWER, _HIGHER)):
            for place, first in enumerate(self._words):
                at = pixel * inputs + first
                even, odd = registers[2 * place : 2 * place + 2]
                yield f"ldr {odd}, [r12, #{at - moved}]" if at else f"ldr {odd}, [r12], #{moved}"
                yield from (f"sxtb16 {even}, {odd}", f"sxtb16 {odd}, {odd}, ror #8")
        yield f"str r12, [sp, #{_NEXT}]"

    def _channels(self) -> Iterator[str]:
        outputs = self.layer.outputs
        unrolled = outputs
        if outputs > _LONGEST_UNROLLED:
            turns, unrolled = divmod(outputs, _TURN)
            yield from add_constant("r12", "r1", 4 * turns * _TURN * len(self.constants(0)))
            yield from (f"str r12, [sp, #{_TURNS_END}]", "2:  @ some channels")
            for _ in range(_TURN):
                yield from self._channel()
            yield from (f"ldr r12, [sp, #{_TURNS_END}]", "cmp r1, r12", "bne.w 2b")
        for _ in range(unrolled):
            yield from self._channel()

    def _channel(self) -> Iterator[str]:
        """Both outputs of the next channel, stored."""
        yield from inner_loop(2 * self.layer.inputs, self._products())
        yield "ldm r1!, {r12, lr}  @ m and C"
        yield from self._scaled()
        yield from (f"strb r11, [r0, #{self.layer.outputs}]", "strb r10, [r0], #1")

    def _products(self) -> Iterator[str]:
        for four in range(len(self._words)):
            yield f"ldm r1!, {{{'r12, lr' if four else 'r10, r12, lr'}}}"
            for place, weight in enumerate(("r12", "lr"), 2 * four):
                begin = "r11" if place else "r10"  # the first of the higher pixel begins with the bias, too
                yield f"smlad r11, {_HIGHER[place]}, {weight}, {begin}"
                yield f"smlad r10, {_LOWER[place]}, {weight}, r10"

    def _scaled(self) -> Iterator[str]:
        """From both sums, m in r12 and C in lr to int8."""
        form = self.form
        multiply = "smmlar" if form.rounds else "smmla"
        if form.ties_away:
            yield from ("add lr, lr, r10, asr #31", f"{multiply} r10, r10, r12, lr")
            yield from ("ldr lr, [r1, #-4]", "add lr, lr, r11, asr #31", f"{multiply} r11, r11, r12, lr")
        else:
            yield from (f"{multiply} {total}, {total}, r12, lr" for total in ("r10", "r11"))
        own_final = form.final_shift is None
        if own_final:
            yield "ldr lr, [r1], #4  @ E"
            yield from (f"asr {total}, {total}, lr" for total in ("r10", "r11"))
        if form.low:
            yield f"mov r12, #{form.low}"
        if form.high:
            yield f"mov lr, #{form.high}"
        for total in ("r10", "r11"):
            yield from narrowed(form, total, "lr" if own_final else "", "r12", "lr")[own_final:]
