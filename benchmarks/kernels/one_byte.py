"""Instructions and bytes of generated convolutions with weights of one byte, by block or group.

    python -m benchmarks.kernels.one_byte

prints the table and writes benchmarks/kernels/one_byte.md. Each kernel runs on a simulated Cortex-M7 and must
equal firmware/kernels/conv.c before its figures count. Figures are of a whole layer, from int8 NHWC to int8
NHWC, with a ReLU's output and SAME padding. "at once": outputs, or tiles, that share the unpacking or the
transform of a weight. "lag": how far the output must stay away from its input to overlap it
(mcu_nas/compiler/overlaps.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.kernels.arm_function import ArmFunction
from mcu_nas.compiler.generators.conv_blocks import conv_blocks
from mcu_nas.compiler.generators.conv_lanes import as_pointwise
from mcu_nas.compiler.generators.conv_layer import ConvLayer
from mcu_nas.compiler.generators.conv_rows import conv_rows
from mcu_nas.compiler.generators.generated import GeneratedKernel
from mcu_nas.compiler.generators.pointwise_blocks import pointwise_blocks
from mcu_nas.compiler.generators.requantization import Requantization
from mcu_nas.compiler.generators.winograd_bytes import winograd_bytes
from mcu_nas.compiler.generators.winograd_layer import WinogradLayer
from mcu_nas.compiler.generators.winograd_transforms import F2, F4
from mcu_nas.compiler.overlaps import block_lag, tile_lag
from mcu_nas.network import WindowAxis
from tests.compiler.generators.portable_conv import portable_conv
from tests.kernels.kernel_driver import Axis

HEAD = (
    "kernel",
    "image",
    "window",
    "outputs",
    "at once",
    "instructions",
    "per MAC",
    "code B",
    "constants B",
    "scratch B",
    "lag B",
)
Shape = tuple[tuple[int, int, int], tuple[int, int], int, int]  # image, window, stride, outputs
RESNET = [((32, 32, 16), (3, 3), 1, 16), ((16, 16, 32), (3, 3), 1, 32), ((8, 8, 64), (3, 3), 1, 64)]
GROUPS = {F4: ((4, 8, 12), (4, 6, 8), (2, 4)), F2: ((14, 30), (6, 14), (4, 6))}
POINTWISE = (((25, 5, 64), 64), ((24, 24, 32), 64), ((6, 6, 128), 128))
ROWS: tuple[tuple[Shape, tuple[int, ...]], ...] = (
    (((32, 32, 3), (3, 3), 1, 16), (2, 4, 8)),
    (((96, 96, 3), (3, 3), 2, 8), (1, 2, 4)),
)
WINDOWS: tuple[tuple[Shape, int], ...] = (
    (((32, 32, 3), (3, 3), 1, 16), 256),
    (((49, 10, 1), (10, 4), 2, 64), 64),
    (((32, 32, 16), (3, 3), 2, 32), 52),
    (((16, 16, 32), (3, 3), 2, 64), 28),
    (((32, 32, 16), (3, 3), 1, 16), 54),
)


def layer_of(image: tuple[int, int, int], window: tuple[int, int], stride: int, outputs: int) -> ConvLayer:
    """Weights as training leaves them, normal with the largest at 127, and SAME padding."""
    rng = np.random.default_rng(3)
    *sizes, inputs = image
    weights = rng.normal(size=(outputs, *window, inputs))
    weights *= 127 / np.abs(weights).max(axis=(1, 2, 3), keepdims=True)
    out = [-(-size // stride) for size in sizes]
    pad = [
        max((count - 1) * stride + taps - size, 0) // 2
        for size, count, taps in zip(sizes, out, window, strict=True)
    ]
    shift = round(np.log2(40.0 * 74.0 * (window[0] * window[1] * inputs) ** 0.5 / 50.0))
    shifts = -shift + rng.integers(-1, 2, outputs)
    return ConvLayer(
        image=(sizes[0], sizes[1]),
        out=(out[0], out[1]),
        stride=(stride, stride),
        pad=(pad[0], pad[1]),
        weights=np.rint(weights).astype(np.int8),
        bias=rng.integers(-3000, 3000, outputs),
        input_zero_point=-5,
        requantization=Requantization(rng.integers(2**30, 2**31, outputs), shifts, -128),
    )


def kernels() -> Iterator[tuple[str, ConvLayer, int, GeneratedKernel, int]]:
    """Name, layer, at once, kernel and lag of each line."""
    for (image, outputs), blocks in zip(POINTWISE, ((32, 42, 64), (32, 64, 96), (18, 36)), strict=True):
        layer = layer_of(image, (1, 1), 1, outputs)
        for block in blocks:
            kernel = pointwise_blocks(as_pointwise(layer, False), "kernel", block)
            yield "pointwise_blocks", layer, block, kernel, block_lag(*_lag_shape(layer), block)
    for transform, all_groups in GROUPS.items():
        m = transform.outputs
        for shape, groups in zip(RESNET, all_groups, strict=True):
            layer = layer_of(*shape)
            same = WinogradLayer(
                *layer.image, True, layer.weights, layer.bias, layer.input_zero_point, layer.requantization
            )
            for tiles in groups:
                kernel = winograd_bytes(same, transform, "kernel", tiles)
                lag = tile_lag(*_lag_shape(layer), m, tiles)
                yield f"winograd_{m}x{m}_bytes", layer, tiles, kernel, lag
    for window_shape, all_rows in ROWS:
        layer = layer_of(*window_shape)
        for rows in all_rows:
            block = rows * layer.out[1]
            yield (
                "conv_rows",
                layer,
                block,
                conv_rows(layer, "kernel", rows),
                block_lag(*_lag_shape(layer), block),
            )
    for window_shape, block in WINDOWS:
        layer = layer_of(*window_shape)
        kernel = conv_blocks(layer, "kernel", block)
        yield "conv_blocks", layer, block, kernel, block_lag(*_lag_shape(layer), block)


def _lag_shape(layer: ConvLayer) -> tuple[WindowAxis, WindowAxis, int, int]:
    return (*layer.axes, layer.in_channels, layer.out_channels)


def row(name: str, layer: ConvLayer, at_once: int, kernel: GeneratedKernel, lag: int) -> list[str]:
    """One line. Raises AssertionError where an output differs from the portable kernel's."""
    function = ArmFunction(kernel.assembly, "kernel")
    shape = (*layer.image, layer.in_channels)
    image = np.random.default_rng(5).integers(-128, 128, shape).astype(np.int8)
    out = np.zeros((*layer.out, layer.out_channels), np.int8)
    call = function(image, out, kernel.constants, np.zeros(kernel.scratch_bytes, np.uint8))
    y, x = (
        Axis(layer.image[axis], layer.out[axis], layer.window[axis], layer.stride[axis], layer.pad[axis], 1)
        for axis in (0, 1)
    )
    portable = portable_conv(image, layer.weights, layer.bias, -5, layer.requantization, (y, x))
    assert np.array_equal(call.arrays[1], portable), f"{name} {shape}: outputs differ"
    window = "×".join(map(str, layer.window)) + (f" / {layer.stride[0]}" if layer.stride[0] > 1 else "")
    return [
        name,
        "×".join(map(str, shape)),
        window,
        str(layer.out_channels),
        str(at_once),
        f"{call.instructions:,}",
        f"{call.instructions / layer.macs:.3f}",
        f"{function.code_bytes:,}",
        f"{kernel.constants.nbytes:,}",
        f"{kernel.scratch_bytes:,}",
        f"{lag:,}",
    ]


def main() -> None:
    """Print and write the table."""
    lines = ["# Convolutions with weights of one byte (simulated Cortex-M7, instructions)", ""]
    lines.append("Made by `python -m benchmarks.kernels.one_byte`, which explains the columns.\n")
    table = ["| " + " | ".join(HEAD) + " |", "|" + "---|" * 3 + "---:|" * (len(HEAD) - 3)]
    print("\n".join(table))
    for line in kernels():
        table.append("| " + " | ".join(row(*line)) + " |")
        print(table[-1], flush=True)
    Path(__file__).with_suffix(".md").write_text("\n".join([*lines, *table]) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
