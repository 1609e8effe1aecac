"""What a whole network computes and what it carries, as publications count them.

A MAC is one multiplication by a weight, see ``op_macs`` in network.py. (What a kernel really executes is
the business of compiler/catalogue.py's latency features.)
"""

from __future__ import annotations

from mcu_nas.network import Network, op_macs, op_weight_bytes


def network_macs(network: Network) -> int:
    """MACs of one inference."""
    return sum(op_macs(network, op) for op in network.ops)


def network_weight_bytes(network: Network) -> int:
    """Bytes of a network's weights, without biases and requantization factors."""
    return sum(op_weight_bytes(network, op) for op in network.ops)
