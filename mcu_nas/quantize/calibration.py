"""Activation ranges of a network, from real images.

A range is clipped where that lowers the mean squared error of quantization: rare large values would
otherwise cost every value its resolution. Clipping is searched on a grid of shrink factors.
"""

from __future__ import annotations

import math

import numpy as np
import torch

from mcu_nas.graph import PIXELS, Quantization
from mcu_nas.operators import Activation, Add, AveragePool2D, Conv2D, DepthwiseConv2D, FullyConnected
from mcu_nas.supernet.layers import run_folded
from mcu_nas.supernet.lowering import Step, observe_steps
from mcu_nas.supernet.torch_network import TorchNetwork, to_pixels

NARROWEST = 1e-3  # a tensor of smaller range is dead; its scale must still make a sound multiplier
_SHRINK = tuple(np.linspace(1.0, 0.5, 26))
_VALUES = 20_000  # sampled per tensor for the error


@torch.no_grad()
def calibrate(network: TorchNetwork, images: np.ndarray, batch: int = 64) -> dict[int, Quantization]:
    """The quantization of each activation, by tensor id, from uint8 images (N, H, W, C)."""
    observed = _observe(network, images, batch)
    outputs = frozenset(network.network.outputs)
    quantization = {network.network.inputs[0]: PIXELS}
    for step in network.steps:
        if isinstance(step.op, AveragePool2D):
            # TFLite's kernel does not rescale: the output has its input's quantization.
            quantization[step.output] = quantization[step.inputs[0]]
            continue
        values = observed[step.output]
        low, high = float(min(values.min(), 0.0)), float(max(values.max(), 0.0))
        clip = step.output not in outputs  # logits are compared with each other: none is clipped
        low, high = _least_error(values, low, high) if clip else (low, high)
        quantization[step.output] = quantize_range(0.0 if _is_rectified(step) else low, high)
    return quantization


def quantize_range(low: float, high: float) -> Quantization:
    """int8 per tensor over [low, high], which must hold 0; 0 is exact."""
    span = max(high - low, NARROWEST)
    scale = float(np.float32(span / 255.0))
    zero_point = math.floor(-128.0 - low / scale + 0.5)
    return Quantization((scale,), (max(-128, min(127, zero_point)),))


def _observe(network: TorchNetwork, images: np.ndarray, batch: int) -> dict[int, np.ndarray]:
    """Up to about _VALUES values of each activation, evenly spaced, and its extremes."""
    weighted = run_folded(network.folded())
    batches = math.ceil(len(images) / batch)
    kept: dict[int, list[torch.Tensor]] = {}
    for start in range(0, len(images), batch):
        pixels = to_pixels(images[start : start + batch])
        for tensor, values in observe_steps(
            network.steps, pixels, network.network.inputs[0], weighted
        ).items():
            flat = values.permute(0, 2, 3, 1).flatten() if values.ndim == 4 else values.flatten()
            stride = max(1, len(flat) * batches // _VALUES) | 1  # odd: visits every channel
            kept.setdefault(tensor, []).append(torch.cat((flat[::stride], torch.stack(torch.aminmax(flat)))))
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


def _is_rectified(step: Step) -> bool:
    weighted_or_sum = isinstance(step.op, Conv2D | DepthwiseConv2D | FullyConnected | Add)
    return weighted_or_sum and step.op.activation is not Activation.NONE  # type: ignore[union-attr]
