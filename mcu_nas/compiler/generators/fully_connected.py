"""Fully connected layers of one vector, ARMv7E-M: four outputs at once, two products an instruction.

The input is widened once to int16 in ``scratch``. With one vector every weight is used once, so that what
remains is to load a weight, to widen it, and to multiply. Weights are stored in two ways:

WIDE   two weights a word, doubled. Eight inputs of four outputs: 5 LDM + 16 SMLAD for 32 products, 0.656
       instructions each.
BYTES  a lane of 16 bits holds w[o] + 256 w[o + 1] of a pair of outputs. SMLAD on the raw word sums
       y[o] + 256 y[o + 1]; SXTB16 leaves w[o], whose SMLAD sums y[o]; their difference is 256 y[o + 1].
       Eight inputs of four outputs: 3 LDM + 8 SXTB16 + 16 SMLAD, 0.844 instructions a product. The last
       output of an odd number stands alone: two SXTB16 widen its four weights a word.

Order of inputs: a block of eight is widened to the words (x0, x2) (x1, x3) (x4, x6) (x5, x7), low lane
first, as SXTB16 and SXTB16 with ROR #8 find them; the weights' words hold the same. A last block of at most
four inputs has two words. Inputs beyond the layer's count are 0.

Registers  r0 widened input   r1 constants   r2-r5 sums   r6-r9 input words   r10-r12, lr weight words
           after the sums: r6 multiplier   r7 rounding constant C   r8 scaled sum   r9 final shift
           r10 output   r11 where the constants of this body's groups end

Constants  multiplier, C                of the layer, where all outputs share them and the shift; then for
                                        each group of four outputs, and for the one to three that remain:
           start value of each sum      WIDE: 2 b;  a pair: b[o], then b[o] + 256 b[o + 1];  alone: b
                                        with b = bias - zero point * sum of weights
           weights                      block by block; in a block, output by output or pair by pair
           multiplier, C, final shift   of each output, where they are not shared

Exactness  Sums are modulo 2^32 (SMLAD wraps; nothing reads its Q flag), which loses nothing where the result
fits. With A = |b| + 128 * sum of |w|, the generator checks of every output
  A < 2^30, since twice the sum is scaled (requantization.py, with scale_bits = 1), and
  A < 2^23 of the second of a pair, since 256 times it stands in 32 bits.
A lane holds w[o] + 256 w[o + 1] as int16: not where w[o + 1] = -128 and w[o] < 0.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from mcu_nas.compiler.generators.fully_connected_weights import (
    BLOCK,
    FullyConnectedLayer,
    check_pairs,
    folded_bias,
    group_words,
)
from mcu_nas.compiler.generators.function_text import Assembly, assembly_file, function, inner_loop
from mcu_nas.compiler.generators.generated import GeneratedKernel
from mcu_nas.compiler.generators.requantization import (
    Rescaling,
    instructions,
    largest_sums,
    rescaling,
)
from mcu_nas.compiler.target import WeightStorage

GROUP = 4  # outputs computed together
MANY_GROUPS = 8  # from here on, speed is worth code
LOOP_BLOCKS, FEW_BLOCKS = 9, 4  # unrolled at most: where there are many groups, and elsewhere

_SUMS = ("r2", "r3", "r4", "r5")
_INPUTS = ("r6", "r7", "r8", "r9")
_WEIGHTS = ("r10", "r11", "r12", "lr")
# Stack words in the order in which one LDM after a group's sums reads them, then the end of the input loop.
_BEGIN, _FACTOR, _OUT, _END, _LOOP_END, _FRAME = 0, 4, 12, 16, 20, 28
_SAVED = 36  # r4-r11, lr


def fully_connected(layer: FullyConnectedLayer, symbol: str) -> GeneratedKernel:
    """The kernel of one layer.

    in: int8 [inputs], any alignment. out: int8 [outputs], any alignment; may overlap in, of which nothing is
    read once the first output is written. constants: 4-byte aligned.

    Raises:
        Refusal: a channel breaks a bound of this module's docstring; another kernel has to run the layer.
    """
    largest = largest_sums(layer.weights, folded_bias(layer))
    check_pairs(layer, largest)
    scaling = _Scaling(rescaling(layer.requantization, largest, scale_bits=1))
    groups, rest = divmod(len(layer.weights), GROUP)
    width = -(-layer.weights.shape[1] // 4) * 4
    bodies = [
        _Body(layer.weight_storage, count, times, width, unrolled, scaling)
        for count, times, unrolled in (
            (GROUP, groups, LOOP_BLOCKS if groups >= MANY_GROUPS else FEW_BLOCKS),
            (rest, 1, FEW_BLOCKS),
        )
        if count and times
    ]
    parts = [scaling.shared_words()]
    first = 0
    for body in bodies:
        for _ in range(body.times):
            outputs = slice(first, first + body.count)
            parts.append(np.concatenate([group_words(layer, outputs, width), scaling.group_words(outputs)]))
            first += body.count
    lines = [*_widen(layer.weights.shape[1]), *scaling.shared_lines()]
    for body in bodies:
        lines += body.lines(4 * body.times * len(parts[1]))
    return GeneratedKernel(
        symbol=symbol,
        assembly=_function(symbol, layer, lines),
        constants=np.concatenate(parts).astype(np.uint32),
        scratch_bytes=2 * width,
        stack_bytes=_SAVED + _FRAME,
    )


@dataclass(frozen=True)
class _Scaling:
    """How sums, which arrive doubled, become outputs."""

    form: Rescaling

    @property
    def shared(self) -> bool:
        """All outputs have one factor, as in a layer whose weights are quantized per tensor."""
        form = self.form
        columns = (form.multipliers, form.constants, form.final_shifts)
        return all((column == column[0]).all() for column in columns)

    def shared_words(self) -> np.ndarray:
        return np.array([self.form.multipliers[0], self.form.constants[0]] if self.shared else [], np.int64)

    def shared_lines(self) -> Iterator[str]:
        """Put the shared words where each group finds them."""
        if self.shared:
            yield "@ multiplier and C of all outputs"
            yield from ("ldm r1!, {r4, r5}", f"strd r4, r5, [sp, #{_FACTOR}]")

    def group_words(self, outputs: slice) -> np.ndarray:
        if self.shared:
            return np.zeros(0, np.int64)
        columns = (self.form.multipliers, self.form.constants, self.form.final_shifts)
        return np.stack([column[outputs] for column in columns], axis=1).reshape(-1)

    def lines(self, totals: Sequence[str]) -> Iterator[str]:
        """From doubled sums in registers to int8 outputs, stored one after the other."""
        form = self.form
        if form.low:
            yield f"mov r12, #{form.low}"
        if form.high:
            yield f"mov lr, #{form.high}"
        for total in totals:
            if not self.shared:
                yield "ldm r1!, {r6, r7, r9}"
            final = "" if self.shared else "r9"
            yield from instructions(
                form, total, "r6", "r7", temporary="r8", final=final, low="r12", high="lr"
            )
            yield f"strb {total}, [r10], #1"


@dataclass(frozen=True)
class _Body:
    """The code of ``times`` groups of ``count`` outputs: a loop over groups around a loop over inputs."""

    weight_storage: WeightStorage
    count: int
    times: int
    width: int  # of the widened input, a multiple of 4
    unrolled: int
    scaling: _Scaling

    def lines(self, constants_bytes: int) -> Iterator[str]:
        """``constants_bytes``: of all its groups. Label 1 begins a round of inputs, label 2 a group."""
        rounds, looped, after = _loop(self.width // BLOCK, self.unrolled)
        last_words = self.width % BLOCK // 2
        yield "ldr r0, [sp]"
        if self.times > 1:
            yield from (*_add("r4", "r1", constants_bytes), f"str r4, [sp, #{_END}]")
        if rounds > 1:
            yield from (*_add("r4", "r0", 2 * BLOCK * rounds * looped), f"str r4, [sp, #{_LOOP_END}]")
        yield "2:"
        yield f"@ start values of {self.count} sums"
        yield _load(1, _SUMS[: self.count])
        if rounds > 1:
            yield "1:"
        for _ in range(looped):
            yield from self.block(BLOCK // 2)
        if rounds > 1:
            yield from (f"ldr r6, [sp, #{_LOOP_END}]", "cmp r0, r6", "bne 1b")
        for _ in range(after):
            yield from self.block(BLOCK // 2)
        if last_words:
            yield from self.block(last_words)
        yield from self.outputs()
        if self.times > 1:
            yield from ("cmp r1, r11", "bne 2b")

    def block(self, words: int) -> Iterator[str]:
        """The products of ``words`` words of inputs."""
        return inner_loop(2 * words * self.count, self._products(words))

    def _products(self, words: int) -> Iterator[str]:
        yield _load(0, _INPUTS[:words])
        if self.weight_storage is WeightStorage.WIDE:
            for total in _SUMS[: self.count]:
                yield _load(1, _WEIGHTS[:words])
                for x, w in zip(_INPUTS, _WEIGHTS[:words], strict=False):
                    yield f"smlad {total}, {x}, {w}, {total}"
            return
        for low, raw in self.pairs:
            yield _load(1, _WEIGHTS[:words])
            for x, w in zip(_INPUTS, _WEIGHTS[:words], strict=False):
                yield f"smlad {raw}, {x}, {w}, {raw}"
                yield f"sxtb16 {w}, {w}"
                yield f"smlad {low}, {x}, {w}, {low}"
        if self.alone:
            yield _load(1, _WEIGHTS[: words // 2])
            for w, x, y in zip(_WEIGHTS[: words // 2], _INPUTS[::2], _INPUTS[1::2], strict=False):
                yield f"sxtb16 r12, {w}"
                yield f"sxtb16 {w}, {w}, ror #8"
                yield f"smlad {self.alone}, {x}, r12, {self.alone}"
                yield f"smlad {self.alone}, {y}, {w}, {self.alone}"

    def outputs(self) -> Iterator[str]:
        """From the sums to the outputs, stored."""
        yield "@ twice the sums, scaled"
        if self.weight_storage is WeightStorage.BYTES:
            for low, raw in self.pairs:
                yield f"sub {raw}, {raw}, {low}"
                yield f"asr {raw}, {raw}, #7"
                yield f"lsl {low}, {low}, #1"
            if self.alone:
                yield f"lsl {self.alone}, {self.alone}, #1"
        yield "ldm sp, {r0, r6, r7, r10, r11}"
        yield from self.scaling.lines(_SUMS[: self.count])
        yield f"str r10, [sp, #{_OUT}]"

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """Registers of the pairs' sums: of the first output, and of the raw words."""
        whole = self.count // 2 * 2
        return tuple(zip(_SUMS[0:whole:2], _SUMS[1:whole:2], strict=True))

    @property
    def alone(self) -> str | None:
        """The register of the last of an odd number of outputs."""
        return _SUMS[self.count - 1] if self.count % 2 else None


def _loop(blocks: int, unrolled: int) -> tuple[int, int, int]:
    """Rounds, blocks a round and blocks after the loop: the fewest rounds with little enough code."""
    for rounds in range(1, blocks + 1):
        looped, after = divmod(blocks, rounds)
        if looped + after <= unrolled:
            return rounds, looped, after
    return 1, blocks, 0


def _widen(inputs: int) -> Iterator[str]:
    """The input from r0 to int16 at r3; words are loaded from any address."""
    rounds, rest = divmod(inputs, 16)
    yield "@ the input, widened to int16"
    yield from (f"str r3, [sp, #{_BEGIN}]", f"str r1, [sp, #{_OUT}]", "mov r1, r2")
    if rounds > 1:
        yield from (*_add("r2", "r0", 16 * rounds), "1:")
    if rounds:
        yield from (f"ldr r{register}, [r0], #4" for register in (4, 6, 8, 10))
        for register in (4, 6, 8, 10):
            yield f"sxtb16 r{register + 1}, r{register}, ror #8"
            yield f"sxtb16 r{register}, r{register}"
        yield "stm r3!, {r4-r11}"
    if rounds > 1:
        yield from ("cmp r0, r2", "bne 1b")
    for _ in range(rest // 4):
        yield "ldr r4, [r0], #4"
        yield from _widened_word()
    if rest % 4:
        yield "ldrb r4, [r0]"
        for byte in range(1, rest % 4):
            yield from (f"ldrb r5, [r0, #{byte}]", f"orr r4, r4, r5, lsl #{8 * byte}")
        yield from _widened_word()


def _widened_word() -> Iterator[str]:
    yield from ("sxtb16 r5, r4, ror #8", "sxtb16 r4, r4", "strd r4, r5, [r3], #8")


def _load(pointer: int, registers: tuple[str, ...]) -> str:
    """A load of several words, or of one, which moves its pointer on."""
    if len(registers) == 1:
        return f"ldr {registers[0]}, [r{pointer}], #4"
    return f"ldm r{pointer}!, {{{', '.join(registers)}}}"


def _add(target: str, source: str, number: int) -> Iterator[str]:
    """target = source + number, any number."""
    yield f"movw {target}, #{number & 0xFFFF}"
    if number >> 16:
        yield f"movt {target}, #{number >> 16}"
    yield f"add {target}, {target}, {source}"


def _function(symbol: str, layer: FullyConnectedLayer, lines: list[str]) -> Assembly:
    outputs, inputs = layer.weights.shape
    weights = layer.weight_storage.value
    comment = (f"fully connected, {inputs} inputs, {outputs} outputs, weights {weights}",)
    body = ("push {r4-r11, lr}", f"sub sp, #{_FRAME}", *lines, f"add sp, #{_FRAME}", "pop {r4-r11, pc}")
    return assembly_file(comment, function(symbol, body, is_global=True))
