"""Flash: the constants that the generated C holds, and the code that goes with them.

Constants are exact: they are what compiler/kernel_calls.py emits for the chosen kernels. Code is a
core profile's measurement of each kernel, plus an average for a layer's call.
"""

from __future__ import annotations

from mcu_nas.compiler.catalogue import choose
from mcu_nas.compiler.planner import Plan
from mcu_nas.cost.core_profile import CoreProfile
from mcu_nas.cost.macs import op_weight_bytes
from mcu_nas.network import Network
from mcu_nas.operators import Op


def op_constants_bytes(network: Network, op: Op) -> int:
    """Bytes of the constant arrays of one layer: weights, biases, factors, tables."""
    kernel, channels = choose(network, op), network.shape(op.outputs[0])[-1]
    return op_weight_bytes(network, op) + kernel.channel_bytes * channels + kernel.layer_bytes(network, op)


def constants_bytes(network: Network) -> int:
    """Bytes of the constant arrays of a network."""
    return sum(op_constants_bytes(network, op) for op in network.ops)


def code_bytes(network: Network, plan: Plan, profile: CoreProfile) -> int:
    """Estimated bytes of kernels (each once) and of the generated code of each layer.

    ``plan`` is the network's own plan.
    """
    per_kernel = sum(profile.kernel(name).code_bytes for name in plan.kernels_run(network))
    return per_kernel + profile.layer_code_bytes * len(network.ops)
