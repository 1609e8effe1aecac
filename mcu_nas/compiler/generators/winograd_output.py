"""The output side of a Winograd kernel: from the sums of all positions to int8 outputs, one channel of both
tiles at a time.

A local function. Columns: six (F(2×2): four) pairs of sums of tiles 0 and 1, 2 × 12 (4) additions, and four
(two) pairs stored by rows on the stack. Rows: one POP, the same additions, MLA, requantization, bytes stored.

Registers of the columns  r0 sums   r1 spoiled   r2... pairs (tile 0, tile 1)
Registers of the rows     r0 constants   r1 spoiled   r2... pairs; of the registers that the transform leaves:
                          coefficients and bias, in LDM's order, then multiplier, C and what the
                          requantization needs more, then the two output addresses
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, cycle

from mcu_nas.compiler.generators.immediates import add_constant
from mcu_nas.compiler.generators.requantization import instructions
from mcu_nas.compiler.generators.winograd_frame import Frame
from mcu_nas.compiler.generators.winograd_gemm import sum_offset, sums_bytes
from mcu_nas.compiler.generators.winograd_layer import WinogradLayer
from mcu_nas.compiler.generators.winograd_scaling import WORD_BYTES, WinogradScaling, distinct, reached
from mcu_nas.compiler.generators.winograd_transforms import Transform, both_steps

_LARGEST_OFFSET = 4095  # of STRB
_RETURN_BYTES = 8  # lr, and a word that keeps the stack pointer at a multiple of 8


def buffer_bytes(transform: Transform) -> int:
    """Bytes of stack between columns and rows, return address included."""
    return 8 * transform.outputs * transform.window + _RETURN_BYTES


def output_channel(layer: WinogradLayer, scaling: WinogradScaling) -> Iterator[str]:
    """A function's body. In: r0 the channel's first sum, of which the stack pointer is at most 8 below."""
    transform = scaling.transform
    rows_bytes = 8 * transform.outputs * transform.window
    yield from ("str lr, [sp, #-8]!", f"sub sp, #{rows_bytes}")
    for column in range(transform.window):
        yield f"@ column {column} of both tiles' sums"
        yield from _column(transform, column)
    frame = rows_bytes + _RETURN_BYTES + sums_bytes(transform)
    yield f"ldr r0, [sp, #{frame + Frame.STREAM}]"
    for row in range(transform.outputs):
        yield f"@ row {row} of both tiles' outputs"
        frame -= 8 * transform.window
        yield from _Row(layer, scaling, row, frame).lines()
    words = scaling.channel_words - _words_passed(scaling, transform.outputs - 1)
    yield from add_constant("r0", "r0", WORD_BYTES * words)
    yield from (f"str r0, [sp, #{frame + Frame.STREAM}]", "ldr pc, [sp], #8")


def _column(transform: Transform, column: int) -> Iterator[str]:
    window, registers = transform.window, transform.pairs
    for row in range(window):
        even, odd = registers[2 * row : 2 * row + 2]
        yield f"ldrd {even}, {odd}, [r0, #{sum_offset(transform, column * window + row)}]"
    lines, pairs = both_steps(transform.output_step, registers, ("r1", "r1"))
    yield from lines
    for row, (even, odd) in enumerate(pairs):
        yield f"strd {even}, {odd}, [sp, #{8 * (row * window + column)}]"


def _words_passed(scaling: WinogradScaling, row: int) -> int:
    """Words by which r0 is beyond a channel's first after the LDM of ``row``."""
    powers = scaling.transform.powers
    following = powers[min(row + 1, len(powers) - 1)]
    return distinct(powers).index(following) * scaling.row_words


class _Row:
    """One row of outputs of both tiles; ``frame``: how far above the stack pointer after the POP it is."""

    def __init__(self, layer: WinogradLayer, scaling: WinogradScaling, row: int, frame: int) -> None:
        self.layer, self.scaling, self.row, self.frame = layer, scaling, row, frame
        self.transform = transform = scaling.transform
        self.step_lines, self.pairs = both_steps(transform.output_step, transform.pairs, ("r1", "r1"))
        results = {register for pair in self.pairs for register in pair}
        self.free = [register for register in ("r1", *transform.pairs) if register not in results]
        self.stored = 1 if row else 0  # bytes by which the addresses have moved on

    def lines(self) -> Iterator[str]:
        yield f"pop {{{', '.join(self.transform.pairs)}}}"
        yield from self.step_lines
        yield from self.with_bias()
        yield from self.requantized()
        yield from self.stores()

    def with_bias(self) -> Iterator[str]:
        """Each value times its coefficient, plus its bias."""
        transform, powers = self.transform, distinct(self.transform.powers)
        *coefficients, bias = self.free[: len(powers) + 1]
        moves_on = _words_passed(self.scaling, self.row) > _words_passed(self.scaling, self.row - 1)
        yield f"ldm r0{'!' if moves_on else ''}, {{{', '.join((*coefficients, bias))}}}"
        own = [place for place in reached(transform) if place[0] == self.row]
        shared = transform.outputs - len(own)
        for pair, power in zip(self.pairs[:shared], transform.powers[:shared], strict=True):
            coefficient = coefficients[powers.index(power)]
            yield from (f"mla {value}, {value}, {coefficient}, {bias}" for value in pair)
        if own:
            yield f"ldrd {coefficients[0]}, {bias}, {self.constant(self.scaling.reached_word, own[0])}"
            for pair, own_bias in zip(self.pairs[shared:], (coefficients[0], bias), strict=True):
                yield from (f"mla {value}, {value}, {coefficients[-1]}, {own_bias}" for value in pair)

    def requantized(self) -> Iterator[str]:
        """Sums, scaled, to int8."""
        form, word = self.scaling.form, self.scaling.factor_word
        multiplier, constant, *others = self.free
        yield f"ldrd {multiplier}, {constant}, {self.constant(word)}"
        names: dict[str, str] = {}
        if form.ties_away:
            names["sign_unit"] = others.pop(0)
            yield f"ldr {names['sign_unit']}, {self.constant(word + 2)}"
        if form.final_shift is None:
            names["final"] = others.pop(0)
            yield f"ldr {names['final']}, {self.constant(word + 2 + form.ties_away)}"
        for name, distance in (("low", form.low), ("high", form.high)):
            if distance:
                names[name] = others.pop(0)
                yield f"mov {names[name]}, #{distance}"
        values = [value for pair in self.pairs for value in pair]
        together = len(others) if form.ties_away else len(values)  # ties take a temporary each
        for first in range(0, len(values), together):
            sequences = [
                instructions(form, value, multiplier, constant, **names, temporary=temporary)
                for value, temporary in zip(values[first : first + together], cycle(others or ("",)))
            ]
            yield from chain.from_iterable(zip(*sequences, strict=True))

    def constant(self, word: int, place: tuple[int, int] | None = None) -> str:
        """The address of a channel's word, or of the bias of a reached output."""
        if place:
            word += reached(self.transform).index(place)
        return f"[r0, #{WORD_BYTES * (word - _words_passed(self.scaling, self.row))}]"

    def stores(self) -> Iterator[str]:
        first, second = self.free[:2]
        addresses = f"{first}, {second}, [sp, #{self.frame + Frame.OUT0}]"
        yield f"ldrd {addresses}"
        layer, m = self.layer, self.transform.outputs
        row = self.row * layer.out_width * layer.out_channels - self.stored
        if row + (m - 1) * layer.out_channels > _LARGEST_OFFSET:
            yield from add_constant(first, first, row)
            yield from add_constant(second, second, row)
            row = 0
        for column in range(m - 1, -1, -1):
            place = f"#{row + column * layer.out_channels}"
            moves_on = not self.row and not column
            for value, address in zip(self.pairs[column], (first, second), strict=True):
                yield f"strb {value}, [{address}], #1" if moves_on else f"strb {value}, [{address}, {place}]"
        if not self.row:
            yield f"strd {addresses}"
