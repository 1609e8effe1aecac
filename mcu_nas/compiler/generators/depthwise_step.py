"""The innermost code of depthwise_planes: some neighbouring outputs of one channel and one output row.

Registers, in this order of r0-r12, lr:
    source   the window's base row, at the step's first value
    out      the next output; on the stack where the sums need the register
    data     two words of values; after the sums the multiplier and C
    stream   the channel's constants
    work     the weight words of one row of the window; after the sums what else the requantization needs
    sums     one an output. The last holds the bias until every output's first product has taken it as its
             start value, and is the sum of the output whose first product comes last.
    spare    ends of loops; on the stack where the sums need these registers, too

A step goes through the window's rows, base row last. In each, one LDM reads the row's weights; LDRDs read the
values, every word once, and each word is multiplied into all outputs that it touches while it is there. The
base row is the middle one, so that the other rows are within reach of LDRD's offsets on either side, and its
last load moves ``source`` to the next step. One LDRD after the sums reads multiplier and C and moves
``stream`` back to the channel's first word.

Instructions of a step, G outputs, K x K taps, W words of values a row:
    K (1 LDM + ceil(W / 2) LDRD) + G K (K + 1) / 2 multiplications + 1 + 3 G for requantization and store.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from mcu_nas.compiler.generators.formats import PAIR_SHIFT, Format
from mcu_nas.compiler.generators.function_text import inner_loop
from mcu_nas.compiler.generators.generated import Refusal
from mcu_nas.compiler.generators.immediates import add_constant
from mcu_nas.compiler.generators.requantization import Rescaling, instructions
from mcu_nas.compiler.generators.window_row import Product, WindowRow

_REGISTERS = (*(f"r{number}" for number in range(13)), "lr")
LDRD_REACH = 1020  # bytes, either way, in multiples of 4
STORE_REACH = 4095  # bytes, forward
POST_INDEX_REACH = 255  # of single loads and stores
OUT_SLOT = 0  # of the stack frame: ``out``, where it has no register


@dataclass(frozen=True)
class Extras:
    """What the requantization needs beside multiplier and C, in the order of the constants."""

    temporary: bool
    final: bool
    low: bool
    high: bool

    @classmethod
    def of(cls, form: Rescaling) -> Extras:
        return cls(form.ties_away, form.final_shift is None, form.low > 0, form.high > 0)

    @property
    def words(self) -> int:
        """Constants beside multiplier and C."""
        return self.final + self.low + self.high

    @property
    def registers(self) -> int:
        return self.words + self.temporary


@dataclass(frozen=True)
class Registers:
    """The register plan of one function."""

    source: str
    out: str | None  # None: on the stack
    data: tuple[str, str]
    stream: str
    work: tuple[str, ...]
    sums: tuple[str, ...]
    spare: tuple[str, ...]

    @classmethod
    def plan(cls, outputs: int, weight_words: int, extras: Extras, *, keep_out: bool) -> Registers | None:
        """For steps of at most ``outputs``, with ``out`` in a register or not; None: they do not fit."""
        work = max(weight_words, extras.registers + (not keep_out))
        sizes = (1, int(keep_out), 2, 1, work, outputs)
        if sum(sizes) > len(_REGISTERS):
            return None
        pool = iter(_REGISTERS)
        source, out, data, stream, works, sums = (tuple(islice(pool, size)) for size in sizes)
        out_register = out[0] if keep_out else None
        return cls(source[0], out_register, (data[0], data[1]), stream[0], works, sums, tuple(pool))

    @property
    def out_at_store(self) -> str:
        """The register that addresses the outputs: the last of ``work`` if ``out`` is on the stack."""
        return self.out or self.work[-1]


@dataclass(frozen=True)
class Step:
    """The code of a step.

    Attributes:
        rows: of the window; row: its row of taps.
        row_bytes: from one row of a plane to the next.
        format: of the output; pixel_bytes from one output of the row to the next (PAIRS: from pair to pair).
        form: of the requantization.
    """

    registers: Registers
    rows: int
    row: WindowRow
    row_bytes: int
    format: Format
    pixel_bytes: int
    form: Rescaling

    @property
    def base_row(self) -> int:
        return (self.rows - 1) // 2

    @property
    def row_order(self) -> tuple[int, ...]:
        """The window's rows in the order in which the code goes through them."""
        return (*(row for row in range(self.rows) if row != self.base_row), self.base_row)

    @property
    def constant_words(self) -> int:
        """Of one channel: weights, bias, multiplier, C, and what the form needs beside."""
        return self.rows * len(self.row.weight_words()) + 3 + Extras.of(self.form).words

    def out_bytes(self, outputs: int) -> int:
        """How far ``outputs`` neighbours reach in the output tensor."""
        return (outputs if self.format is Format.NHWC else outputs // 2) * self.pixel_bytes

    def lines(self, outputs: int, advance: int, out_offset: int = 0, out_advance: int = 0) -> Iterator[str]:
        """``outputs`` neighbouring outputs; then source moves on by ``advance`` bytes.

        They are stored ``out_offset`` bytes after ``out``, which then moves on by ``out_advance`` bytes.
        """
        totals = self._totals(outputs)
        yield from inner_loop(outputs * self.rows * self.row.taps, self._sums(outputs, advance, totals))
        yield from self._requantize(totals)
        yield from self._store(totals, out_offset, out_advance)

    def _sums(self, outputs: int, advance: int, totals: list[str]) -> Iterator[str]:
        started: set[int] = set()
        bias = self.registers.sums[-1]
        for row in self.row_order:
            yield f"@ {outputs} outputs, row {row} of the window"
            yield self._load_weights(row)
            for load, words in self._loads(row, outputs, advance):
                yield load
                for word, value in words:
                    for output, product in self._products(outputs, word):
                        total = totals[output]
                        start = total if output in started else bias
                        started.add(output)
                        yield self.row.multiply(
                            product, total, value, dict(enumerate(self.registers.work)), start
                        )

    def _products(self, outputs: int, word: int) -> Iterator[tuple[int, Product]]:
        for output in range(outputs):
            yield from ((output, product) for product in self.row.products(output) if product.word == word)

    def _totals(self, outputs: int) -> list[str]:
        """Each output's register: the last of ``sums`` where the first product comes last."""
        first_row = self.row_order[0]
        words = [word for _, part in self._loads(first_row, outputs, 0) for word, _ in part]
        seen = [output for word in words for output, _ in self._products(outputs, word)]
        last = max(range(outputs), key=seen.index)
        others = iter(self.registers.sums)
        return [self.registers.sums[-1] if output == last else next(others) for output in range(outputs)]

    def _load_weights(self, row: int) -> str:
        names = list(self.registers.work[: len(self.row.weight_words())])
        if row == self.row_order[0]:
            names.append(self.registers.sums[-1])  # the bias
        return f"ldm {self.registers.stream}!, {{{', '.join(names)}}}"

    def _loads(self, row: int, outputs: int, advance: int) -> Iterator[tuple[str, list[tuple[int, str]]]]:
        """The loads of a row of values, each with the (word, register) that it fills."""
        source, (first, second) = self.registers.source, self.registers.data
        count = self.row.value_words(outputs)
        at = (row - self.base_row) * self.row_bytes
        begins = range(0, count, 2)
        is_base = row == self.base_row
        for begin in reversed(begins) if is_base else begins:
            offset = at + 4 * begin
            if abs(offset) > LDRD_REACH:
                raise Refusal(f"rows of {self.row_bytes} bytes: a window's rows lie too far apart")
            moves = is_base and begin == 0 and advance
            address = f"[{source}], #{advance}" if moves else f"[{source}, #{offset}]"
            if begin + 1 < count:
                yield f"ldrd {first}, {second}, {address}", [(begin, first), (begin + 1, second)]
            elif offset < -POST_INDEX_REACH:  # further back than LDR reaches; the next row's word comes along
                yield f"ldrd {first}, {second}, {address}", [(begin, first)]
            else:
                yield f"ldr {first}, {address}", [(begin, first)]

    def _requantize(self, totals: list[str]) -> Iterator[str]:
        (multiplier, constant), stream = self.registers.data, self.registers.stream
        extras = Extras.of(self.form)
        yield f"@ requantization: {multiplier} multiplier, {constant} C"
        work = iter(self.registers.work)
        names = {name: next(work) for name in ("final", "low", "high") if getattr(extras, name)}
        temporary = next(work) if extras.temporary else ""
        back = 4 * self.constant_words
        if names:
            yield f"ldm {stream}!, {{{', '.join((multiplier, constant, *names.values()))}}}"
            yield f"sub {stream}, {stream}, #{back}"
        else:
            yield f"ldrd {multiplier}, {constant}, [{stream}], #{8 - back}"
        each = [
            instructions(self.form, total, multiplier, constant, temporary=temporary, **names)
            for total in totals
        ]
        if extras.temporary:  # one temporary: one output after the other
            yield from (line for lines in each for line in lines)
        else:
            yield from (line for lines in zip(*each, strict=True) for line in lines)

    def _store(self, totals: list[str], offset: int, advance: int) -> Iterator[str]:
        """All outputs; the first last, since its store can move ``out``."""
        out = self.registers.out_at_store
        if self.registers.out is None:
            yield f"ldr {out}, [sp, #{OUT_SLOT}]"
        if self.format is Format.PAIRS:
            stored = totals[0::2]
            for low, high in zip(stored, totals[1::2], strict=True):
                yield f"add {low}, {low}, {high}, lsl #{PAIR_SHIFT}"
        else:
            stored = totals
        store = "str" if self.format is Format.PAIRS else "strb"
        moves = offset == 0 < advance <= POST_INDEX_REACH
        for number, register in reversed(list(enumerate(stored))):
            at = offset + number * self.pixel_bytes
            if at > STORE_REACH:
                raise Refusal(f"pixels of {self.pixel_bytes} bytes: a step's outputs lie too far apart")
            yield f"{store} {register}, [{out}" + (f"], #{advance}" if moves and not number else f", #{at}]")
        if not moves:
            yield from add_constant(out, out, advance)
        if self.registers.out is None and advance:
            yield f"str {out}, [sp, #{OUT_SLOT}]"
