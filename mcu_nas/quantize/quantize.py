"""From a trained TorchNetwork to an int8 Graph, by TFLite's int8 quantization specification.

https://ai.google.dev/edge/litert/models/quantization_spec: activations int8 per tensor, weights int8
symmetric per output channel, biases int32 at the scale of input times weight. Fully connected weights have
one scale, which older runtimes require.
"""

from __future__ import annotations

import numpy as np

from mcu_nas.graph import Graph, Quantization
from mcu_nas.operators import DepthwiseConv2D, FullyConnected, Mean
from mcu_nas.quantize.calibration import calibrate
from mcu_nas.supernet.lowering import Step
from mcu_nas.supernet.torch_network import TorchNetwork, weighted_steps

_WEIGHT_MAX = 127
_BIAS_LIMIT = 2**28  # far inside the 2^30 that the kernels allow
_FINEST = 2.0**-10  # of the layer's largest weight: dead channels get no scale of their own


def quantize_network(network: TorchNetwork, images: np.ndarray, labels: tuple[str, ...] = ()) -> Graph:
    """The int8 Graph of a network whose batch norms are calibrated: pixels - 128 in, int8 logits out.

    ``images`` uint8 (N, H, W, C) at the network's resolution are what activation ranges come from.
    """
    quantization = calibrate(network, images)
    folded = network.folded()
    constants: dict[int, np.ndarray] = {}
    for step in weighted_steps(network.steps):
        weight, bias = (np.asarray(tensor, np.float64) for tensor in folded[str(step.layer)])
        _, weights_id, bias_id = step.op.inputs
        source = quantization[step.inputs[0]].scale
        scales = _weight_scales(step, weight, bias, source)  # (O,) or (1,)
        bias_scales = (np.float32(source) * scales).astype(np.float32)
        per_output = scales.astype(np.float64).reshape(-1, *(1,) * (weight.ndim - 1))
        rounded = np.clip(np.rint(weight / per_output), -_WEIGHT_MAX, _WEIGHT_MAX)
        constants[weights_id] = _to_tflite_layout(step, rounded.astype(np.int8))
        constants[bias_id] = np.rint(bias / bias_scales.astype(np.float64)).astype(np.int32)
        axis = 3 if isinstance(step.op, DepthwiseConv2D) else 0
        quantization[weights_id] = _symmetric(scales, axis)
        quantization[bias_id] = _symmetric(bias_scales, 0)
    for op in network.network.ops:
        if isinstance(op, Mean):
            constants[op.inputs[1]] = np.array([1, 2], np.int32)  # height and width
    return Graph(network.network, constants, quantization, labels)


def _weight_scales(step: Step, weight: np.ndarray, bias: np.ndarray, source: float) -> np.ndarray:
    """float32 (O,), or (1,) for a fully connected layer; large enough that the bias stays in range."""
    largest = np.abs(weight).reshape(len(weight), -1).max(1)
    finest = (float(largest.max()) or 1.0) * _FINEST
    for_weights = np.maximum(largest, finest) / _WEIGHT_MAX
    for_bias = np.abs(bias) / (source * _BIAS_LIMIT)
    scales: np.ndarray = np.maximum(for_weights, for_bias).astype(np.float32)
    return scales.max(keepdims=True) if isinstance(step.op, FullyConnected) else scales


def _to_tflite_layout(step: Step, weight: np.ndarray) -> np.ndarray:
    """(O, I, KH, KW) to (O, KH, KW, I), depthwise (C, 1, KH, KW) to (1, KH, KW, C)."""
    if weight.ndim == 2:
        return weight
    order = (1, 2, 3, 0) if isinstance(step.op, DepthwiseConv2D) else (0, 2, 3, 1)
    return np.ascontiguousarray(weight.transpose(order))


def _symmetric(scales: np.ndarray, axis: int) -> Quantization:
    return Quantization(tuple(float(scale) for scale in scales), (0,) * len(scales), axis)
