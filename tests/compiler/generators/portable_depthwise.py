"""Depthwise layers for the generators' tests, what firmware/kernels/depthwise.c computes for them, and what a
generated kernel does."""

from __future__ import annotations

from dataclasses import astuple, dataclass

import numpy as np

from benchmarks.kernels.arm_function import ArmFunction
from mcu_nas.compiler.generators.depthwise_planes import DepthwiseLayer
from mcu_nas.compiler.generators.formats import Format, Planes
from mcu_nas.compiler.generators.generated import GeneratedKernel
from mcu_nas.compiler.generators.requantization import Requantization
from mcu_nas.network import same_pad
from tests.kernels.kernel_driver import KERNELS, Axis, KernelDriver, Layer


def depthwise_layer(
    rng: np.random.Generator,
    image: tuple[int, int, int],
    taps: tuple[int, int],
    stride: int,
    *,
    same: bool = True,
    output: Format = Format.NHWC,
    zero_point: int = -128,
    clamp: tuple[int, int] = (-128, 127),
    exponents: tuple[int, ...] = (6, 7, 8, 9),
) -> DepthwiseLayer:
    """A layer with random constants on an image of (rows, columns, channels)."""
    rows, columns, channels = image
    (top, bottom), (left, right) = (
        same_pad(size, window, stride) if same else (0, 0)
        for size, window in zip((rows, columns), taps, strict=True)
    )
    return DepthwiseLayer(
        planes=Planes(channels, rows, columns, top, left, bottom, right, int(rng.integers(-128, 128))),
        weights=rng.integers(-128, 128, (*taps, channels), dtype=np.int8),
        bias=rng.integers(-20_000, 20_000, channels),
        stride=stride,
        requantization=Requantization(
            rng.integers(2**30, 2**31, channels), -rng.choice(exponents, channels), zero_point, *clamp
        ),
        output=output,
    )


@dataclass(frozen=True)
class _Given(Layer):
    """A layer of the driver with constants of its own."""

    layer: DepthwiseLayer
    image: np.ndarray

    def request(self, distance: int, descending: bool) -> tuple[bytes, int, np.ndarray]:
        layer, need = self.layer, self.layer.requantization
        buffer = np.concatenate([self.image.reshape(-1), np.zeros(self.out_bytes, np.int8)])
        header = [KERNELS.index("depthwise"), descending, 0, self.in_bytes, buffer.size, layer.weights.size]
        header += [self.in_channels, self.out_channels, layer.planes.zero_point]
        header += [need.zero_point, need.minimum, need.maximum, *astuple(self.y), *astuple(self.x)]
        factors = np.stack([need.multipliers, need.shifts], axis=1)
        parts = [np.array(header, np.int32), layer.weights, layer.bias.astype(np.int32)]
        parts += [layer.start_values.astype(np.int32), factors.astype(np.int32), buffer]
        return b"".join(part.tobytes() for part in parts), self.in_bytes, buffer


def portable(driver: KernelDriver, layer: DepthwiseLayer, image: np.ndarray) -> np.ndarray:
    """depthwise.c's outputs, int8 (rows, columns, channels)."""
    planes, (window_rows, window_columns, channels) = layer.planes, layer.weights.shape
    y = Axis(planes.rows, layer.output_rows, window_rows, layer.stride, planes.top, 1)
    x = Axis(planes.columns, layer.output_columns, window_columns, layer.stride, planes.left, 1)
    given = _Given("depthwise", y, x, channels, channels, 0, layer, image)
    return driver.disjoint(given).reshape(layer.output_rows, layer.output_columns, channels)


def random_image(rng: np.random.Generator, planes: Planes) -> np.ndarray:
    return rng.integers(-128, 128, (planes.rows, planes.columns, planes.channels), dtype=np.int8)


def run(kernel: GeneratedKernel, source: np.ndarray, out: np.ndarray, align: tuple[int, int]) -> np.ndarray:
    """The output after a call, which uses the stack that the kernel states; a last word may look unused."""
    scratch = np.full(kernel.scratch_bytes, 0x77, np.uint8)
    call = ArmFunction(kernel.assembly, kernel.symbol)(
        source, out, kernel.constants, scratch, align=(*align, 4, 4)
    )
    assert call.stack_bytes <= kernel.stack_bytes < call.stack_bytes + 8
    return call.arrays[1]
