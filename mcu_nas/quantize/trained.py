"""Networks as searches train them as FloatNetworks: batch norms folded, TFLite's layouts."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from torch import Tensor

from mcu_nas.network import Network
from mcu_nas.operators import DepthwiseConv2D, Mean
from mcu_nas.quantize.float_network import FloatNetwork
from mcu_nas.supernet.lowering import Step
from mcu_nas.supernet.torch_network import TorchNetwork, weighted_steps


def float_network(network: TorchNetwork) -> FloatNetwork:
    """The float network of a TorchNetwork whose batch norms are calibrated."""
    return from_folded(network.network, network.steps, network.folded())


def from_folded(
    network: Network, steps: tuple[Step, ...], folded: Mapping[str, tuple[Tensor, Tensor]]
) -> FloatNetwork:
    """The float network of a network's torch steps and their (weight, bias) by layer name."""
    constants: dict[int, np.ndarray] = {}
    for step in weighted_steps(steps):
        assert step.layer is not None
        weight, bias = (np.asarray(tensor.detach().cpu(), np.float32) for tensor in folded[step.layer])
        _, weights_id, bias_id = step.op.inputs
        constants[weights_id] = _to_tflite_layout(step, weight)
        constants[bias_id] = bias
    for op in network.ops:
        if isinstance(op, Mean):
            constants[op.inputs[1]] = np.array([1, 2], np.int32)  # height and width
    return FloatNetwork(network, constants)


def _to_tflite_layout(step: Step, weight: np.ndarray) -> np.ndarray:
    """(O, I, KH, KW) to (O, KH, KW, I), depthwise (C, 1, KH, KW) to (1, KH, KW, C)."""
    if weight.ndim == 2:
        return weight
    order = (1, 2, 3, 0) if isinstance(step.op, DepthwiseConv2D) else (0, 2, 3, 1)
    return np.ascontiguousarray(weight.transpose(order))
