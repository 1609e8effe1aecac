"""Ways to quantize after training that mcu_nas does not use, to be measured beside the one that it uses."""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor

from mcu_nas.operators import Activation
from mcu_nas.quantize import calibration
from mcu_nas.quantize.quantized_network import QuantizedNetwork
from mcu_nas.supernet.layers import BATCH_NORM_EPSILON, Layer
from mcu_nas.supernet.lowering import Step, activate, convolve, run_steps
from mcu_nas.supernet.torch_network import TorchNetwork, layer_of, to_pixels, weighted_steps

Range = tuple[float, float]
ChooseRange = Callable[[np.ndarray, float, float], Range]  # of values, with their least and largest

_ROUNDS = 20  # of equalization: each spreads what the last layer took over on to its neighbours


def extremes(values: np.ndarray, low: float, high: float) -> Range:
    """All that was seen."""
    return low, high


def percentile(share: float) -> ChooseRange:
    """All but the outermost values at both ends."""

    def choose(values: np.ndarray, low: float, high: float) -> Range:
        least, largest = np.percentile(values, (100.0 - share, share))
        return min(float(least), 0.0), max(float(largest), 0.0)

    return choose


@contextmanager
def ranges_by(choose: ChooseRange) -> Iterator[None]:
    """Calibration with another choice of the activations' ranges than the least squared error."""
    with patch.object(calibration, "_least_error", choose):
        yield


@torch.no_grad()
def correct_biases(network: TorchNetwork, quantized: QuantizedNetwork, images: np.ndarray) -> None:
    """Moves each channel's mean back to the float network's, layer by layer (Nagel et al., ICCV 2019,
    arXiv 1906.04721, section 4.2, on images instead of batch-norm statistics)."""
    folded, expected = network.folded(), dict[str | None, Tensor]()

    def observed(step: Step, x: Tensor) -> Tensor:
        y = convolve(step, x, *folded[step.layer or ""])
        expected[step.layer] = _channel_means(y)
        return activate(y, step.op.activation)  # type: ignore[union-attr]

    pixels, entry = to_pixels(images), network.network.inputs[0]
    run_steps(network.steps, pixels, entry, observed)
    live = {entry: torch.round(pixels / quantized.quantization[entry].scale)}
    for step in quantized.steps:
        if step.layer is not None:
            source = step.inputs[0]
            sums, bias, unit = quantized._sums(step, live[source], quantized.quantization[source].scale)
            found = (_channel_means(sums) + bias) * unit
            quantized._layer(step.layer)[1].add_(expected[step.layer] - found)
        live[step.output] = quantized._computed(step, live)


def _channel_means(x: Tensor) -> Tensor:
    return x.mean([axis for axis in range(x.ndim) if axis != 1])


@torch.no_grad()
def equalized(network: TorchNetwork) -> TorchNetwork:
    """The same function with the ranges of consecutive layers' weights made equal, channel by channel (the
    same paper, section 4.1). ReLU lets a positive factor through; RELU6 does not."""
    found = copy.deepcopy(network)
    layers = {step.output: layer_of(found.layers, step) for step in weighted_steps(found.steps)}
    for layer in layers.values():
        _fold(layer)
    readers = defaultdict[int, list[Step]](list)
    for step in found.steps:
        for tensor in step.inputs:
            readers[tensor].append(step)
    for _ in range(_ROUNDS):
        for step in weighted_steps(found.steps):
            (reader, *others) = readers[step.output] or [None]
            if others or reader is None or reader.layer is None or not layers[reader.output].normalised:
                continue
            if step.op.activation is not Activation.RELU6:  # type: ignore[union-attr]
                _equalize(layers[step.output], layers[reader.output], depthwise=reader.groups > 1)
    return found


def _fold(layer: Layer) -> None:
    """Batch norm into the weights; what stays of it does nothing but add ``shift``."""
    if layer.normalised:
        weight, bias = layer.folded()
        layer.weight.copy_(weight)
        layer.shift.copy_(bias)
        layer.gain.fill_(1.0)
        layer.mean.zero_()
        layer.variance.fill_(1.0 - BATCH_NORM_EPSILON)


def _equalize(first: Layer, second: Layer, *, depthwise: bool) -> None:
    by_input = second.weight if depthwise else second.weight.transpose(0, 1)
    ranges = [weight.abs().flatten(1).amax(1) for weight in (first.weight, by_input)]
    alive = (ranges[0] > 0) & (ranges[1] > 0)
    factor = torch.where(alive, torch.sqrt(ranges[1] / ranges[0].clamp(min=1e-12)), 1.0)
    first.weight.mul_(factor.reshape(-1, 1, 1, 1))
    first.shift.mul_(factor)
    second.weight.div_(factor.reshape(-1, 1, 1, 1) if depthwise else factor.reshape(1, -1, 1, 1))
