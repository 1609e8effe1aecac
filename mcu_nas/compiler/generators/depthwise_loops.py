"""The loops around depthwise_step: channels, output rows, and the steps of a row."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mcu_nas.compiler.generators.depthwise_step import (
    LDRD_REACH,
    OUT_SLOT,
    POST_INDEX_REACH,
    STORE_REACH,
    Step,
)
from mcu_nas.compiler.generators.formats import Format
from mcu_nas.compiler.generators.immediates import add_constant

_LOOP_INSTRUCTIONS = 140  # of all copies of a step in a loop, where there are several
_SAVED_BYTES = 36  # r4-r11, lr
_COLUMNS, _ROWS, _CHANNELS = "columns", "rows", "channels"  # the loops, as their ends are named


def instruction_count(lines: Iterator[str]) -> int:
    """Lines that are neither comments nor labels."""
    return sum(not line.startswith("@") and not line.endswith(":") for line in lines)


@dataclass(frozen=True)
class RowPlan:
    """A row of outputs as steps: ``loops`` times ``copies`` steps of ``outputs``, then ``peeled`` more of
    them, then one of ``rest`` outputs."""

    outputs: int
    copies: int
    loops: int
    peeled: int
    rest: int

    @classmethod
    def of(cls, step: Step, columns: int) -> RowPlan | None:
        """A row of ``columns`` outputs in as large steps as there are sums; None where that cannot be.

        Only a row's last step may have an odd number of outputs where the stride is odd, since steps begin
        at even values, and none where outputs are stored in pairs.
        """
        outputs = len(step.registers.sums)
        must_be_even = step.format is Format.PAIRS or (step.row.stride % 2 and outputs < columns)
        stores = outputs // 2 if step.format is Format.PAIRS else outputs
        reached = (stores - 1) * step.pixel_bytes <= STORE_REACH
        if outputs > columns or not reached or (must_be_even and outputs % 2):
            return None
        steps, rest = divmod(columns, outputs)
        copies = max(1, min(steps, _LOOP_INSTRUCTIONS // instruction_count(step.lines(outputs, 4))))
        loops, peeled = divmod(steps, copies)
        return cls(outputs, copies, loops, peeled, rest)

    def cost(self, step: Step) -> int:
        """Instructions of a row, but for those of the loop over rows."""
        steps = self.loops * self.copies + self.peeled
        rest = instruction_count(step.lines(self.rest, 4)) if self.rest else 0
        ends = 2 + 3 * self.loops if self.loops > 1 else 0
        return steps * instruction_count(step.lines(self.outputs, 4)) + rest + ends


@dataclass(frozen=True)
class Loops:
    """The code of a function around its steps.

    Attributes:
        rows, columns: of the output.
        plane_bytes: from one channel's plane to the next.
        channel_bytes: from one channel to the next in the output.
    """

    step: Step
    plan: RowPlan
    rows: int
    columns: int
    plane_bytes: int
    channel_bytes: int

    def lines(self) -> Iterator[str]:
        """A function's body: r0 in, r1 out, r2 the channels' constants, r3 their end."""
        yield from ("push {r4-r11, lr}", f"sub sp, sp, #{self._frame_bytes}")
        yield from self._channels()
        yield from (f"add sp, sp, #{self._frame_bytes}", "pop {r4-r11, pc}")

    @property
    def stack_bytes(self) -> int:
        return _SAVED_BYTES + self._frame_bytes

    def _channels(self) -> Iterator[str]:
        registers, stream_bytes = self.step.registers, 4 * self.step.constant_words
        source, stream, end = registers.source, registers.stream, registers.data[0]
        if registers.out is None:
            yield f"str r1, [sp, #{OUT_SLOT}]"
        yield f"str r3, [sp, #{self._slot(_CHANNELS)}]"
        yield f"mov {stream}, r2"
        yield from add_constant(source, source, self.step.base_row * self.step.row_bytes)
        yield "1: @ channel"
        yield from self._rows()
        rows_bytes = self.rows * self._row_step
        yield from add_constant(source, source, self.plane_bytes - rows_bytes)
        yield from self._next_channel_of_out()
        yield from add_constant(stream, stream, stream_bytes)
        yield from (f"ldr {end}, [sp, #{self._slot(_CHANNELS)}]", f"cmp {stream}, {end}", "bne 1b")

    @property
    def _frame_bytes(self) -> int:
        """Stack below the saved registers; ``out`` lies lowest where it is on the stack."""
        return self._slot(_CHANNELS) + 4

    @property
    def _row_step(self) -> int:
        """Bytes from the windows of an output row to those of the next."""
        return self.step.row.stride * self.step.row_bytes

    def _rows(self) -> Iterator[str]:
        if self.rows == 1:
            yield from self._columns()
            return
        yield from self._set_end(_ROWS, self.rows * self._row_step)
        yield "2: @ output row"
        yield from self._columns()
        yield from self._until_end(_ROWS, "2b")

    def _columns(self) -> Iterator[str]:
        """One output row; the last step's load moves source to the next row where it reaches that far."""
        plan = self.plan
        moves = 2 * self.step.row.stride * plan.outputs  # bytes of values
        steps = [(plan.outputs, moves)] * plan.peeled
        if plan.loops > 1:
            looped = plan.loops * plan.copies * moves
            yield from self._set_end(_COLUMNS, looped)
            yield "3: @ steps"
            yield from self._steps([(plan.outputs, moves)] * plan.copies)
            yield from self._until_end(_COLUMNS, "3b")
        else:
            looped = 0
            steps += [(plan.outputs, moves)] * plan.copies * plan.loops
        if plan.rest:
            steps.append((plan.rest, 0))
        to_next_row = self._row_step - looped - sum(bytes_ for _, bytes_ in steps[:-1])
        reached = bool(steps) and 0 < to_next_row <= LDRD_REACH
        if steps:
            steps[-1] = (steps[-1][0], to_next_row if reached else 0)
        yield from self._steps(steps)
        if not reached:
            yield from add_constant(self.step.registers.source, self.step.registers.source, to_next_row)

    def _steps(self, steps: list[tuple[int, int]]) -> Iterator[str]:
        """Steps one after the other, each (outputs, bytes by which source moves). ``out`` moves by its last
        store where that reaches and ``out`` is in a register, else once after as many steps as reach."""
        offset = 0
        for place, (outputs, advance) in enumerate(steps):
            end = offset + self.step.out_bytes(outputs)
            free = self.step.registers.out is not None and end <= POST_INDEX_REACH
            is_last = place + 1 == len(steps)
            far = is_last or end + self.step.out_bytes(steps[place + 1][0]) > STORE_REACH
            moves = far or free
            yield from self.step.lines(outputs, advance, offset, end if moves else 0)
            offset = 0 if moves else end

    def _next_channel_of_out(self) -> Iterator[str]:
        """From behind the channel's last output to the next channel's first."""
        back = self.channel_bytes - self.rows * self.step.out_bytes(self.columns)
        out = self.step.registers.out_at_store
        if self.step.registers.out is None:
            yield f"ldr {out}, [sp, #{OUT_SLOT}]"
        yield from add_constant(out, out, back)
        if self.step.registers.out is None:
            yield f"str {out}, [sp, #{OUT_SLOT}]"

    def _holders(self) -> dict[str, str | None]:
        """For each loop that there is, the spare register with its end; None: it is on the stack."""
        spare = iter(self.step.registers.spare)
        loops = [_COLUMNS] * (self.plan.loops > 1) + [_ROWS] * (self.rows > 1)
        return {loop: next(spare, None) for loop in loops}

    def _slot(self, loop: str) -> int:
        """Where on the stack the end of a loop lies."""
        on_stack = ["out"] * (self.step.registers.out is None)
        on_stack += [name for name, holder in self._holders().items() if holder is None]
        return 4 * [*on_stack, _CHANNELS].index(loop)

    def _set_end(self, loop: str, distance: int) -> Iterator[str]:
        holder = self._holders()[loop]
        end = holder or self.step.registers.data[0]
        yield from add_constant(end, self.step.registers.source, distance)
        if holder is None:
            yield f"str {end}, [sp, #{self._slot(loop)}]"

    def _until_end(self, loop: str, label: str) -> Iterator[str]:
        holder = self._holders()[loop]
        end = holder or self.step.registers.data[0]
        if holder is None:
            yield f"ldr {end}, [sp, #{self._slot(loop)}]"
        yield from (f"cmp {self.step.registers.source}, {end}", f"bne {label}")
