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

from mcu_nas.supernet.native.kernels import Norm, Shape, Strides, check, library, serves
from mcu_nas.supernet.normalise import Unnormalised, statistics

_Pair = tuple[int, int]
_Edges = tuple[int, int, int, int]  # F.pad's order: left, right, top, bottom


def depthwise_conv2d(x: Tensor | Unnormalised, weight: Tensor, stride: _Pair, edges: _Edges) -> Tensor:
    """F.conv2d of x (N, C, H, W), padded by ``edges``, by weight (C, 1, KH, KW); a group a channel.

    The batch norm of an unnormalised x is done while its images are copied for the convolution.
    """
    values = x.values if isinstance(x, Unnormalised) else x
    if weight.requires_grad and torch.is_grad_enabled() and _has_kernel(values, weight, stride, edges):
        gain, shift, norm = (x.gain, x.shift, x) if isinstance(x, Unnormalised) else (None, None, None)
        return _DepthwiseConv2d.apply(values, weight, gain, shift, norm, stride[0], edges)
    if isinstance(x, Unnormalised):
        x = x.done()
    left, right, top, bottom = edges
    if left == right and top == bottom:
        return F.conv2d(x, weight, None, stride, (top, left), 1, weight.shape[0])
    return F.conv2d(F.pad(x, edges), weight, None, stride, 0, 1, weight.shape[0])


def _has_kernel(x: Tensor, weight: Tensor, stride: _Pair, edges: _Edges) -> bool:
    height, width = weight.shape[2:]
    square = height == width and stride[0] == stride[1]
    return serves(x) and square and height in (3, 5, 7) and stride[0] in (1, 2) and max(edges) < height


class _DepthwiseConv2d(torch.autograd.Function):
    """With ``norm``, of which gain and shift are given apart, batch norm and activation come first."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        gain: Tensor | None,
        shift: Tensor | None,
        norm: Unnormalised | None,
        stride: int,
        edges: _Edges,
    ) -> Tensor:
        x = x.contiguous(memory_format=torch.channels_last)
        shape, saved, native_norm = _shape(x, weight, stride, edges), None, None
        if norm is not None:
            assert gain is not None
            assert shift is not None
            saved = statistics(x, gain, shift, norm.epsilon)
            native_norm = Norm(saved.data_ptr(), *norm.clamp)
        y = _empty(x, shape.out_height, shape.out_width)
        pointers = x.data_ptr(), native_norm, weight.data_ptr(), _strides(weight), y.data_ptr()
        check(library(x.dtype).depthwise_forward(shape, *pointers))
        ctx.save_for_backward(x, weight, saved)
        ctx.shape, ctx.norm = shape, native_norm
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, saved = ctx.saved_tensors
        dy = dy.contiguous(memory_format=torch.channels_last)
        dx = torch.empty_like(x) if ctx.needs_input_grad[0] or saved is not None else None
        dgain, dshift = saved.new_empty((2, x.shape[1])) if saved is not None else (None, None)
        dweight = weight.new_empty(weight.shape)
        gradients = (None if tensor is None else tensor.data_ptr() for tensor in (dx, dweight, dgain, dshift))
        pointers = x.data_ptr(), ctx.norm, dy.data_ptr(), weight.data_ptr(), _strides(weight), *gradients
        check(library(x.dtype).depthwise_backward(ctx.shape, *pointers))
        return dx, dweight, dgain, dshift, None, None, None


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
