"""Constraints: what a network may need, and which limit a given one breaks."""

from __future__ import annotations

from dataclasses import dataclass

from mcu_nas.boards import Board
from mcu_nas.compiler.planner import Optimize
from mcu_nas.compiler.target import targets
from mcu_nas.cost.core_profile import CoreProfile, load_core_profile
from mcu_nas.cost.estimate import Cost, cost, latency
from mcu_nas.errors import UsageError
from mcu_nas.network import Network


@dataclass(frozen=True, slots=True)
class Constraints:
    """Limits on one core at one clock. ``latency_ms`` is compared with the central estimate;
    ``weights_bytes`` bounds what publications call the model's size: its weights without biases; ``macs``
    what a search is willing to train."""

    profile: CoreProfile
    clock_hz: int
    sram_bytes: int
    flash_bytes: int
    latency_ms: float | None = None
    weights_bytes: int | None = None
    macs: int | None = None

    @property
    def instruction_limit(self) -> int | None:
        """The instructions that the latency limit leaves at the central cycles per instruction."""
        if self.latency_ms is None:
            return None
        cycles = self.latency_ms / 1000 * self.clock_hz
        return int(cycles / self.profile.cycles_per_instruction.central)

    def cost(self, network: Network) -> Cost:
        """What a network needs with the fastest kernels that fit, else with those that need least flash."""
        for target in targets(self.profile.core):
            needs = cost(network, self.profile, Optimize.BOARD, target, self.sram_bytes)
            if needs.peak_bytes <= self.sram_bytes and needs.flash_bytes(self.profile) <= self.flash_bytes:
                break
        return needs

    def fits(self, needs: Cost) -> bool:
        """Whether a network of this cost meets every limit."""
        return not self.broken(needs)

    def broken(self, needs: Cost) -> tuple[str, ...]:
        """A phrase for each limit that the cost breaks, the worst first."""
        limits = [
            (
                needs.peak_bytes,
                self.sram_bytes,
                f"{needs.peak_bytes:,} B of SRAM (limit {self.sram_bytes:,} B)",
            ),
        ]
        flash = needs.flash_bytes(self.profile)
        limits.append((flash, self.flash_bytes, f"{flash:,} B of flash (limit {self.flash_bytes:,} B)"))
        if self.macs is not None:
            phrase = f"{needs.macs / 1e6:,.2f} M MACs (limit {self.macs / 1e6:,.2f} M at this effort)"
            limits.append((needs.macs, self.macs, phrase))
        if self.weights_bytes is not None:
            phrase = f"{needs.weights_bytes:,} B of weights (limit {self.weights_bytes:,} B)"
            limits.append((needs.weights_bytes, self.weights_bytes, phrase))
        if self.latency_ms is not None and self.instruction_limit is not None:
            ms = latency(needs.instructions, self.profile, self.clock_hz).central_ms
            phrase = f"{ms:,.1f} ms estimated (limit {self.latency_ms:,.1f} ms)"
            limits.append((needs.instructions, self.instruction_limit, phrase))
        limits.sort(key=lambda row: row[0] / max(row[1], 1), reverse=True)
        return tuple(phrase for need, limit, phrase in limits if need > limit)


def constraints_for(
    board: Board,
    sram_bytes: int | None = None,
    flash_bytes: int | None = None,
    latency_ms: float | None = None,
    weights_bytes: int | None = None,
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
        weights_bytes=weights_bytes,
    )
