"""Whether a board can hold a model, and what stands in the way: memory, MACs and flash per layer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from mcu_nas.boards import Board
from mcu_nas.compiler.planner import Optimize, Plan, plan, plan_formats
from mcu_nas.compiler.target import WeightStorage, targets
from mcu_nas.cost.core_profile import CoreProfile
from mcu_nas.cost.estimate import cost
from mcu_nas.cost.flash import code_bytes, constants_bytes
from mcu_nas.cost.peak_rules import peaks
from mcu_nas.network import Network, op_macs, op_weight_bytes
from mcu_nas.units import format_bytes


@dataclass(frozen=True)
class AuditRow:
    """One operator. ``memory_bytes``: rule of cost/peak_rules.py -> bytes, None where the rule skips it.

    ``constants_bytes`` is what the layer takes in flash: weights, biases and requantization factors.
    """

    index: int
    op: str
    layer: str
    output_shape: tuple[int, ...]
    macs: int
    weight_bytes: int
    constants_bytes: int
    memory_bytes: Mapping[str, int | None]

    def __str__(self) -> str:
        return f"op {self.index} {self.op} ({self.layer})"


@dataclass(frozen=True)
class PlanFigures:
    """One of a network's plans and the instructions of one inference, estimated; ``taken`` where the board's
    firmware has it.
    """

    plan: Plan
    instructions_estimated: int
    taken: bool

    def as_json(self) -> dict[str, Any]:
        """``bound_bytes``: no layout goes below it."""
        return {
            "optimize": self.plan.optimize.value,
            "arena_bytes": self.plan.arena_bytes,
            "bound_bytes": self.plan.bound_bytes,
            "instructions_estimated": self.instructions_estimated,
            "taken": self.taken,
        }


@dataclass(frozen=True)
class Audit:
    """A network on a board; all sizes in bytes.

    ``peak_bytes`` holds the network's peak under each rule, the firmware's arena as ``planned``. ``usable``
    is what the board has left after ``reserved_bytes``: ``stack``, ``harness`` (SRAM), ``flash`` (code of
    harness and port). ``code_bytes`` is estimated from the core's profile, everything else is exact. All
    figures are those of the plan that is ``taken``; ``plans`` sets them side by side.
    """

    board: str
    rows: tuple[AuditRow, ...]
    peak_bytes: Mapping[str, int]
    live_without_input_bytes: int
    code_bytes: int
    usable_sram_bytes: int
    usable_flash_bytes: int
    reserved_bytes: Mapping[str, int]
    plans: tuple[PlanFigures, ...]

    @property
    def plan(self) -> Plan:
        """The plan that is taken."""
        return next(figures.plan for figures in self.plans if figures.taken)

    @property
    def macs(self) -> int:
        """MACs of one inference."""
        return sum(row.macs for row in self.rows)

    @property
    def weight_bytes(self) -> int:
        """Bytes of all weights."""
        return sum(row.weight_bytes for row in self.rows)

    @property
    def constants_bytes(self) -> int:
        """Bytes of all constants: weights, biases, requantization factors."""
        return sum(row.constants_bytes for row in self.rows)

    @property
    def arena_bytes(self) -> int:
        """SRAM that the model needs: the generated firmware's arena."""
        return self.peak_bytes["planned"]

    @property
    def flash_bytes(self) -> int:
        """Flash that the model needs: constants and code."""
        return self.constants_bytes + self.code_bytes

    @property
    def fits(self) -> bool:
        """Whether the board can hold it."""
        return not self.blockers

    @property
    def blockers(self) -> tuple[str, ...]:
        """A phrase for each memory that is too small, naming the layer to blame and the missing bytes."""
        phrases = []
        if self.arena_bytes > self.usable_sram_bytes:
            row = max(self.rows, key=lambda row: row.memory_bytes["planned"] or 0)
            need = row.memory_bytes["planned"] or 0
            short = _shortage(self.arena_bytes, self.usable_sram_bytes, "SRAM")
            if need > self.usable_sram_bytes:
                phrases.append(f"{row} blocks: the arena needs {short}")
            else:
                phrases.append(
                    f"the arena needs {short}; the largest layer, {row}, needs {format_bytes(need)}"
                )
        if self.flash_bytes > self.usable_flash_bytes:
            row = max(self.rows, key=lambda row: row.constants_bytes)
            short = _shortage(self.flash_bytes, self.usable_flash_bytes, "flash")
            largest = f"the largest layer, {row}, needs {format_bytes(row.constants_bytes)}"
            phrases.append(f"constants and kernels need {short}; {largest}")
        return tuple(phrases)

    @property
    def verdict(self) -> str:
        """One line: fits, with what is used; or what blocks, and by how much."""
        if not self.fits:
            return f"does not fit {self.board}: " + "; ".join(self.blockers)
        sram = _share(self.arena_bytes, self.usable_sram_bytes, "SRAM")
        return f"fits {self.board}: {sram}, {_share(self.flash_bytes, self.usable_flash_bytes, 'flash')}"

    def as_json(self) -> dict[str, Any]:
        """The keys of ``mcu-nas audit --json`` (docs/json.md)."""
        return {
            "board": self.board,
            "fits": self.fits,
            "verdict": self.verdict,
            "macs": self.macs,
            "weights_bytes": self.weight_bytes,
            "constants_bytes": self.constants_bytes,
            "code_bytes_estimated": self.code_bytes,
            "flash_bytes_estimated": self.flash_bytes,
            "usable_flash_bytes": self.usable_flash_bytes,
            "arena_bytes": self.arena_bytes,
            "usable_sram_bytes": self.usable_sram_bytes,
            "reserved_bytes": dict(self.reserved_bytes),
            "peak_bytes": dict(self.peak_bytes),
            "live_without_input_bytes": self.live_without_input_bytes,
            "instruction_set": self.plan.target.instruction_set.value,
            "weights": self.plan.target.weights.value,
            "plans": [figures.as_json() for figures in self.plans],
            "layers": [asdict(row) for row in self.rows],
        }


def audit(
    network: Network,
    board: Board,
    profile: CoreProfile,
    optimize: Optimize | None = None,
    weights: WeightStorage | None = None,
) -> Audit:
    """Count a network's memory, MACs and flash, and compare them with a board's.

    ``profile`` is that of the board's core. Without ``optimize`` and ``weights`` the kernels are those that
    the board gets: the fastest that fit.

    Raises:
        UnsupportedError: an operator that no kernel serves.
    """
    plans = _plans(network, board, profile, optimize or Optimize.BOARD, weights)
    the_plan = next(figures.plan for figures in plans if figures.taken)
    constants = constants_bytes(network, the_plan)
    memory = peaks(network, the_plan)
    rows = tuple(
        AuditRow(
            index=index,
            op=op.tflite_name,
            layer=network.tensors[op.outputs[0]].name.removesuffix(".out"),
            output_shape=network.shape(op.outputs[0]),
            macs=op_macs(network, op),
            weight_bytes=op_weight_bytes(network, op),
            constants_bytes=constants[index],
            memory_bytes=memory.layers[index],
        )
        for index, op in enumerate(network.ops)
    )
    return Audit(
        board=board.name,
        rows=rows,
        peak_bytes=memory.total,
        live_without_input_bytes=memory.live_without_input,
        code_bytes=code_bytes(network, the_plan, profile),
        usable_sram_bytes=board.usable_sram_bytes,
        usable_flash_bytes=board.usable_flash_bytes,
        reserved_bytes={
            "stack": board.reserve.stack_bytes,
            "harness": board.reserve.harness_bytes,
            "flash": board.reserve.flash_bytes,
        },
        plans=plans,
    )


def _plans(
    network: Network, board: Board, profile: CoreProfile, wanted: Optimize, weights: WeightStorage | None
) -> tuple[PlanFigures, ...]:
    """Figures of all plans, on the first target on which the wanted one fits the board."""
    room_bytes = board.usable_sram_bytes
    for target in targets(board.core, weights):
        needs = cost(network, profile, wanted, target, room_bytes)
        if board.has_room(needs.peak_bytes, needs.flash_bytes(profile)):
            break
    return tuple(
        PlanFigures(
            plan_formats(network, plan(network, optimize, target, room_bytes)),
            cost(network, profile, optimize, target, room_bytes).instructions,
            optimize is wanted,
        )
        for optimize in Optimize
    )


def _shortage(need: int, usable: int, memory: str) -> str:
    short = need - usable
    missing = format_bytes(short) + (f" ({short:,} B)" if short >= 1024 else "")
    return f"{format_bytes(need)} of {memory}, {missing} more than the usable {format_bytes(usable)}"


def _share(need: int, usable: int, memory: str) -> str:
    return f"{format_bytes(need)} of {format_bytes(usable)} {memory} ({100 * need / usable:.1f} %)"
