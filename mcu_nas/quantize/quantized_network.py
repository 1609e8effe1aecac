"""QuantizedNetwork: a trained network in the arithmetic of its int8 export, with gradients.

Quantization-aware training (Jacob et al., CVPR 2018, arXiv 1712.05877): what the device will round is rounded
here too, so that the weights settle where rounding costs little. The forward pass computes on the device's
integers, held in floats: activations minus their zero point times int8 weights, summed exactly (below 2^24),
requantized with TFLite Micro's two roundings (rounding.py). Weights have the scales that the export gives
them, by the same function, anew in each step. Activations keep those of their calibration: learned ones
(LSQ, arXiv 1902.08153) were no better in int8 (docs/quantize.md).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from mcu_nas.compiler.requantize import INT8_MAX, INT8_MIN, activation_range, mean_multiplier
from mcu_nas.graph import Graph
from mcu_nas.operators import Activation, Add, AveragePool2D, Mean, Weighted
from mcu_nas.quantize.calibration import calibrate
from mcu_nas.quantize.quantize import quantize_weights, weight_scales
from mcu_nas.quantize.rounding import Factor, clamped_and_rounded, factor_of, requantized, rounded
from mcu_nas.quantize.trained import float_network, from_folded
from mcu_nas.supernet.feed import Feed
from mcu_nas.supernet.losses import Classifier
from mcu_nas.supernet.lowering import Step, average_pool, convolve
from mcu_nas.supernet.schedule import Schedule
from mcu_nas.supernet.torch_network import TorchNetwork, layer_key, to_pixels, weighted_steps
from mcu_nas.supernet.training import Progress, train_module

_BATCH = 250


class QuantizedNetwork(nn.Module):
    """The int8 model of a TorchNetwork whose batch norms are calibrated; they are folded for good.

    ``images`` uint8 (N, H, W, C) at the network's resolution give the quantization of the activations, as in
    quantize_network. ``forward`` takes pixels / 255 as float (N, C, H, W) and returns logits (N, classes),
    each a whole number of steps.
    """

    def __init__(self, network: TorchNetwork, images: np.ndarray) -> None:
        super().__init__()
        self.network, self.steps = network.network, network.steps
        self.quantization = calibrate(float_network(network), images)
        self.weights, self.biases = nn.ParameterDict(), nn.ParameterDict()
        for layer, (weight, bias) in network.folded().items():
            self.weights[layer_key(layer)], self.biases[layer_key(layer)] = weight.clone(), bias.clone()

    def forward(self, pixels: Tensor) -> Tensor:
        """Logits (N, classes)."""
        return self._run(pixels) * self.quantization[self.network.outputs[0]].scale

    @torch.no_grad()
    def outputs(self, images: np.ndarray) -> np.ndarray:
        """int8 (N, ...), channels second, as the exported model gives them for uint8 images (N, H, W, C)."""
        zero_point = self.quantization[self.network.outputs[0]].zero_point
        parts = [
            self._run(to_pixels(images[start : start + _BATCH])) + zero_point
            for start in range(0, len(images), _BATCH)
        ]
        return torch.cat(parts).cpu().numpy().astype(np.int8)

    def graph(self, labels: tuple[str, ...] = ()) -> Graph:
        """The int8 Graph with these weights: what ``outputs`` computes."""
        layers = [step.layer for step in weighted_steps(self.steps) if step.layer]
        network = from_folded(self.network, self.steps, {layer: self._layer(layer) for layer in layers})
        return quantize_weights(network, self.quantization, labels)

    def _run(self, pixels: Tensor) -> Tensor:
        """The last output as whole numbers, its zero point subtracted."""
        entry = self.network.inputs[0]
        live = {entry: torch.round(pixels / self.quantization[entry].scale)}
        for step in self.steps:
            y = self._computed(step, live)
            for tensor in step.finished:
                del live[tensor]
            live[step.output] = y
        return y

    def _computed(self, step: Step, live: dict[int, Tensor]) -> Tensor:
        source, output = self.quantization[step.inputs[0]], self.quantization[step.output]
        activation = getattr(step.op, "activation", Activation.NONE)
        low, high = (bound - output.zero_point for bound in activation_range(activation, output))
        x = live[step.inputs[0]]
        match step.op:
            case AveragePool2D():  # averages values with their zero point; of both tensors it is one
                averages = average_pool(x + source.zero_point, step.op, step)
                whole = clamped_and_rounded(averages, INT8_MIN, INT8_MAX)
                return (whole - output.zero_point).clamp(low, high)
            case Add():
                others = step.inputs[1]
                factors = source.scale / output.scale, self.quantization[others].scale / output.scale
                return clamped_and_rounded(x * factors[0] + live[others] * factors[1], low, high)
            case Mean():
                pixels = x.shape[2] * x.shape[3]
                multiplier = mean_multiplier(source, output, pixels)
                parts = multiplier.value * 2.0**-31, 2.0**multiplier.shift
                factor = Factor(*(x.new_tensor([value]) for value in (parts[0] * parts[1], *parts)))
                sums = x.sum((2, 3), keepdim=step.op.keep_dims)
                return requantized(sums, x.new_zeros(1), factor, low, high)
            case _:
                sums, bias, unit = self._sums(step, x, source.scale)
                return requantized(sums, bias, factor_of(unit / output.scale), low, high)

    def _sums(self, step: Step, x: Tensor, scale: float) -> tuple[Tensor, Tensor, Tensor]:
        """A layer's sums (N, O, ...), its bias (O,), the unit of both (O,) or (1,).

        ``scale`` is that of its input ``x``.
        """
        assert step.layer is not None
        assert isinstance(step.op, Weighted)
        weight, bias = self._layer(step.layer)
        values = [tensor.detach().cpu().numpy().astype(np.float64) for tensor in (weight, bias)]
        found = weight_scales(step.op, values[0], values[1], scale)  # (O,) or (1,)
        scales = torch.from_numpy(found).to(weight.device)
        sums = convolve(step, x, rounded(weight / scales.reshape(-1, *(1,) * (weight.ndim - 1))))
        unit = scale * scales
        return sums, rounded(bias / unit), unit

    def _layer(self, layer: str) -> tuple[Tensor, Tensor]:
        """Weight and bias."""
        return self.weights[layer_key(layer)], self.biases[layer_key(layer)]


def train_quantized(
    network: QuantizedNetwork,
    feed: Feed,
    schedule: Schedule,
    *,
    teacher: Classifier | None = None,
    checkpoint: Path | None = None,
    progress: Progress | None = None,
) -> None:
    """Quantization-aware training, in place. A training that was cut off goes on where ``checkpoint`` stands.

    ``teacher`` answers beside the labels with the schedule's weight of distillation.

    Raises:
        RunFolderError: the checkpoint is broken or belongs to another training.
    """
    train_module(
        network,
        "quantized network",
        network.network.tensors,
        feed,
        schedule,
        teacher=teacher,
        checkpoint=checkpoint,
        progress=progress,
    )
