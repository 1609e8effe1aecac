"""TorchNetwork: a Network as a torch module with weights of its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn

from mcu_nas.network import Network
from mcu_nas.operators import Add
from mcu_nas.supernet.device import compute_device
from mcu_nas.supernet.layers import Layer, run_folded
from mcu_nas.supernet.lowering import Step, lower_to_torch, run_steps
from mcu_nas.supernet.workers import map_in_threads

# Batch-norm gain at the end of a residual branch before training. Near zero a block begins as its shortcut
# (Goyal et al., arXiv 1706.02677, section 5.1); exactly zero would also stop its gradients for a step.
RESIDUAL_GAIN = 0.2


class TorchNetwork(nn.Module):
    """Any Network of convolutions, depthwise convolutions, sums, means, pools and fully connected layers.

    Each convolution is followed by batch norm and its fused activation. ``forward`` takes pixels / 255 as
    float (N, C, H, W) and returns logits (N, classes).
    """

    def __init__(self, network: Network, seed: int | None = 0) -> None:
        """``seed`` draws the initial weights; with None they are left for the caller to fill."""
        super().__init__()
        self.network = network
        self.steps = lower_to_torch(network)
        self.layers = build_layers(self.steps, seed)

    def forward(self, pixels: Tensor) -> Tensor:
        """Logits (N, classes)."""
        return run_steps(self.steps, pixels, self.network.inputs[0], self._weighted)

    def _weighted(self, step: Step, x: Tensor) -> Tensor:
        return layer_of(self.layers, step)(step, x)

    def folded(self) -> dict[str, tuple[Tensor, Tensor]]:
        """(weight, bias) by layer name, batch norms folded in."""
        return {step.layer: layer_of(self.layers, step).folded() for step in weighted_steps(self.steps)}  # type: ignore[misc]


def weighted_steps(steps: tuple[Step, ...]) -> Iterator[Step]:
    """The steps that have weights."""
    return (step for step in steps if step.layer is not None)


def build_layers(steps: tuple[Step, ...], seed: int | None) -> nn.ModuleDict:
    """A layer for each step that has weights, freshly initialised where there is a seed, on the compute
    device."""
    layers = {layer_key(step.layer): Layer(step) for step in weighted_steps(steps)}
    if seed is not None:
        generator = torch.Generator().manual_seed(seed)
        for layer in layers.values():
            layer.initialise(generator)
        for step in _residual_branches(steps):
            nn.init.constant_(layers[layer_key(step.layer)].gain, RESIDUAL_GAIN)
    return nn.ModuleDict(layers).to(compute_device())


def _residual_branches(steps: tuple[Step, ...]) -> Iterator[Step]:
    """The convolutions whose output nothing but a sum reads: the last of each residual branch."""
    readers = Counter(tensor for step in steps for tensor in step.inputs)
    summed = {tensor for step in steps if isinstance(step.op, Add) for tensor in step.inputs}
    return (s for s in weighted_steps(steps) if s.output in summed and readers[s.output] == 1)


def layer_of(layers: nn.ModuleDict, step: Step) -> Layer:
    """The layer that holds a step's weights."""
    return layers[layer_key(step.layer)]  # type: ignore[return-value]


def layer_key(layer: str | None) -> str:
    """A layer's name in a module, where names must not contain dots."""
    assert layer is not None
    return layer.replace(".", "/")


def to_pixels(images: np.ndarray) -> Tensor:
    """uint8 (N, H, W, C) to float pixels / 255 (N, C, H, W) in channels_last memory, on the compute
    device."""
    writable = np.require(images, requirements="W")  # torch warns of others, though nothing is written
    pixels = torch.from_numpy(writable).to(compute_device()).permute(0, 3, 1, 2)
    return pixels.to(torch.float32, memory_format=torch.channels_last).div_(255.0)


def predict(network: TorchNetwork, images: np.ndarray, batch: int = 250) -> Tensor:
    """Logits (N, classes), on the CPU, of uint8 images (N, H, W, C), batch norms folded for speed."""
    weighted = run_folded(network.folded())
    entry = network.network.inputs[0]

    @torch.no_grad()
    def logits(start: int) -> Tensor:
        return run_steps(network.steps, to_pixels(images[start : start + batch]), entry, weighted)

    return torch.cat(map_in_threads(logits, range(0, len(images), batch))).cpu()
