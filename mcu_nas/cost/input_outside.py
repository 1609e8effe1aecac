"""The arena of a network whose input lies elsewhere: in a camera's or a caller's buffer.

Some publications leave the input tensor out of a peak. The generated C keeps it in the arena, so that this is
a figure to compare with, not what a header declares.
"""

from __future__ import annotations

from dataclasses import replace

from mcu_nas.compiler.planner import Plan, plan_like
from mcu_nas.network import Network


def arena_without_input(network: Network, the_plan: Plan) -> int | None:
    """Bytes that a plan needs beside the input: exact, the larger of what the first operator writes, with its
    scratch, and the arena of all operators after it. ``the_plan`` is the network's own.

    None where that says nothing: several inputs, or one that is read again after the first operator.

    Raises:
        UnsupportedError: an operator that no kernel serves.
    """
    if len(network.inputs) != 1 or network.lifetimes[network.inputs[0]] != (0, 0) or len(network.ops) < 2:
        return None
    first, kernel = network.ops[0], the_plan.kernels[0]
    written = sum(the_plan.tensor_bytes(network, tensor) for tensor in first.outputs)
    rest = replace(network, ops=network.ops[1:], inputs=first.outputs)
    return max(written + kernel.scratch_bytes(network, first), plan_like(rest, the_plan).arena_bytes)
