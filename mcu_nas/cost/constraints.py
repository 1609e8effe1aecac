"""Constraints: what a network may need, and which limit a given one breaks."""

from __future__ import annotations

from dataclasses import dataclass

from mcu_nas.boards import Board
from mcu_nas.cost.core_profile import CoreProfile, load_core_profile
from mcu_nas.cost.estimate import Cost, latency
from mcu_nas.errors import UsageError


@dataclass(frozen=True, slots=True)
class Constraints:
    """Limits on one core at one clock. ``latency_ms`` is compared with the central estimate."""

    profile: CoreProfile
    clock_hz: int
    sram_bytes: int
    flash_bytes: int
    latency_ms: float | None = None

    @property
    def instruction_limit(self) -> int | None:
        """The instructions that the latency limit leaves at the central cycles per instruction."""
        if self.latency_ms is None:
            return None
        cycles = self.latency_ms / 1000 * self.clock_hz
        return int(cycles / self.profile.cycles_per_instruction.central)

    def fits(self, cost: Cost) -> bool:
        """Whether a network of this cost meets every limit."""
        return not self.broken(cost)

    def broken(self, cost: Cost) -> tuple[str, ...]:
        """A phrase for each limit that the cost breaks, the worst first."""
        needs = [
            (
                cost.peak_bytes,
                self.sram_bytes,
                f"{cost.peak_bytes:,} B of SRAM (limit {self.sram_bytes:,} B)",
            ),
        ]
        flash = cost.flash_bytes(self.profile)
        needs.append((flash, self.flash_bytes, f"{flash:,} B of flash (limit {self.flash_bytes:,} B)"))
        if self.latency_ms is not None and self.instruction_limit is not None:
            ms = latency(cost.instructions, self.profile, self.clock_hz).central_ms
            phrase = f"{ms:,.1f} ms estimated (limit {self.latency_ms:,.1f} ms)"
            needs.append((cost.instructions, self.instruction_limit, phrase))
        needs.sort(key=lambda row: row[0] / max(row[1], 1), reverse=True)
        return tuple(phrase for need, limit, phrase in needs if need > limit)


def constraints_for(
    board: Board,
    sram_bytes: int | None = None,
    flash_bytes: int | None = None,
    latency_ms: float | None = None,
) -> Constraints:
    """A board's limits, or tighter ones where they are given.

    Raises:
        UsageError: a limit above what the board leaves for a model: such a firmware could not be linked.
    """
    for kind, limit, usable in (
        ("SRAM", sram_bytes, board.usable_sram_bytes),
        ("flash", flash_bytes, board.usable_flash_bytes),
    ):
        if limit is not None and limit > usable:
            raise UsageError(
                f"a limit of {limit:,} B {kind} is more than {board.name} leaves for a model:"
                f" {usable:,} B, see `mcu-nas boards`"
            )
    return Constraints(
        profile=load_core_profile(board.core),
        clock_hz=board.clock_hz,
        sram_bytes=board.usable_sram_bytes if sram_bytes is None else sram_bytes,
        flash_bytes=board.usable_flash_bytes if flash_bytes is None else flash_bytes,
        latency_ms=latency_ms,
    )
