"""Depthwise convolution for training on CPUs: native/depthwise.c behind autograd.

oneDNN computes the gradients of a depthwise convolution quickly for some shapes only: the weights' for 3×3
kernels, the input's where the plane is larger than the kernel and the stride 1. Elsewhere they take up to
twenty times the forward pass.
"""

from __future__ import annotations

import ctypes
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from mcu_nas.supernet.native.library import Shape, Strides, check, library, serves

_Pair = tuple[int, int]
_Edges = tuple[int, int, int, int]  # F.pad's order: left, right, top, bottom


def depthwise_conv2d(x: Tensor, weight: Tensor, stride: _Pair, edges: _Edges) -> Tensor:
    """F.conv2d of x (N, C, H, W), padded by ``edges``, by weight (C, 1, KH, KW); a group a channel."""
    if weight.requires_grad and torch.is_grad_enabled() and _has_kernel(x, weight, stride, edges):
        return _DepthwiseConv2d.apply(x, weight, stride[0], edges)
    left, right, top, bottom = edges
    if left == right and top == bottom:
        return F.conv2d(x, weight, None, stride, (top, left), 1, weight.shape[0])
    return F.conv2d(F.pad(x, edges), weight, None, stride, 0, 1, weight.shape[0])


def _has_kernel(x: Tensor, weight: Tensor, stride: _Pair, edges: _Edges) -> bool:
    height, width = weight.shape[2:]
    square = height == width and stride[0] == stride[1]
    return serves(x) and square and height in (3, 5, 7) and stride[0] in (1, 2) and max(edges) < height


class _DepthwiseConv2d(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, stride: int, edges: _Edges) -> Tensor:
        x = x.contiguous(memory_format=torch.channels_last)
        shape = _shape(x, weight, stride, edges)
        y = _empty(x, shape.out_height, shape.out_width)
        pointers = x.data_ptr(), weight.data_ptr(), _strides(weight), y.data_ptr()
        check(library(x.dtype).depthwise_forward(shape, *pointers))
        ctx.save_for_backward(x, weight)
        ctx.shape = shape
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        x, weight = ctx.saved_tensors
        kernels = library(x.dtype)
        dy = dy.contiguous(memory_format=torch.channels_last)
        dx = dweight = None
        if ctx.needs_input_grad[0]:
            dx = torch.empty_like(x)
            pointers = dy.data_ptr(), weight.data_ptr(), _strides(weight), dx.data_ptr()
            check(kernels.depthwise_backward_input(ctx.shape, *pointers))
        if ctx.needs_input_grad[1]:
            dweight = weight.new_empty(weight.shape)
            check(
                kernels.depthwise_backward_weight(ctx.shape, x.data_ptr(), dy.data_ptr(), dweight.data_ptr())
            )
        return dx, dweight, None, None


def _strides(weight: Tensor) -> ctypes.Array[ctypes.c_size_t]:
    channel, _, row, column = weight.stride()
    return Strides(channel, row, column)


def _shape(x: Tensor, weight: Tensor, stride: int, edges: _Edges) -> Shape:
    images, channels, height, width = x.shape
    kernel = weight.shape[2]
    left, right, top, bottom = edges
    out_height = (height + top + bottom - kernel) // stride + 1
    out_width = (width + left + right - kernel) // stride + 1
    return Shape(images, height, width, channels, kernel, stride, top, left, out_height, out_width)


def _empty(like: Tensor, height: int, width: int) -> Tensor:
    shape = (like.shape[0], like.shape[1], height, width)
    return torch.empty(shape, dtype=like.dtype, memory_format=torch.channels_last)
