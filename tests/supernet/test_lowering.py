"""Torch computes what TFLite defines: padding, pooling, gradients of our own depthwise convolution."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from mcu_nas.network import Network, Tensor, output_size, same_pad
from mcu_nas.operators import Activation, AveragePool2D, Padding
from mcu_nas.spaces.builder import NetworkBuilder
from mcu_nas.supernet.depthwise import depthwise_conv2d
from mcu_nas.supernet.lowering import lower_to_torch, run_steps
from mcu_nas.supernet.torch_network import TorchNetwork


def depthwise_network(size: int, kernel: int, stride: int) -> Network:
    builder = NetworkBuilder()
    x = builder.input("pixels", (1, size, size, 2))
    return builder.build(builder.depthwise("layer", x, kernel, stride, Activation.NONE))


@pytest.mark.parametrize("kernel", [3, 5, 7])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", [2, 3, 4, 5, 7, 8, 14])
def test_same_padding_reads_the_pixels_that_tflite_reads(size: int, kernel: int, stride: int) -> None:
    network = TorchNetwork(depthwise_network(size, kernel, stride)).eval()
    layer = network.layers["layer"]
    image = torch.randn(1, 2, size, size)
    got = network(image)[0].detach() * np.sqrt(1 + 1e-3)  # untrained batch norm divides by this
    before, _ = same_pad(size, kernel, stride)
    for out_y, out_x in np.ndindex(*got.shape[1:]):
        rows = [(y, out_y * stride - before + y) for y in range(kernel)]
        columns = [(x, out_x * stride - before + x) for x in range(kernel)]
        expected = sum(
            layer.weight[:, 0, y, x] * image[0, :, row, column]
            for y, row in rows
            for x, column in columns
            if 0 <= row < size and 0 <= column < size
        )
        torch.testing.assert_close(got[:, out_y, out_x], expected.detach(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("size", [5, 6])
@pytest.mark.parametrize(("small", "large"), [(3, 5), (3, 7), (5, 7)])
def test_cropped_kernel_keeps_its_centre_on_the_same_pixel(size: int, small: int, large: int) -> None:
    for stride in (1, 2):
        centres = [kernel // 2 - same_pad(size, kernel, stride)[0] for kernel in (small, large)]
        assert centres[0] == centres[1]


@pytest.mark.parametrize(("window", "stride", "size"), [(2, 2, 5), (3, 1, 4), (3, 2, 6)])
def test_average_pool_divides_by_the_taps_inside(window: int, stride: int, size: int) -> None:
    out = output_size(Padding.SAME, size, window, stride)
    tensors = (Tensor("pixels", (1, size, size, 1)), Tensor("out", (1, out, out, 1)))
    op = AveragePool2D((0,), (1,), (window, window), (stride, stride), Padding.SAME)
    steps = lower_to_torch(Network(tensors, (op,), (0,), (1,)))
    got = run_steps(steps, torch.full((1, 1, size, size), 3.0), 0, lambda step, x: x)
    torch.testing.assert_close(got, torch.full((1, 1, out, out), 3.0))


@pytest.mark.parametrize("plane", [1, 2, 3, 5, 8, 13])
@pytest.mark.parametrize("kernel", [3, 5, 7])
@pytest.mark.parametrize("stride", [1, 2])
def test_depthwise_weight_gradient_equals_torchs(plane: int, kernel: int, stride: int) -> None:
    x = torch.randn(4, 12, plane, plane).contiguous(memory_format=torch.channels_last)
    weight = torch.randn(12, 1, kernel, kernel)
    gradients = []
    for function in (
        lambda a, w: depthwise_conv2d(a, w, (stride, stride), (kernel // 2,) * 4),
        lambda a, w: F.conv2d(a, w, None, stride, kernel // 2, 1, 12),
    ):
        a, w = x.clone().requires_grad_(), weight.clone().requires_grad_()
        function(a, w).square().sum().backward()
        gradients.append((a.grad, w.grad))
    for got, expected in zip(*gradients, strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-3)


def test_weights_follow_the_seed() -> None:
    first, again, other = (TorchNetwork(depthwise_network(4, 3, 1), seed) for seed in (1, 1, 2))
    assert torch.equal(first.layers["layer"].weight, again.layers["layer"].weight)
    assert not torch.equal(first.layers["layer"].weight, other.layers["layer"].weight)
