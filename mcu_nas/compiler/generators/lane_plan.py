"""What both orders of the three-lane pointwise kernel share: constants, stack frame, scratch, and a block.

Constants of a triple, in the order of reading (head, weights, tail)
    uncut         4 words beginning of A and B; weights; 6 words bias, factors
    in a loop     6 words bias; weights; factors
    else cut      6 words bias, 4 words beginning; weights; factors
    weights       WIDE: 2 words an input.  BYTES: of each four inputs a word for each of the three channels,
                  the last inputs filled up with zeros
Behind all triples of 3n + 1 channels those of the last one: weights, WIDE a word an input, BYTES a word of
four; 1 word bias, factors.
Scratch         BYTES: a triple as the block reads it. Then, from NHWC, PAIRS.
Stack frame     partial sums where the inputs are cut, then slots of a word. The first four are read
                by one LDM behind each block.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mcu_nas.compiler.generators.formats import PAIR_SHIFT, Format, Planes, pairs_bytes
from mcu_nas.compiler.generators.generated import Refusal
from mcu_nas.compiler.generators.immediates import add_constant
from mcu_nas.compiler.generators.lane_segments import LANES, Segments, segments, triples
from mcu_nas.compiler.generators.one_lane import (
    FIRST,
    SECOND,
    has_tail,
    tail_block,
    tail_segments,
    tail_words,
)
from mcu_nas.compiler.generators.pointwise_layer import PointwiseLayer
from mcu_nas.compiler.generators.requantization import (
    Requantization,
    Rescaling,
    largest_sums,
    rescaling,
)
from mcu_nas.compiler.generators.three_lanes import (
    OUTPUTS,
    PARTIAL_SUMS_BYTES,
    SCALED_BITS,
    begin_words,
    bias_words,
    factor_words,
    outputs,
    sums,
    weight_words,
)
from mcu_nas.compiler.generators.uniform_rescaling import uniform_rescaling
from mcu_nas.compiler.target import WeightStorage

FARTHEST_STORE = 4095  # bytes ADDW reaches, from a pixel's outputs to the next pixel's
_FARTHEST_POST_INDEX = 255
_SLOTS = 10
STREAM, OUT0, OUT1, END, SEGMENTS = range(5)  # slots of both orders: what to read again, outputs, its end


def lane_plan(layer: PointwiseLayer) -> LanePlan:
    """The layer cut and scaled by its real weights.

    Raises:
        Refusal: no exact requantization.
    """
    return LanePlan(layer, segments(layer.weights), _form(layer))


def _form(layer: PointwiseLayer) -> Rescaling:
    """Sums leave the lanes times 2^10 for the half-up form; times 2 where ties show, or one is too large."""
    asked = Requantization(
        layer.multipliers, layer.shifts, layer.output_zero_point, layer.output_min, layer.output_max
    )
    largest = largest_sums(layer.weights, layer.folded_bias)
    if asked.hides_ties:
        try:
            return uniform_rescaling(asked, largest, SCALED_BITS) or rescaling(asked, largest, SCALED_BITS)
        except Refusal:
            pass  # bounds of sums times 2^10, which sums times 2 may keep
    return rescaling(asked, largest, 1)


@dataclass(frozen=True)
class LanePlan:
    """A layer, how its inputs are cut and its sums scaled, and where things lie."""

    layer: PointwiseLayer
    cut: Segments
    form: Rescaling

    @property
    def scale_bits(self) -> int:
        """Sums leave the lanes times 2^this."""
        return int(self.form.scale_bits[0])

    @property
    def slots(self) -> int:
        """Where the frame's slots begin: the first four are read by one LDM after each block."""
        return 0 if self.cut.is_whole else PARTIAL_SUMS_BYTES

    def slot(self, number: int) -> str:
        """The operand of a load or store of a slot."""
        return f"[sp, #{self.slots + 4 * number}]"

    @property
    def frame_bytes(self) -> int:
        """Stack beside the saved registers."""
        return self.slots + 4 * _SLOTS

    @property
    def head_words(self) -> int:
        """Words of a triple before its weights."""
        return len(self.around((0, 1, 2))[0])

    def around(self, triple: tuple[int, int, int]) -> tuple[np.ndarray, np.ndarray]:
        """The words of a triple before and behind its weights."""
        bias = bias_words(self.layer.folded_bias[list(triple)], self.cut.count, self.scale_bits)
        factors = factor_words(self.form, triple)
        begin = begin_words(self.cut)
        if self.cut.is_whole:
            return begin, np.concatenate([bias, factors])
        return np.concatenate([bias, begin]), factors

    def constants(self, triple: tuple[int, int, int]) -> np.ndarray:
        """A triple's constants."""
        head, tail = self.around(triple)
        weights = self.layer.weights[list(triple)]
        if self.layer.weight_storage is WeightStorage.WIDE:
            return np.concatenate([head, weight_words(weights), tail])
        padded = np.zeros((LANES, -(-self.layer.inputs // 4) * 4), np.int8)
        padded[:, : self.layer.inputs] = weights
        quads = padded.reshape(LANES, -1, 4).transpose(1, 0, 2)  # a word a channel
        return np.concatenate([head, np.ascontiguousarray(quads).reshape(-1).view("<u4"), tail])

    @property
    def last_constants(self) -> np.ndarray:
        """Of the channel behind the triples (one_lane.py)."""
        channel = self.layer.outputs - 1
        weights = self.layer.weights[channel]
        if self.layer.weight_storage is WeightStorage.BYTES:
            words = np.pad(weights, (0, -len(weights) % 4)).view("<u4")
        else:
            words = weights.astype(np.int32).view(np.uint32)
        bias = int(self.layer.folded_bias[channel])
        return np.concatenate([words, tail_words(self.form, bias, self.last_cut, self.scale_bits, channel)])

    @property
    def last_cut(self) -> Segments:
        """How the inputs of the channel behind the triples are cut, whose lanes are wider."""
        return tail_segments(self.layer.weights[-1], self.cut)

    @property
    def all_constants(self) -> np.ndarray:
        """Of the whole layer."""
        parts = [self.constants(triple) for triple in triples(self.layer.outputs)]
        if has_tail(self.layer.outputs):
            parts.append(self.last_constants)
        return np.concatenate(parts)

    @property
    def tail_words(self) -> int:
        """Words of a triple behind its weights."""
        return len(self.around((0, 1, 2))[1])

    @property
    def constants_bytes(self) -> int:
        """Of a triple."""
        return 4 * len(self.constants((0, 1, 2)))

    @property
    def unpacked_bytes(self) -> int:
        """Of a triple as the block reads it. Weights are unpacked by fours; the tail covers excess."""
        return 4 * (self.head_words + 2 * self.layer.inputs + self.tail_words)

    @property
    def activations_offset(self) -> int:
        """Where in scratch PAIRS begin, behind an unpacked triple."""
        return -(-self.unpacked_bytes // 8) * 8

    @property
    def scratch_bytes(self) -> int:
        """Scratch of the whole kernel."""
        gathers = self.layer.source is Format.NHWC
        if self.layer.weight_storage is WeightStorage.WIDE:
            return 4 * self.layer.inputs if gathers else 0
        return self.activations_offset + (pairs_bytes(self.layer.pixels, self.layer.inputs) if gathers else 0)

    @property
    def planes(self) -> Planes:
        """The output's, where the target is PLANES."""
        assert self.layer.planes is not None
        return self.layer.planes

    @property
    def channel_bytes(self) -> int:
        """From an output channel to the next."""
        each = {Format.NHWC: 1, Format.PAIRS: 4}
        return 2 * self.planes.plane_stride if self.layer.target is Format.PLANES else each[self.layer.target]

    @property
    def pair_bytes(self) -> int:
        """From a pair of output pixels to the next in running order; PLANES: in a row."""
        each = {Format.NHWC: 2 * self.layer.step * self.layer.outputs, Format.PAIRS: 4 * self.layer.outputs}
        return 4 if self.layer.target is Format.PLANES else each[self.layer.target]

    def block(self) -> Iterator[str]:
        """From r0 and r1 to six values of int8."""
        yield from sums(self.cut, self.scale_bits)
        yield from outputs(self.form)

    def last_block(self) -> Iterator[str]:
        """From r0 and r1 to two values of int8, of the channel behind the triples."""
        counter = self.slots + 4 * SEGMENTS
        return tail_block(self.form, self.last_cut, self.scale_bits, counter)

    def reloaded(self, stream: str) -> Iterator[str]:
        """The frame's first four slots: what the next block reads again, both outputs, and an end into lr."""
        if self.slots:
            yield f"add lr, sp, #{self.slots}"
        yield f"ldm {'lr' if self.slots else 'sp'}, {{{stream}, r11, r12, lr}}"

    def stored(self, moved: int) -> Iterator[str]:
        """A block's outputs at r11 (NHWC: the first pixel's) and r12 (the second's, of NHWC alone).

        moved: bytes by which the pointers move on.
        """
        if self.layer.target is Format.PAIRS:
            for first, second in OUTPUTS:
                yield f"add {first}, {first}, {second}, lsl #{PAIR_SHIFT}"
            if moved == LANES * self.channel_bytes:
                yield "stm r11!, {r2, r4, r10}"
            else:
                yield from ("stm r11, {r2, r4, r10}", *add_constant("r11", "r11", moved))
            return
        if self.layer.target is Format.PLANES:
            yield from self._stored_in_planes(OUTPUTS, moved)
            return
        for pointer, (zero, one, two) in (("r12", ("r9", "r3", "r5")), ("r11", ("r2", "r4", "r10"))):
            yield from (f"strb {one}, [{pointer}, #1]", f"strb {two}, [{pointer}, #2]")
            yield from _store_and_move("strb", zero, pointer, moved)

    def last_stored(self, moved: int) -> Iterator[str]:
        """The last channel's outputs, as ``stored``."""
        if self.layer.target is Format.PAIRS:
            yield from (f"add {FIRST}, {FIRST}, {SECOND}, lsl #{PAIR_SHIFT}", f"str {FIRST}, [r11]")
            yield from add_constant("r11", "r11", moved)
            return
        if self.layer.target is Format.PLANES:
            yield from self._stored_in_planes(((FIRST, SECOND),), moved)
            return
        for pointer, value in (("r12", SECOND), ("r11", FIRST)):
            yield from _store_and_move("strb", value, pointer, moved)

    def _stored_in_planes(self, channels: tuple[tuple[str, str], ...], moved: int) -> Iterator[str]:
        """Both pixels of each channel; the first pixel of the first last, whose store can move r11."""
        for number, (first, second) in reversed(list(enumerate(channels))):
            at = number * self.channel_bytes
            yield f"strh {second}, [r11, #{at + 2}]"
            if number:
                yield f"strh {first}, [r11, #{at}]"
            else:
                yield from _store_and_move("strh", first, "r11", moved)


def _store_and_move(store: str, value: str, pointer: str, moved: int) -> Iterator[str]:
    """A store at a pointer, which then moves on by so many bytes."""
    if abs(moved) <= _FARTHEST_POST_INDEX:
        yield f"{store} {value}, [{pointer}], #{moved}"
    else:
        yield from (f"{store} {value}, [{pointer}]", *add_constant(pointer, pointer, moved))
