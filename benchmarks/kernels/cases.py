"""The layers on which kernels are measured: networks of one operator, which all kernels that serve it run in
the formats of the case.

Shapes are those of networks that run on microcontrollers (ResNet-8 and DS-CNN of MLPerf Tiny, MobileNets,
MBConv networks), and some in between at which the catalogue's choices turn.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.kernels.layers import (
    addition,
    average_pool,
    before_depthwise,
    convolution,
    depthwise,
    fully_connected,
    mean,
)
from mcu_nas.compiler.catalogue import KERNELS, in_formats
from mcu_nas.compiler.generators.formats import Format
from mcu_nas.compiler.kernel import Kernel
from mcu_nas.compiler.target import Target
from mcu_nas.network import Network
from mcu_nas.operators import Activation

# height, width, inputs, outputs
_SQUARES = (
    (32, 32, 16, 16),
    (16, 16, 32, 32),
    (8, 8, 64, 64),
    (32, 32, 16, 32),
    (24, 24, 8, 8),
    (24, 24, 4, 16),
    (24, 24, 16, 4),
    (12, 12, 64, 64),
    (10, 10, 32, 32),
    (7, 7, 64, 64),
    (5, 5, 32, 32),
    (6, 6, 128, 32),
)
# height, width, inputs, outputs, window, stride
_WINDOWS = (
    (32, 32, 3, 16, (3, 3), 1),
    (96, 96, 3, 8, (3, 3), 2),
    (28, 28, 1, 16, (5, 5), 2),
    (49, 10, 1, 64, (10, 4), 2),
    (32, 32, 16, 32, (3, 3), 2),
    (16, 16, 32, 64, (3, 3), 2),
    (32, 32, 16, 32, (1, 1), 2),
    (12, 12, 16, 16, (5, 5), 1),
)
# height, width, inputs, outputs
_POINTWISE = (
    (48, 48, 8, 16),
    (48, 48, 4, 24),
    (24, 24, 6, 8),
    (24, 24, 8, 48),
    (24, 24, 16, 96),
    (24, 24, 96, 24),
    (25, 5, 64, 64),
    (24, 24, 32, 64),
    (12, 12, 64, 64),
    (12, 12, 40, 3),
    (6, 6, 128, 128),
    (6, 6, 256, 256),
    (3, 3, 256, 256),
    (2, 2, 96, 320),
)
# height, width, channels, taps, stride
_DEPTHWISE = (
    (25, 5, 64, 3, 1),
    (48, 48, 8, 3, 1),
    (24, 24, 32, 3, 1),
    (12, 12, 64, 3, 1),
    (7, 7, 96, 3, 1),
    (6, 6, 128, 3, 1),
    (3, 3, 256, 3, 1),
    (48, 48, 16, 3, 2),
    (24, 24, 32, 3, 2),
    (12, 12, 64, 3, 2),
    (6, 6, 128, 3, 2),
    (24, 24, 16, 5, 1),
    (12, 12, 48, 5, 1),
    (24, 24, 16, 5, 2),
    (24, 24, 16, 7, 1),
    (12, 12, 48, 7, 1),
    (24, 24, 16, 7, 2),
    (20, 20, 5, 3, 1),
    (20, 20, 7, 3, 1),
)
# height, width, channels of the input and of the output, handed on between kernels
_HANDED_ON = ((12, 12, 64), (6, 6, 128))
_VECTORS = ((640, 128), (128, 128), (128, 640), (256, 256), (64, 64), (64, 10), (100, 7), (12, 2))
_SUMS = ((32, 32, 16), (8, 8, 64), (7, 7, 5))
_AVERAGES = ((25, 5, 64), (8, 8, 64), (3, 3, 256), (7, 7, 320), (4, 4, 90))


@dataclass(frozen=True)
class Case:
    """A network whose first operator is measured, and the formats that its kernels read and write."""

    name: str
    network: Network
    reads: Format = Format.NHWC
    writes: Format = Format.NHWC

    def kernels(self, target: Target) -> tuple[Kernel, ...]:
        """The generated ones among which the catalogue chooses, as it ranks them."""
        return in_formats(self.network, self.network.ops[0], target, self.reads, self.writes)

    def kernel(self, name: str) -> Kernel:
        """One of them by its name, which rows for other formats have as well."""
        formats = (self.reads, self.writes)
        return next(row for row in KERNELS if row.name == name and (row.reads, row.writes) == formats)


def cases() -> Iterator[Case]:
    """All of them."""
    for *image, inputs, outputs in _SQUARES:
        yield _convolution((image[0], image[1], inputs), outputs, (3, 3), 1)
    yield _convolution((32, 32, 16), 16, (3, 3), 1, Activation.NONE)
    for height, width, inputs, outputs, window, stride in _WINDOWS:
        yield _convolution((height, width, inputs), outputs, window, stride)
    for height, width, inputs, outputs in _POINTWISE:
        yield _convolution((height, width, inputs), outputs, (1, 1), 1)
    yield _convolution((24, 24, 96), 24, (1, 1), 1, Activation.NONE)
    yield _convolution((24, 24, 8), 48, (1, 1), 1, Activation.NONE)
    for *image, taps, stride in _DEPTHWISE:
        network = depthwise((image[0], image[1], image[2]), taps, stride)
        yield Case(f"depthwise {_shape(*image)}, {taps}×{taps}{_strided(stride)}", network)
    for image in _HANDED_ON:
        yield from _handed_on(image)
    for inputs, outputs in _VECTORS:
        yield Case(f"fully connected {inputs} → {outputs}", fully_connected(inputs, outputs))
    for image in _SUMS:
        yield Case(f"sum {_shape(*image)}", addition(image))
    for image in _AVERAGES:
        yield Case(f"mean {_shape(*image)}", mean(image))
        yield Case(f"average {_shape(*image)}", average_pool(image))


def _convolution(
    image: tuple[int, int, int],
    outputs: int,
    window: tuple[int, int],
    stride: int,
    activation: Activation = Activation.RELU,
) -> Case:
    name = f"conv {_shape(*image)} → {outputs}, {_shape(*window)}{_strided(stride)}"
    plain = ", no clamp" if activation is Activation.NONE else ""
    return Case(name + plain, convolution(image, outputs, window, stride, activation))


def _handed_on(image: tuple[int, int, int]) -> Iterator[Case]:
    """The formats between depthwise and pointwise convolutions."""
    nhwc, pairs, planes = Format.NHWC, Format.PAIRS, Format.PLANES
    for reads, writes in ((nhwc, pairs), (planes, nhwc), (planes, pairs)):
        name = f"depthwise {_shape(*image)}, 3×3, {reads.name} to {writes.name}"
        yield Case(name, depthwise(image, 3), reads, writes)
    for reads, writes in ((pairs, nhwc), (nhwc, planes), (pairs, planes)):
        name = f"conv {_shape(*image)} → {image[2]}, 1×1, {reads.name} to {writes.name}"
        yield Case(name, before_depthwise(image, image[2]), reads, writes)


def _shape(*sizes: int) -> str:
    return "×".join(map(str, sizes))


def _strided(stride: int) -> str:
    return f" / {stride}" if stride > 1 else ""
