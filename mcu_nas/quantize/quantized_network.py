"""QuantizedNetwork: a trained network in the arithmetic of its int8 export, with gradients.

Quantization-aware training (Jacob et al., CVPR 2018, arXiv 1712.05877): what the device will round is rounded
here too, so that the weights settle where rounding costs little. The forward pass computes on the device's
integers, held in floats: activations minus their zero point times int8 weights, summed exactly (below 2^24),
requantized with TFLite Micro's two roundings (rounding.py). Weights have the scales that the export gives
them, by the same function, anew in each step. The scales of activations are learned: LSQ (Esser et al., ICLR
2020, arXiv 1902.08153).
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from mcu_nas.compiler.requantize import INT8_MAX, activation_range, mean_multiplier
from mcu_nas.graph import Graph, Quantization
from mcu_nas.operators import Activation, Add, AveragePool2D, Mean, Weighted
from mcu_nas.quantize.calibration import FINEST_SCALE, calibrate, leaders_of
from mcu_nas.quantize.quantize import quantize_weights, weight_scales
from mcu_nas.quantize.rounding import clamped_and_rounded, requantized, rounded, straight_through
from mcu_nas.quantize.trained import float_network, from_folded
from mcu_nas.supernet.feed import Feed
from mcu_nas.supernet.lowering import Step, average_pool, convolve
from mcu_nas.supernet.schedule import Schedule
from mcu_nas.supernet.torch_network import TorchNetwork, layer_key, to_pixels, weighted_steps
from mcu_nas.supernet.training import Progress, train_module

_BATCH = 250


class QuantizedNetwork(nn.Module):
    """The int8 model of a TorchNetwork whose batch norms are calibrated; they are folded for good.

    ``images`` uint8 (N, H, W, C) at the network's resolution give the first scales and the zero points, as
    quantize_network would. ``forward`` takes pixels / 255 as float (N, C, H, W) and returns logits
    (N, classes), each a whole number of the output's scale.
    """

    def __init__(self, network: TorchNetwork, images: np.ndarray) -> None:
        super().__init__()
        self.network, self.steps = network.network, network.steps
        self.weights, self.biases = nn.ParameterDict(), nn.ParameterDict()
        for layer, (weight, bias) in network.folded().items():
            self.weights[layer_key(layer)], self.biases[layer_key(layer)] = weight.clone(), bias.clone()
        self._first = calibrate(float_network(network), images)
        self._leaders = leaders_of(self.network)
        self._learned = sorted(set(self._leaders.values()) - {self.network.inputs[0]})
        self.scales = nn.Parameter(torch.tensor([self._first[tensor].scale for tensor in self._learned]))
        sizes = [math.prod(self.network.shape(tensor)) for tensor in self._learned]
        # LSQ, section 2.2: a scale gathers the gradients of all values, and would move faster than weights.
        self._rates = torch.tensor([1.0 / math.sqrt(size * INT8_MAX) for size in sizes])

    def forward(self, pixels: Tensor) -> Tensor:
        """Logits (N, classes)."""
        scales = self._scales()
        output = self.network.outputs[0]
        return self._run(pixels, scales) * scales[output]

    @torch.no_grad()
    def outputs(self, images: np.ndarray) -> np.ndarray:
        """int8 (N, ...), channels second, as the exported model gives them for uint8 images (N, H, W, C)."""
        scales = self._scales()
        zero_point = self._first[self.network.outputs[0]].zero_point
        parts = [
            self._run(to_pixels(images[start : start + _BATCH]), scales) + zero_point
            for start in range(0, len(images), _BATCH)
        ]
        return torch.cat(parts).numpy().astype(np.int8)

    def graph(self, labels: tuple[str, ...] = ()) -> Graph:
        """The int8 Graph with these weights and scales: what ``outputs`` computes."""
        layers = [step.layer for step in weighted_steps(self.steps) if step.layer]
        network = from_folded(self.network, self.steps, {layer: self._layer(layer) for layer in layers})
        activations = {tensor: self._quantization(tensor, scale) for tensor, scale in self._scales().items()}
        return quantize_weights(network, activations, labels)

    def _scales(self) -> dict[int, Tensor]:
        """Each activation's scale, ()."""
        learned = straight_through(self.scales * self._rates, self.scales)
        found = dict(zip(self._learned, learned.clamp(min=FINEST_SCALE).unbind(), strict=True))
        entry = self.network.inputs[0]
        found[entry] = torch.tensor(self._first[entry].scale)
        return {tensor: found[leader] for tensor, leader in self._leaders.items()}

    def _quantization(self, tensor: int, scale: Tensor) -> Quantization:
        return Quantization((float(scale.detach()),), self._first[tensor].zero_points)

    def _run(self, pixels: Tensor, scales: dict[int, Tensor]) -> Tensor:
        """The last output as whole numbers, its zero point subtracted."""
        entry = self.network.inputs[0]
        live = {entry: torch.round(pixels / scales[entry])}
        for step in self.steps:
            y = self._computed(step, live, scales)
            for tensor in step.finished:
                del live[tensor]
            live[step.output] = y
        return y

    def _computed(self, step: Step, live: dict[int, Tensor], scales: dict[int, Tensor]) -> Tensor:
        x, source, output = live[step.inputs[0]], scales[step.inputs[0]], scales[step.output]
        quantization = self._quantization(step.output, output)
        zero_point = quantization.zero_point
        activation = getattr(step.op, "activation", Activation.NONE)
        low, high = (bound - zero_point for bound in activation_range(activation, quantization))
        match step.op:
            case AveragePool2D():
                averages = clamped_and_rounded(average_pool(x + zero_point, step.op, step), -128, 127)
                return clamped_and_rounded(averages - zero_point, low, high)
            case Add():
                other = step.inputs[1]
                terms = x * (source / output), live[other] * (scales[other] / output)
                return clamped_and_rounded(terms[0] + terms[1], low, high)
            case Mean():
                count = x.shape[2] * x.shape[3]
                whole = mean_multiplier(self._quantization(step.inputs[0], source), quantization, count)
                parts = (torch.tensor(whole.value * 2.0**-31), torch.tensor(2.0**whole.shift))
                sums = x.sum((2, 3), keepdim=step.op.keep_dims)
                return requantized(sums, torch.zeros(()), source / output / count, parts, low, high)
            case _:
                sums, bias, factor = self._sums(step, x, source, output)
                return requantized(sums, bias, factor, _frexp(factor), low, high)

    def _sums(self, step: Step, x: Tensor, source: Tensor, output: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """A layer's sums (N, O, ...), its bias (O,) in their unit, and that unit over the output's, (O,)."""
        assert step.layer is not None
        assert isinstance(step.op, Weighted)
        weight, bias = self._layer(step.layer)
        arrays = [values.detach().numpy().astype(np.float64) for values in (weight, bias)]
        found = weight_scales(step.op, arrays[0], arrays[1], float(source.detach()))  # (O,) or (1,)
        scales = torch.from_numpy(found)
        sums = convolve(step, x, rounded(weight / scales.reshape(-1, *(1,) * (weight.ndim - 1))))
        unit = (source * scales).expand(len(bias))
        return sums, rounded(bias / unit), unit / output

    def _layer(self, layer: str) -> tuple[Tensor, Tensor]:
        """Weight and bias."""
        return self.weights[layer_key(layer)], self.biases[layer_key(layer)]


def train_quantized(
    network: QuantizedNetwork,
    feed: Feed,
    schedule: Schedule,
    *,
    checkpoint: Path | None = None,
    progress: Progress | None = None,
) -> None:
    """Quantization-aware training, in place. A training that was cut off goes on where ``checkpoint`` stands.

    Raises:
        RunFolderError: the checkpoint is broken or belongs to another training.
    """
    what = network.network.tensors
    train_module(network, "quantized network", what, feed, schedule, checkpoint=checkpoint, progress=progress)


def _frexp(factor: Tensor) -> tuple[Tensor, Tensor]:
    """Factors as fraction and power of two of the right shift; a left shift, exact, goes to the fraction."""
    _, shift = torch.frexp(factor.detach())
    power = torch.exp2(shift.clamp(max=0).to(factor.dtype))
    return factor.detach() / power, power
