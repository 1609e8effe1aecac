"""Instructions and bytes of generated Winograd convolutions, beside the floor of their products' loop.

    python -m benchmarks.kernels.winograd

prints the table and writes benchmarks/kernels/winograd.md. Each kernel runs on a simulated Cortex-M7 and must
equal firmware/kernels/conv.c before its figures count. Figures are of a whole layer, from int8 NHWC to int8
NHWC: border tiles, both transforms, products, requantization, all loops. "ties": whether the clamp hides how
negative ties round (ReLU at zero point -128). "floor": the products' loop alone. "lag": how far the output
must stay away from its input to overlap it (mcu_nas/compiler/overlaps.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.kernels.arm_function import ArmFunction
from mcu_nas.compiler.generators.requantization import Requantization
from mcu_nas.compiler.generators.winograd import winograd
from mcu_nas.compiler.generators.winograd_layer import WinogradLayer
from mcu_nas.compiler.generators.winograd_transforms import F2, F4, Transform
from mcu_nas.compiler.overlaps import tile_lag
from tests.compiler.generators.portable_conv import portable_conv
from tests.kernels.kernel_driver import Axis

# height, width, inputs, outputs: ResNet-8's, wider ones, partial tiles, and an odd number of tiles
SHAPES = (
    (32, 32, 16, 16),
    (16, 16, 32, 32),
    (8, 8, 64, 64),
    (32, 32, 16, 32),
    (24, 24, 8, 8),
    (12, 12, 64, 64),
    (10, 10, 32, 32),
    (7, 7, 64, 64),
)
FLOORS = {F4: 5 / 8 / 4, F2: 5 / 8 / 2.25}  # instructions a product, products saved
HEAD = (
    "shape",
    "tile",
    "ties",
    "instructions",
    "per MAC",
    "floor",
    "code B",
    "constants B",
    "scratch B",
    "stack B",
    "lag B",
)


def layer_of(shape: tuple[int, int, int, int], zero_point: int) -> WinogradLayer:
    """Weights as training leaves them, normal with the largest at 127, and SAME padding."""
    height, width, inputs, outputs = shape
    rng = np.random.default_rng(3)
    weights = rng.normal(size=(outputs, 3, 3, inputs))
    weights *= 127 / np.abs(weights).max(axis=(1, 2, 3), keepdims=True)
    shift = round(np.log2(40.0 * 74.0 * (9 * inputs) ** 0.5 / 50.0))
    shifts = -shift + rng.integers(-1, 2, outputs)
    factors = Requantization(rng.integers(2**30, 2**31, outputs), shifts, zero_point)
    bias = rng.integers(-3000, 3000, outputs)
    return WinogradLayer(height, width, True, np.rint(weights).astype(np.int8), bias, -5, factors)


def row(shape: tuple[int, int, int, int], transform: Transform, zero_point: int) -> list[str]:
    """One line of the table. Raises AssertionError where an output differs from the portable kernel's."""
    layer = layer_of(shape, zero_point)
    kernel = winograd(layer, transform, "kernel")
    function = ArmFunction(kernel.assembly, "kernel")
    image = np.random.default_rng(5).integers(-128, 128, shape[:3]).astype(np.int8)
    out = np.zeros((layer.out_height, layer.out_width, layer.out_channels), np.int8)
    call = function(image, out, kernel.constants, np.zeros(kernel.scratch_bytes, np.uint8))
    axes = (Axis(shape[0], shape[0], 3, 1, 1, 1), Axis(shape[1], shape[1], 3, 1, 1, 1))
    portable = portable_conv(image, layer.weights, layer.bias, -5, layer.requantization, axes)
    assert np.array_equal(call.arrays[1], portable), f"{shape}: outputs differ"
    return [
        "×".join(map(str, shape[:3])) + f" → {shape[3]}",
        f"F({transform.outputs}×{transform.outputs})",
        "hidden" if layer.requantization.hides_ties else "away",
        f"{call.instructions:,}",
        f"{call.instructions / layer.macs:.3f}",
        f"{FLOORS[transform]:.3f}",
        f"{function.code_bytes:,}",
        f"{kernel.constants.nbytes:,}",
        f"{kernel.scratch_bytes:,}",
        f"{call.stack_bytes:,}",
        f"{tile_lag(*layer.axes, layer.in_channels, layer.out_channels, transform.outputs):,}",
    ]


def table() -> Iterator[str]:
    """The table in Markdown, line by line as it is measured."""
    yield "| " + " | ".join(HEAD) + " |"
    yield "|" + "---|" * 3 + "---:|" * (len(HEAD) - 3)
    for transform in (F4, F2):
        for shape in SHAPES:
            yield "| " + " | ".join(row(shape, transform, -128)) + " |"
        yield "| " + " | ".join(row(SHAPES[0], transform, 4)) + " |"


def main() -> None:
    """Print and write the table."""
    lines = ["# Winograd convolutions, 3×3, stride 1, SAME (simulated Cortex-M7, instructions)", ""]
    lines.append("Made by `python -m benchmarks.kernels.winograd`, which explains the columns.\n")
    for line in table():
        print(line, flush=True)
        lines.append(line)
    Path(__file__).with_suffix(".md").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
