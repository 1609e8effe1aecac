"""Networks that between them run every kernel, for core_profile.py: subnets of the search spaces, and chains
of layers that these do not have."""

from __future__ import annotations

import math
from collections.abc import Callable

from numpy.random import Generator

from mcu_nas.network import Network, Tensor
from mcu_nas.operators import (
    Activation,
    Add,
    AveragePool2D,
    Concatenation,
    HardSwish,
    MaxPool2D,
    Mul,
    Op,
    Pad,
    Padding,
    Pool2D,
    Reshape,
    ResizeNearestNeighbor,
    Softmax,
    StridedSlice,
    Sub,
    Transpose,
    TransposeConv,
)
from mcu_nas.spaces.builder import NetworkBuilder
from mcu_nas.spaces.space import mbconv_space


def random_mbconv(rng: Generator) -> Network:
    """A network of the search space, for images of up to 64 px."""
    space = mbconv_space(int(rng.choice([28, 32, 48])), int(rng.choice([1, 3])), 10)
    return space.lower(space.sample(rng))


def random_layers(rng: Generator) -> Network:
    """A chain of layers that the search space does not have: k×k convolutions, pools, wide classifiers."""
    builder = NetworkBuilder()
    size = int(rng.integers(8, 33))
    x = builder.input("pixels", (1, size, size, int(rng.choice([1, 3, 4]))))
    for number in range(5):
        kernel, stride = int(rng.choice([1, 3, 3, 3, 5, 7])), int(rng.choice([1, 1, 2]))
        channels = int(rng.integers(1, 9)) * 8
        if rng.random() < 0.3:
            x = builder.depthwise(f"depthwise{number}", x, kernel, stride, Activation.RELU6)
        else:
            x = builder.conv(f"conv{number}", x, channels, kernel, stride, Activation.RELU6)
        if rng.random() < 0.5:
            x = _pool(builder, x, AveragePool2D, int(rng.choice([2, 3])))
        if rng.random() < 0.3:
            x = _pool(builder, x, MaxPool2D, int(rng.choice([2, 3])))
    x = builder.conv("tiles", x, int(rng.integers(1, 9)) * 8, 3, 1, Activation.RELU6)
    x = builder.add("sum", x, _copy(builder, x))
    x = _of_two(builder, Add, x, _whole(builder, x))
    x = _elementwise(builder, _moved(builder, x))
    x = _doubled(builder, x, int(rng.integers(1, 5)) * 8, int(rng.choice([2, 3, 4])))
    x = builder.mean("mean", x)
    x = builder.fully_connected("hidden", x, int(rng.integers(16, 200)))
    x = builder.fully_connected("classifier", x, int(rng.integers(2, 100)))
    softmax = Tensor("softmax.out", builder.shape(x))
    return builder.build(builder.append(lambda out: Softmax((x,), (out,)), softmax))


def _pool(builder: NetworkBuilder, x: int, kind: type[Pool2D], window: int) -> int:
    """A pool of stride 1 with SAME padding."""
    return builder.append(
        lambda out: kind((x,), (out,), (window, window), (1, 1), Padding.SAME),
        Tensor(f"pool{x}.out", builder.shape(x)),
    )


def _whole(builder: NetworkBuilder, x: int) -> int:
    """The average of an image, by a pool."""
    _, height, width, channels = builder.shape(x)
    return builder.append(
        lambda out: AveragePool2D((x,), (out,), (height, width), (1, 1), Padding.VALID),
        Tensor("whole.out", (1, 1, 1, channels)),
    )


def _doubled(builder: NetworkBuilder, x: int, channels: int, kernel: int) -> int:
    """A transposed convolution to twice the height and width."""
    _, height, width, in_channels = builder.shape(x)
    shape = builder.constant("doubled.shape", (4,), "int32")
    weights = builder.constant("doubled.weights", (channels, kernel, kernel, in_channels))
    bias = builder.constant("doubled.bias", (channels,), "int32")
    return builder.append(
        lambda out: TransposeConv((shape, weights, x, bias), (out,), (2, 2), Padding.SAME),
        Tensor("doubled.out", (1, 2 * height, 2 * width, channels)),
    )


def _moved(builder: NetworkBuilder, x: int) -> int:
    """``x`` turned, every other column of it, padded, resized to what it was, and joined with itself."""
    _, height, width, channels = builder.shape(x)

    def append(op: Callable[[int], Op], name: str, *size: int) -> int:
        return builder.append(op, Tensor(name, (1, *size)))

    half = -(-height // 2)
    turned = append(lambda out: Transpose((x,), (out,), (0, 2, 1, 3)), "turned", width, height, channels)
    cut = append(
        lambda out: StridedSlice((turned,), (out,), (0, 0, 0, 0), (1, 1, 2, 1)), "cut", width, half, channels
    )
    amounts = ((0, 0), (1, 1), (2, 0), (0, 0))
    wide = append(lambda out: Pad((cut,), (out,), amounts), "wide", width + 2, half + 2, channels)
    back = append(lambda out: ResizeNearestNeighbor((wide,), (out,)), "back", height, width, channels)
    return append(lambda out: Concatenation((back, back), (out,), 3), "joined", height, width, 2 * channels)


def _elementwise(builder: NetworkBuilder, x: int) -> int:
    """A looked up function, and an image with a row: product, difference and sum."""
    source, row = x, builder.mean("row", x)
    x = builder.append(lambda out: HardSwish((source,), (out,)), Tensor(f"swish{x}", builder.shape(x)))
    for kind in (Mul, Sub, Add):
        x = _of_two(builder, kind, x, row)
    return x


def _of_two(builder: NetworkBuilder, kind: type[Add] | type[Sub] | type[Mul], image: int, row: int) -> int:
    """A binary operator with a row that is repeated for each pixel."""
    return builder.append(
        lambda out: kind((image, row), (out,)), Tensor(f"operands{image}", builder.shape(image))
    )


def _copy(builder: NetworkBuilder, x: int) -> int:
    """``x`` reshaped, which copies it where ``x`` lives on, and reshaped back, which does not."""
    shape = builder.shape(x)
    for suffix, target in (("flat", (1, math.prod(shape))), ("image", shape)):
        source = x
        x = builder.append(lambda out, x=source: Reshape((x,), (out,)), Tensor(f"reshape.{suffix}", target))
    return x
