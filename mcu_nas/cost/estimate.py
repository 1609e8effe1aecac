"""The cost of a network on a core: peak SRAM, MACs, flash, instructions.

Peaks are exact (the planner that lays out the firmware's arena is asked). Instructions are estimated from
the kernels' measured profile. Costs of consecutive segments combine: peaks by maximum, the rest by sum,
which is how a search space of 10^19 networks is scored from a few thousand segments.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from mcu_nas.compiler.kernel import Kernel
from mcu_nas.compiler.latency_features import LATENCY_FEATURES, latency_features
from mcu_nas.compiler.planner import Optimize, plan
from mcu_nas.compiler.target import PORTABLE, Target
from mcu_nas.cost.core_profile import CoreProfile
from mcu_nas.cost.flash import constants_bytes, layers_code_bytes
from mcu_nas.cost.macs import network_macs, network_weight_bytes
from mcu_nas.network import Network
from mcu_nas.operators import Op


@dataclass(frozen=True, slots=True)
class Cost:
    """What a network needs. ``layers_bytes`` is the layers' flash: their constants and own code;
    ``weights_bytes``, as publications count, the weights of one byte each, without biases. ``kernels`` are
    those in C, which layers share."""

    peak_bytes: int
    macs: int
    weights_bytes: int
    layers_bytes: int
    instructions: int
    kernels: frozenset[str]

    def flash_bytes(self, profile: CoreProfile) -> int:
        """The layers' flash plus each C kernel's code once; the harness is the board's reserve."""
        return self.layers_bytes + sum(profile.kernel(name).code_bytes for name in self.kernels)


@dataclass(frozen=True, slots=True)
class Latency:
    """An estimated latency in milliseconds, with the range of what is not known about the core."""

    low_ms: float
    central_ms: float
    high_ms: float


def cost(
    network: Network,
    profile: CoreProfile,
    optimize: Optimize = Optimize.MEMORY,
    target: Target = PORTABLE,
    room_bytes: int = 0,
) -> Cost:
    """The cost of a network, or of a segment of one, under one of its plans (``planner.plan``)."""
    the_plan = plan(network, optimize, target, room_bytes)
    return Cost(
        peak_bytes=the_plan.arena_bytes,
        macs=network_macs(network),
        weights_bytes=network_weight_bytes(network),
        layers_bytes=sum(constants_bytes(network, the_plan)) + layers_code_bytes(network, the_plan, profile),
        instructions=sum(
            instructions(network, op, kernel, profile)
            for op, kernel in zip(network.ops, the_plan.kernels, strict=True)
            if not the_plan.is_view(op, kernel)
        ),
        kernels=the_plan.kernels_run(network),
    )


def combine(costs: Iterable[Cost]) -> Cost:
    """The cost of segments that follow one another."""
    parts = list(costs)
    return Cost(
        peak_bytes=max(c.peak_bytes for c in parts),
        macs=sum(c.macs for c in parts),
        weights_bytes=sum(c.weights_bytes for c in parts),
        layers_bytes=sum(c.layers_bytes for c in parts),
        instructions=sum(c.instructions for c in parts),
        kernels=frozenset().union(*(c.kernels for c in parts)),
    )


def instructions(network: Network, op: Op, kernel: Kernel, profile: CoreProfile) -> int:
    """Estimated instructions of one layer, rounded so that sums do not depend on their order."""
    coefficients = profile.kernel(kernel.name).instructions
    amounts = latency_features(network, op, kernel)
    return round(
        sum(coefficients[name] * amount for name, amount in zip(LATENCY_FEATURES, amounts, strict=True))
    )


def latency(instruction_count: int, profile: CoreProfile, clock_hz: int) -> Latency:
    """Estimated milliseconds: counted instructions × cycles per instruction ÷ clock."""
    per_cpi_ms = instruction_count / clock_hz * 1000
    cpi = profile.cycles_per_instruction
    return Latency(per_cpi_ms * cpi.low, per_cpi_ms * cpi.central, per_cpi_ms * cpi.high)
