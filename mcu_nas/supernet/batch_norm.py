"""Batch-norm statistics of one network, estimated anew.

The statistics of a subnet differ from those of every other subnet of its supernet, and training does not
track them: each network is recalibrated before it is scored or exported (MCUNet, NeurIPS 2020).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from mcu_nas.supernet.layers import BATCH_NORM_EPSILON
from mcu_nas.supernet.lowering import Step, activate, convolve, run_steps
from mcu_nas.supernet.torch_network import TorchNetwork, layer_of, to_pixels, weighted_steps
from mcu_nas.supernet.workers import map_in_threads

_Statistics = dict[str | None, tuple[Tensor, Tensor]]  # layer: (mean, variance), each (O,)


def recalibrate(network: TorchNetwork, images: np.ndarray, batch: int = 128) -> None:
    """Sets the statistics to those of uint8 images (N, H, W, C), averaged over batches of equal size.

    A last batch that is not full is left out where there are full ones. Leaves the network in eval mode.
    """
    batch = min(batch, len(images))
    network.eval()

    def observe(start: int) -> _Statistics:
        return _statistics(network, images[start : start + batch])

    observed = map_in_threads(observe, range(0, len(images) - batch + 1, batch))
    for step in weighted_steps(network.steps):
        layer = layer_of(network.layers, step)
        if layer.normalised:
            means, variances = zip(*(statistics[step.layer] for statistics in observed), strict=True)
            layer.mean.copy_(torch.stack(means).mean(0))
            layer.variance.copy_(torch.stack(variances).mean(0))


@torch.no_grad()
def _statistics(network: TorchNetwork, images: np.ndarray) -> _Statistics:
    """Mean and unbiased variance of each normalised layer's convolution on one batch."""
    found: _Statistics = {}

    def weighted(step: Step, x: Tensor) -> Tensor:
        layer = layer_of(network.layers, step)
        if not layer.normalised:
            return layer(step, x)
        y = convolve(step, x, layer.weight)
        values = y.numel() // y.shape[1]
        y, mean, inverse = torch.native_batch_norm(
            y, layer.gain, layer.shift, None, None, True, 0.0, BATCH_NORM_EPSILON
        )
        biased = inverse.pow(-2) - BATCH_NORM_EPSILON
        found[step.layer] = mean, biased.clamp_(min=0.0) * (values / max(values - 1, 1))
        return activate(y, step.op.activation)  # type: ignore[union-attr]

    run_steps(network.steps, to_pixels(images), network.network.inputs[0], weighted)
    return found
