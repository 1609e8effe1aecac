"""From a FloatNetwork to an int8 Graph, by TFLite's int8 quantization specification.

https://ai.google.dev/edge/litert/models/quantization_spec: activations int8 per tensor, weights int8
symmetric per output channel, biases int32 at the scale of input times weight. Fully connected weights have
one scale, which older runtimes require.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mcu_nas.graph import Graph, Quantization
from mcu_nas.operators import FullyConnected, Weighted, layer_inputs
from mcu_nas.quantize.calibration import calibrate, requantize_fixed_scales
from mcu_nas.quantize.float_network import FloatNetwork
from mcu_nas.quantize.trained import float_network
from mcu_nas.supernet.torch_network import TorchNetwork
from mcu_nas.tflite.schema import CHANNEL_AXIS

_WEIGHT_MAX = 127
_BIAS_LIMIT = 2**28  # far inside the 2^30 that the kernels allow
_FINEST = 2.0**-10  # of the layer's largest weight: dead channels get no scale of their own
_SMALLEST_BIAS_SCALE = 1e-37  # float32 holds 1.2e-38 in full precision


def quantize_network(network: TorchNetwork, images: np.ndarray, labels: tuple[str, ...] = ()) -> Graph:
    """The int8 Graph of a network whose batch norms are calibrated: pixels - 128 in, int8 logits out.

    ``images`` uint8 (N, H, W, C) at the network's resolution are what activation ranges come from.
    """
    return quantize_float_network(float_network(network), images, labels)


def quantize_float_network(network: FloatNetwork, images: np.ndarray, labels: tuple[str, ...] = ()) -> Graph:
    """The int8 Graph of a float network: pixels - 128 in, int8 out.

    ``images`` uint8 (N, H, W, C) at the network's resolution are what activation ranges come from.
    """
    network = requantize_fixed_scales(network)
    return quantize_weights(network, calibrate(network, images), labels)


def quantize_weights(
    network: FloatNetwork, activations: Mapping[int, Quantization], labels: tuple[str, ...] = ()
) -> Graph:
    """The int8 Graph of a float network whose ``activations``, by tensor id, have their quantization."""
    constants, quantization = dict(network.constants), dict(activations)
    for op in network.network.ops:
        if isinstance(op, Weighted):
            _quantize_layer(op, constants, quantization)
    return Graph(network.network, constants, quantization, labels)


def _quantize_layer(
    op: Weighted, constants: dict[int, np.ndarray], quantization: dict[int, Quantization]
) -> None:
    """Replaces a layer's float weights and bias and adds their quantization."""
    activation, weights, bias = layer_inputs(op)
    axis = CHANNEL_AXIS[type(op)]
    values = np.moveaxis(constants[weights].astype(np.float64), axis, 0)  # (O, ...)
    bias_values = constants[bias].astype(np.float64)
    source = quantization[activation].scale
    scales = weight_scales(op, values, bias_values, source)  # (O,) or (1,)
    bias_scales = (np.float32(source) * scales).astype(np.float32)
    per_output = scales.astype(np.float64).reshape(-1, *(1,) * (values.ndim - 1))
    rounded = np.clip(np.rint(values / per_output), -_WEIGHT_MAX, _WEIGHT_MAX).astype(np.int8)
    constants[weights] = np.ascontiguousarray(np.moveaxis(rounded, 0, axis))
    constants[bias] = np.rint(bias_values / bias_scales.astype(np.float64)).astype(np.int32)
    quantization[weights] = _symmetric(scales, axis)
    quantization[bias] = _symmetric(bias_scales, 0)


def weight_scales(op: Weighted, weights: np.ndarray, bias: np.ndarray, source: float) -> np.ndarray:
    """float32 (O,), or (1,) for a fully connected layer, of float ``weights`` (O, ...) and ``bias`` (O,);
    large enough that the bias stays in range at the scale ``source`` of the layer's input.
    """
    largest = np.abs(weights).reshape(len(weights), -1).max(1)
    finest = (float(largest.max()) or 1.0) * _FINEST
    for_weights = np.maximum(largest, finest) / _WEIGHT_MAX
    for_bias = np.abs(bias) / (source * _BIAS_LIMIT)
    smallest = _SMALLEST_BIAS_SCALE / source
    scales: np.ndarray = np.maximum(np.maximum(for_weights, for_bias), smallest).astype(np.float32)
    return scales.max(keepdims=True) if isinstance(op, FullyConnected) else scales


def _symmetric(scales: np.ndarray, axis: int) -> Quantization:
    return Quantization(tuple(float(scale) for scale in scales), (0,) * len(scales), axis)
