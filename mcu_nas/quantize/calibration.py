"""Activation ranges of a network, from real images.

A range is clipped where that lowers the mean squared error of quantization: rare large values would
otherwise cost every value its resolution. Clipping is searched on a grid of shrink factors.

Tensors that TFLite wants at one scale (the input and output of what only moves values, all inputs and the
output of a CONCATENATION) have one range, which spans them all.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import replace

import numpy as np
import torch

from mcu_nas.graph import PIXELS, PROBABILITIES, Quantization
from mcu_nas.network import Network
from mcu_nas.operators import (
    Activation,
    AveragePool2D,
    Concatenation,
    Logistic,
    MaxPool2D,
    Op,
    Pad,
    Quantize,
    Relu,
    Relu6,
    Reshape,
    ResizeNearestNeighbor,
    Softmax,
    StridedSlice,
    Tanh,
    Transpose,
)
from mcu_nas.quantize.execution import execute, pixels_of
from mcu_nas.quantize.float_network import FloatNetwork

NARROWEST = 1e-3  # a tensor of smaller range is dead; its scale must still make a sound multiplier
_SHRINK = tuple(np.linspace(1.0, 0.5, 26))
_VALUES = 20_000  # sampled per tensor for the error
_BATCH = 64

_MOVES_VALUES = (
    AveragePool2D | MaxPool2D | Reshape | Pad | ResizeNearestNeighbor | StridedSlice | Transpose
)  # TFLite's kernels do not rescale: the output has its input's quantization
_FIXED = {  # TFLite int8 specification
    Softmax: PROBABILITIES,
    Logistic: PROBABILITIES,
    Tanh: Quantization((1 / 128,), (0,)),
}


def input_quantization(white: float) -> Quantization:
    """Pixels 0 to 255 go in as they are, int8 = pixel - 128, and mean pixel / 255 * ``white``."""
    return PIXELS if white == 1.0 else Quantization((float(np.float32(white / 255)),), (-128,))


def requantize_fixed_scales(network: FloatNetwork) -> FloatNetwork:
    """A QUANTIZE before each input of a CONCATENATION whose scale is fixed: the pixels, a softmax."""
    graph = network.network
    fixed = set(graph.inputs)
    tensors, ops = list(graph.tensors), list[Op]()
    for op in graph.ops:
        if type(op) in _FIXED or (isinstance(op, _MOVES_VALUES) and op.inputs[0] in fixed):
            fixed.add(op.outputs[0])
        if isinstance(op, Concatenation):
            inputs = list(op.inputs)
            for position, tensor in enumerate(op.inputs):
                if tensor in fixed:
                    inputs[position] = len(tensors)
                    tensors.append(
                        replace(graph.tensors[tensor], name=f"{graph.tensors[tensor].name}.requantized")
                    )
                    ops.append(Quantize((tensor,), (inputs[position],)))
            op = replace(op, inputs=tuple(inputs))
        ops.append(op)
    return replace(network, network=replace(graph, tensors=tuple(tensors), ops=tuple(ops)))


def calibrate(network: FloatNetwork, images: np.ndarray) -> dict[int, Quantization]:
    """The quantization of each activation, by tensor id, from uint8 images (N, H, W, C).

    What requantize_fixed_scales returns is expected.
    """
    graph = network.network
    leaders = _leaders(graph)
    found = {leaders[graph.inputs[0]]: input_quantization(network.white)}
    found |= {leaders[op.outputs[0]]: _FIXED[type(op)] for op in graph.ops if type(op) in _FIXED}
    measured: dict[int, list[Op]] = {}
    for op in graph.ops:
        leader = leaders[op.outputs[0]]
        if leader not in found and not isinstance(op, _MOVES_VALUES | Concatenation):
            measured.setdefault(leader, []).append(op)
    observed = _observe(network, images, {op.outputs[0] for ops in measured.values() for op in ops})
    decisive = {leaders[tensor] for tensor in graph.outputs}  # logits are compared: none is clipped
    for leader, ops in measured.items():
        values = np.concatenate([observed[op.outputs[0]] for op in ops])
        low, high = float(min(values.min(), 0.0)), float(max(values.max(), 0.0))
        low, high = (low, high) if leader in decisive else _least_error(values, low, high)
        found[leader] = quantize_range(0.0 if all(map(_is_rectified, ops)) else low, high)
    return {tensor: found[leader] for tensor, leader in leaders.items()}


def quantize_range(low: float, high: float) -> Quantization:
    """int8 per tensor over [low, high], which must hold 0; 0 is exact."""
    span = max(high - low, NARROWEST)
    scale = float(np.float32(span / 255.0))
    zero_point = math.floor(-128.0 - low / scale + 0.5)
    return Quantization((scale,), (max(-128, min(127, zero_point)),))


def _leaders(graph: Network) -> dict[int, int]:
    """Per activation the first of those that share its range."""
    leaders = {tensor: tensor for tensor in graph.inputs}
    for op in graph.ops:
        (output,) = op.outputs
        leaders[output] = leaders[op.inputs[0]] if isinstance(op, _MOVES_VALUES) else output
        if isinstance(op, Concatenation):
            merged = {leaders[tensor] for tensor in (*op.inputs, output)}
            leaders = {t: min(merged) if leader in merged else leader for t, leader in leaders.items()}
    return leaders


def _observe(network: FloatNetwork, images: np.ndarray, tensors: Collection[int]) -> dict[int, np.ndarray]:
    """Up to about _VALUES values of each of the tensors, evenly spaced, and its extremes."""
    batches = math.ceil(len(images) / _BATCH)
    kept: dict[int, list[torch.Tensor]] = {tensor: [] for tensor in tensors}

    def keep(tensor: int, values: torch.Tensor) -> None:
        if tensor in kept:
            flat = values.flatten()
            stride = max(1, len(flat) * batches // _VALUES) | 1  # odd: visits every channel
            kept[tensor].append(torch.cat((flat[::stride], torch.stack(torch.aminmax(flat)))))

    for start in range(0, len(images), _BATCH):
        execute(network, pixels_of(images[start : start + _BATCH], network.white), keep)
    return {tensor: torch.cat(parts).numpy() for tensor, parts in kept.items()}


def _least_error(values: np.ndarray, low: float, high: float) -> tuple[float, float]:
    """The shrunken range with the least mean squared quantization error."""
    errors = [_error(values, low * shrink, high * shrink) for shrink in _SHRINK]
    shrink = float(_SHRINK[int(np.argmin(errors))])
    return low * shrink, high * shrink


def _error(values: np.ndarray, low: float, high: float) -> float:
    step = max(high - low, NARROWEST) / 255.0
    restored = np.clip(np.round((values - low) / step), 0, 255) * step + low
    return float(np.mean((restored - values) ** 2))


def _is_rectified(op: Op) -> bool:
    return isinstance(op, Relu | Relu6) or getattr(op, "activation", Activation.NONE) is not Activation.NONE
