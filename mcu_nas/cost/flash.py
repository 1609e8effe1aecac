"""Flash: the constants that the generated code holds, and the code that goes with them.

Constants of kernels in C are exact: they are what compiler/kernel_calls.py emits. Those of generated kernels
are what they take at most. Code is a core profile's measurement of each kernel, plus an average for a
layer's call. Of a network each layer counts with a generated kernel of its own, an average, so that the costs
of segments add up; of a compiled model the functions that are there count (compiler/shared_functions.py).
"""

from __future__ import annotations

from mcu_nas.compiler.planner import Plan
from mcu_nas.compiler.program import Program
from mcu_nas.cost.core_profile import CoreProfile
from mcu_nas.network import Network


def constants_bytes(network: Network, plan: Plan) -> list[int]:
    """Bytes of the constant arrays of each layer: weights, biases, factors, tables."""
    pairs = zip(network.ops, plan.kernels, strict=True)
    return [kernel.constants_bytes(network, op) for op, kernel in pairs]


def code_bytes(network: Network, plan: Plan, profile: CoreProfile) -> int:
    """Estimated bytes of C kernels (each once), of generated ones and of the calls of each layer.

    ``plan`` is the network's own plan.
    """
    shared = sum(profile.kernel(name).code_bytes for name in plan.kernels_run(network))
    return shared + layers_code_bytes(network, plan, profile)


def layers_code_bytes(network: Network, plan: Plan, profile: CoreProfile) -> int:
    """Estimated bytes of the code that each layer has for itself."""
    generated = sum(profile.kernel(kernel.name).code_bytes for kernel in plan.kernels if kernel.is_generated)
    return generated + profile.layer_code_bytes * len(network.ops)


def program_code_bytes(program: Program, profile: CoreProfile) -> int:
    """Estimated bytes of a compiled model's code: of functions in assembly what they take at most."""
    network, plan = program.graph.network, program.plan
    in_c = sum(profile.kernel(name).code_bytes for name in plan.kernels_run(network))
    generated = sum(kernel.assembly.most_bytes for kernel in program.generated)
    return in_c + generated + profile.layer_code_bytes * len(network.ops)
