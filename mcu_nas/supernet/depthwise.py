"""Depthwise convolution with a quicker weight gradient on CPUs.

oneDNN computes the weight gradient of a depthwise convolution quickly for 3×3 kernels only; for 5×5, 7×7
and planes smaller than the kernel it takes up to twenty times the forward pass. The same gradient is a
depthwise convolution of the input by the output's gradient, in which each (image, channel) is a channel
of its own; its output, as large as the kernel, is summed over the images. oneDNN does that one fast.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

_Pair = tuple[int, int]
_LARGEST_QUICK_PLANE = 10  # px; beyond, a filter of the plane's size is slower than oneDNN's own gradient


def depthwise_conv2d(x: Tensor, weight: Tensor, stride: _Pair, padding: _Pair) -> Tensor:
    """F.conv2d of x (N, C, H, W) by weight (C, 1, KH, KW) with a group a channel, dilation 1."""
    if weight.requires_grad and torch.is_grad_enabled() and _pays(x, weight, stride):
        return _DepthwiseConv2d.apply(x, weight, stride, padding)
    return F.conv2d(x, weight, None, stride, padding, 1, weight.shape[0])


def _pays(x: Tensor, weight: Tensor, stride: _Pair) -> bool:
    plane = max(x.shape[2] // stride[0], x.shape[3] // stride[1])
    kernel = max(weight.shape[2:])
    return plane <= _LARGEST_QUICK_PLANE and (kernel > 3 or plane <= kernel)


class _DepthwiseConv2d(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, stride: _Pair, padding: _Pair) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.stride, ctx.padding = stride, padding
        return F.conv2d(x, weight, None, stride, padding, 1, weight.shape[0])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        x, weight = ctx.saved_tensors
        gradient_x = gradient_weight = None
        if ctx.needs_input_grad[0]:
            gradient_x, _, _ = torch.ops.aten.convolution_backward(
                gradient,
                x,
                weight,
                None,
                ctx.stride,
                ctx.padding,
                (1, 1),
                False,
                (0, 0),
                weight.shape[0],
                (True, False, False),
            )
        if ctx.needs_input_grad[1]:
            gradient_weight = _weight_gradient(x, gradient, weight.shape[2:], ctx.stride, ctx.padding)
        return gradient_x, gradient_weight, None, None


def _weight_gradient(
    x: Tensor, gradient: Tensor, kernel: torch.Size, stride: _Pair, padding: _Pair
) -> Tensor:
    """x (N, C, H, W), gradient (N, C, OH, OW) -> (C, 1, KH, KW)."""
    batch, channels, height, width = x.shape
    out_height, out_width = gradient.shape[2:]
    planes = batch * channels
    image = x.permute(2, 3, 0, 1).reshape(1, height, width, planes).permute(0, 3, 1, 2)  # (1, N·C, H, W)
    taps = gradient.permute(2, 3, 0, 1).reshape(1, out_height, out_width, planes).permute(3, 0, 1, 2)
    # The forward stride is the distance at which gradients meet the input: here, a dilation.
    each = F.conv2d(image, taps, None, 1, padding, stride, planes)[:, :, : kernel[0], : kernel[1]]
    return each.reshape(batch, channels, *kernel).sum(0).unsqueeze(1)
