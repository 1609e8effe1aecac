"""Layers with weights: full-size parameters of which a subnet uses a slice.

The slice is the first channels and the centre of the kernel (Once-for-All, Cai et al., ICLR 2020, §3.2).
A layer that is not elastic is the case in which the slice is everything.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mcu_nas.operators import FullyConnected
from mcu_nas.supernet.lowering import Step, activate, convolve
from mcu_nas.supernet.normalise import Unnormalised

BATCH_NORM_EPSILON = 1e-3  # TensorFlow's default; folded away before the device sees it


class Layer(nn.Module):
    """A convolution with batch norm, or a fully connected layer with bias.

    ``weight`` (O, I / groups, KH, KW) or (O, I). With batch norm: ``gain``, ``shift`` and the statistics
    ``mean``, ``variance``, all (O,); without: ``bias`` (O,).
    """

    mean: Tensor
    variance: Tensor

    def __init__(self, step: Step) -> None:
        super().__init__()
        outputs = step.weight_shape[0]
        self.normalised = not isinstance(step.op, FullyConnected)
        self.weight = nn.Parameter(torch.empty(step.weight_shape))
        if self.normalised:
            self.gain = nn.Parameter(torch.ones(outputs))
            self.shift = nn.Parameter(torch.zeros(outputs))
            self.register_buffer("mean", torch.zeros(outputs))
            self.register_buffer("variance", torch.ones(outputs))
        else:
            self.bias = nn.Parameter(torch.zeros(outputs))

    def initialise(self, generator: torch.Generator) -> None:
        """Normal weights of variance 2 / fan-out for convolutions, 1 / fan-in for the classifier."""
        shape = self.weight.shape
        fan = shape[0] * math.prod(shape[2:]) if self.normalised and shape[1] > 1 else math.prod(shape[1:])
        gain = 2.0 if self.normalised else 1.0
        with torch.no_grad():
            self.weight.normal_(0.0, math.sqrt(gain / fan), generator=generator)

    def forward(self, step: Step, x: Tensor | Unnormalised) -> Tensor | Unnormalised:
        """The step's slice of this layer on ``x``.

        In training mode batch norm uses the batch's statistics and does not record them; before a depthwise
        convolution it is left for that to do.
        """
        weight = crop(self.weight, step.weight_shape)
        if not self.normalised:
            return activate(convolve(step, x, weight, self.bias), step.op.activation)  # type: ignore[union-attr]
        x = convolve(step, x, weight)
        outputs = step.weight_shape[0]
        gain, shift = _first(self.gain, outputs), _first(self.shift, outputs)
        if self.training:
            left = Unnormalised(x, gain, shift, BATCH_NORM_EPSILON, step.op.activation)  # type: ignore[union-attr]
            return left if step.feeds_depthwise else left.done()
        mean, variance = _first(self.mean, outputs), _first(self.variance, outputs)
        x = F.batch_norm(x, mean, variance, gain, shift, False, 0.0, BATCH_NORM_EPSILON)
        return activate(x, step.op.activation)  # type: ignore[union-attr]

    def copy_slice(self, source: Layer) -> None:
        """Takes over the slice of ``source`` that has this layer's shape, statistics included."""
        with torch.no_grad():
            self.weight.copy_(crop(source.weight, tuple(self.weight.shape)))
            for name, value in self._per_channel().items():
                value.copy_(_first(getattr(source, name), len(value)))

    def permute_outputs(self, order: Tensor) -> None:
        """Reorders output channels; ``order`` (O,) holds old indices."""
        with torch.no_grad():
            self.weight.copy_(self.weight[order])
            for value in self._per_channel().values():
                value.copy_(value[order])

    def permute_inputs(self, order: Tensor) -> None:
        """Reorders input channels."""
        with torch.no_grad():
            self.weight.copy_(self.weight[:, order])

    def folded(self) -> tuple[Tensor, Tensor]:
        """Weight and bias with the batch norm folded in, detached."""
        with torch.no_grad():
            if not self.normalised:
                return self.weight.detach(), self.bias.detach()
            factor = self.gain / torch.sqrt(self.variance + BATCH_NORM_EPSILON)
            weight = self.weight * factor.reshape(-1, 1, 1, 1)
            return weight.contiguous(memory_format=torch.channels_last), self.shift - self.mean * factor

    def _per_channel(self) -> dict[str, Tensor]:
        names = ("gain", "shift", "mean", "variance") if self.normalised else ("bias",)
        return {name: getattr(self, name) for name in names}


def crop(weight: Tensor, shape: tuple[int, ...]) -> Tensor:
    """First output and input channels, centre taps."""
    if tuple(weight.shape) == shape:
        return weight
    for axis, size in enumerate(shape):
        spare = weight.shape[axis] - size
        if spare:
            weight = weight.narrow(axis, spare // 2 if axis >= 2 else 0, size)
    return weight


def _first(values: Tensor, count: int) -> Tensor:
    return values if len(values) == count else values[:count]


def run_folded(folded: dict[str, tuple[Tensor, Tensor]]) -> Callable[[Step, Tensor], Tensor]:
    """What computes a step from folded weights by layer name."""

    def weighted(step: Step, x: Tensor) -> Tensor:
        assert step.layer is not None
        weight, bias = folded[step.layer]
        return activate(convolve(step, x, weight, bias), step.op.activation)  # type: ignore[union-attr]

    return weighted
