"""A Graph for a Network that nobody has trained: random weights, scales that keep values in range.

What a network costs on a device does not depend on its weights; so untrained networks can be compiled,
measured and used to fit the core profiles.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.random import Generator

from mcu_nas.graph import PIXELS, PROBABILITIES, SIGNED_UNIT, Graph, Quantization
from mcu_nas.network import Network
from mcu_nas.operators import (
    Activation,
    Add,
    AveragePool2D,
    Concatenation,
    Conv2D,
    DepthwiseConv2D,
    FullyConnected,
    HardSwish,
    LeakyRelu,
    Logistic,
    MaxPool2D,
    Mean,
    Mul,
    Pad,
    Quantize,
    Relu,
    Relu6,
    Reshape,
    ResizeNearestNeighbor,
    Softmax,
    StridedSlice,
    Sub,
    Tanh,
    Transpose,
    TransposeConv,
    Weighted,
    layer_inputs,
)


def random_graph(network: Network, rng: Generator) -> Graph:
    """Random int8 weights and biases, activations quantized so that outputs use most of int8."""
    constants: dict[int, np.ndarray] = {}
    quantization = dict.fromkeys(network.inputs, PIXELS)
    for op in network.ops:
        (output,) = op.outputs
        match op:
            case Add() | Sub() | Mul():
                scale = _of_two_operands(network, op, constants, quantization, rng)
                quantization[output] = _activation(scale, op.activation)
            case Mean():
                constants[op.inputs[1]] = np.array([1, 2], np.int32)
                quantization[output] = quantization[op.inputs[0]]
            case AveragePool2D() | MaxPool2D() | Reshape():
                quantization[output] = quantization[op.inputs[0]]
            case Pad() | ResizeNearestNeighbor() | StridedSlice() | Transpose() | Concatenation():
                if len({quantization[tensor] for tensor in op.inputs}) > 1:
                    raise ValueError("what CONCATENATION joins must come from one activation")
                quantization[output] = quantization[op.inputs[0]]
            case Softmax() | Logistic():
                quantization[output] = PROBABILITIES
            case Tanh():
                quantization[output] = SIGNED_UNIT
            case Relu() | Relu6() | LeakyRelu() | HardSwish() | Quantize():
                quantization[output] = quantization[op.inputs[0]]
            case Conv2D() | DepthwiseConv2D() | FullyConnected() | TransposeConv():
                quantization[output] = _weighted(network, op, constants, quantization, rng)
    return Graph(network, constants, quantization)


def _of_two_operands(
    network: Network,
    op: Add | Sub | Mul,
    constants: dict[int, np.ndarray],
    quantization: dict[int, Quantization],
    rng: Generator,
) -> float:
    """Draws a constant operand; returns the scale of the output."""
    for tensor in network.constants.intersection(op.inputs):
        constants[tensor] = rng.integers(-128, 128, network.shape(tensor), dtype=np.int8)
        quantization[tensor] = _activation(1 / 128, Activation.NONE)
    a, b = (quantization[tensor].scale for tensor in op.inputs)
    return a * b * 128 if isinstance(op, Mul) else a + b


def _weighted(
    network: Network,
    op: Weighted,
    constants: dict[int, np.ndarray],
    quantization: dict[int, Quantization],
    rng: Generator,
) -> Quantization:
    """Draws the weights and bias of a layer; returns its output's quantization."""
    source, weights, bias = layer_inputs(op)
    if isinstance(op, TransposeConv):
        constants[op.inputs[0]] = np.array(network.shape(op.outputs[0]), np.int32)
    shape = network.shape(weights)
    axis = 3 if isinstance(op, DepthwiseConv2D) else 0
    channels = 1 if isinstance(op, FullyConnected) else shape[axis]
    # A sum of fan_in products of uniform int8 spreads over 73 * 73 * sqrt(fan_in); the scale keeps layers'
    # outputs as large as their inputs, however many follow each other.
    unit = 1 / (73 * math.sqrt(math.prod(shape) // shape[axis]))
    scales = np.float32(unit) * rng.uniform(0.5, 2.0, channels).astype(np.float32)
    constants[weights] = rng.integers(-127, 128, shape, dtype=np.int8)
    in_scale = np.float32(quantization[source].scale)
    constants[bias] = rng.integers(-2000, 2001, network.shape(bias), dtype=np.int32)
    quantization[weights] = Quantization(tuple(map(float, scales)), (0,) * channels, axis)
    quantization[bias] = Quantization(tuple(map(float, in_scale * scales)), (0,) * channels)
    return _activation(73 * float(in_scale) * 4 / 255, op.activation)


def _activation(scale: float, activation: Activation) -> Quantization:
    """Zero point at the bottom of int8 where a clamp cuts off what is negative."""
    if activation is Activation.RELU6:
        scale = min(scale, 6 / 255)
    return Quantization((float(np.float32(scale)),), (0 if activation is Activation.NONE else -128,))
