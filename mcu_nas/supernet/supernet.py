"""Supernet: one set of weights for every architecture of a space.

An architecture's network is lowered as usual; each of its layers uses a slice of the supernet's layer of
the same name: the centre of the kernel, the first channels, and where the depth ends a stage earlier, no
slice at all (Cai et al., Once-for-All, ICLR 2020; Lin et al., MCUNet, NeurIPS 2020).
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor, nn

from mcu_nas.cost.macs import network_macs
from mcu_nas.operators import Conv2D, DepthwiseConv2D
from mcu_nas.spaces.architecture import Architecture
from mcu_nas.spaces.space import Space
from mcu_nas.supernet.layers import Layer
from mcu_nas.supernet.lowering import Step, lower_to_torch, run_steps
from mcu_nas.supernet.torch_network import TorchNetwork, build_layers, layer_of, weighted_steps


class Supernet(nn.Module):
    """The weights of a space's largest network, of which every subnet uses slices.

    Batch-norm statistics are never kept here: a subnet that is to be scored is taken out by ``subnet`` and
    recalibrated.
    """

    def __init__(self, space: Space, seed: int = 0) -> None:
        super().__init__()
        self.space = space
        self.largest_steps = lower_to_torch(space.lower(space.largest()))
        self.layers = build_layers(self.largest_steps, seed)
        self._steps = lru_cache(maxsize=4096)(self._lower)
        self._macs = lru_cache(maxsize=4096)(lambda architecture: network_macs(space.lower(architecture)))

    def forward(self, pixels: Tensor, architecture: Architecture) -> Tensor:
        """Logits (N, classes) of one subnet on pixels / 255, float (N, C, H, W)."""
        steps, entry = self._steps(architecture)
        return run_steps(steps, pixels, entry, self._weighted)

    def macs(self, architecture: Architecture) -> int:
        """MACs of one subnet."""
        return self._macs(architecture)

    def subnet(self, architecture: Architecture) -> TorchNetwork:
        """A network with copies of the architecture's slices, statistics included."""
        network = TorchNetwork(self.space.lower(architecture), seed=None)
        for step in weighted_steps(network.steps):
            layer_of(network.layers, step).copy_slice(layer_of(self.layers, step))
        return network.train(self.training)

    def sort_channels(self) -> None:
        """Reorders the channels inside each inverted bottleneck by importance, keeping every output of the
        largest network.

        A channel's importance is the L1 norm of the weights that read it (Once-for-All, §3.2), so that
        smaller expand ratios keep the channels that matter most.
        """
        for expand, depthwise, project in _bottlenecks(self.largest_steps):
            layers = [layer_of(self.layers, step) for step in (expand, depthwise, project)]
            order = _by_importance(layers[2])
            layers[0].permute_outputs(order)
            layers[1].permute_outputs(order)
            layers[2].permute_inputs(order)

    def _lower(self, architecture: Architecture) -> tuple[tuple[Step, ...], int]:
        network = self.space.lower(architecture)
        return lower_to_torch(network), network.inputs[0]

    def _weighted(self, step: Step, x: Tensor) -> Tensor:
        return layer_of(self.layers, step)(step, x)


def _by_importance(reader: Layer) -> Tensor:
    norms = reader.weight.detach().abs().sum((0, 2, 3))  # (I,)
    return torch.argsort(norms, descending=True, stable=True)


def _bottlenecks(steps: tuple[Step, ...]) -> list[tuple[Step, Step, Step]]:
    """(writer, depthwise, reader) wherever a depthwise convolution stands alone between convolutions."""
    writers = {step.output: step for step in steps}
    found = []
    for step in steps:
        if isinstance(step.op, DepthwiseConv2D):
            before = writers.get(step.inputs[0])
            readers = [reader for reader in steps if step.output in reader.inputs]
            siblings = [reader for reader in steps if step.inputs[0] in reader.inputs]
            alone = before is not None and isinstance(before.op, Conv2D) and len(siblings) == 1
            if before and alone and len(readers) == 1 and isinstance(readers[0].op, Conv2D):
                found.append((before, step, readers[0]))
    return found
