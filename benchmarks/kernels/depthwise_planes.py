"""Instructions and bytes of generated depthwise convolutions, and of the writer of their planes.

    python -m benchmarks.kernels.depthwise_planes

prints the tables and writes benchmarks/kernels/depthwise_planes.md. Each kernel runs on a simulated Cortex-M7
and must equal firmware/kernels/depthwise.c before its figures count. Figures are of a whole layer: sums,
requantization, stores, all loops; from NHWC also the planes. Columns:

    from, to    formats of input and output: PLANES (with border), PAIRS, NHWC (its planes
                written for four channels at a time, or one)
    ties        whether the clamp hides how negative ties round (ReLU at zero point -128)
    band        of one output row a call, called for each row, as a pipeline of rows does
    floor       loads and multiplications of a step alone
    step        outputs computed together
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.kernels.arm_function import ArmFunction
from mcu_nas.compiler.generators.depthwise_nhwc import depthwise_nhwc
from mcu_nas.compiler.generators.depthwise_plane import depthwise_plane
from mcu_nas.compiler.generators.depthwise_planes import DepthwiseLayer, depthwise_loops, depthwise_planes
from mcu_nas.compiler.generators.formats import Format, Planes, pairs_from_nhwc
from mcu_nas.compiler.generators.generated import GeneratedKernel
from mcu_nas.compiler.generators.planes import planes
from tests.compiler.generators.portable_depthwise import depthwise_layer, portable
from tests.kernels.kernel_driver import KernelDriver

# rows, columns, channels, taps, stride: MobileNets' and MBConv networks' layers
SHAPES = (
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
)
GENERATORS = {"PLANES": depthwise_planes, "NHWC": depthwise_nhwc, "NHWC by 1": depthwise_plane}
WRITTEN = ((48, 48, 8), (24, 24, 32), (12, 12, 64), (6, 6, 128), (3, 3, 256))
HEAD = ("shape", "window", "from", "to", "ties")
COUNTS = ("instructions", "per MAC", "floor", "step", "code B", "constants B", "scratch B", "stack B")


def layer_of(shape: tuple[int, int, int, int, int], zero_point: int, output: Format) -> DepthwiseLayer:
    """Random constants with the shifts of trained layers, SAME padding."""
    rng = np.random.default_rng(3)
    rows, columns, channels, taps, stride = shape
    return depthwise_layer(
        rng,
        (rows, columns, channels),
        (taps, taps),
        stride,
        output=output,
        zero_point=zero_point,
        exponents=(6, 7, 8),
    )


def floor(layer: DepthwiseLayer) -> float:
    """Loads and multiplications of the row's steps, a MAC."""
    step, plan = depthwise_loops(layer).step, depthwise_loops(layer).plan
    lines = list(step.lines(plan.outputs, 4))
    sums = [line for line in lines if line.startswith(("ld", "smla"))][: -1 - (step.registers.out is None)]
    return len(sums) / (plan.outputs * layer.weights[:, :, 0].size)


def row(driver: KernelDriver, layer: DepthwiseLayer, source: str) -> list[str]:
    """One line of the table. Raises AssertionError where an output differs from the portable kernel's."""
    image = np.random.default_rng(5).integers(
        -128, 128, (layer.planes.rows, layer.planes.columns, layer.planes.channels), dtype=np.int8
    )
    expected = portable(driver, layer, image)
    macs = expected.size * layer.weights[:, :, 0].size
    if layer.output is Format.PAIRS:
        expected = pairs_from_nhwc(expected.reshape(-1, expected.shape[2]))
    if source == "band":
        instructions, kernel, function, stack_bytes = bands(layer, image, expected)
    else:
        kernel = GENERATORS[source](layer, "kernel")
        function = ArmFunction(kernel.assembly, "kernel")
        values = layer.planes.from_nhwc(image) if source == "PLANES" else image
        scratch = np.zeros(kernel.scratch_bytes, np.uint8)
        call = function(values, np.zeros_like(expected), kernel.constants, scratch)
        assert np.array_equal(call.arrays[1], expected), f"{layer}: outputs differ"
        instructions, stack_bytes = call.instructions, call.stack_bytes
    return [
        "×".join(map(str, image.shape)),
        f"{layer.weights.shape[0]}×{layer.weights.shape[1]} s{layer.stride}",
        source,
        layer.output.name,
        "hidden" if layer.requantization.hides_ties else "away",
        f"{instructions:,}",
        f"{instructions / macs:.3f}",
        f"{floor(layer):.3f}",
        f"{depthwise_loops(layer).plan.outputs}",
        f"{function.code_bytes:,}",
        f"{kernel.constants.nbytes:,}",
        f"{kernel.scratch_bytes:,}",
        f"{stack_bytes:,}",
    ]


def bands(
    layer: DepthwiseLayer, image: np.ndarray, expected: np.ndarray
) -> tuple[int, GeneratedKernel, ArmFunction, int]:
    """A kernel of one output row, called for each: instructions of all calls, the kernel, and its stack."""
    taps = layer.weights.shape[0]
    whole = layer.planes.from_nhwc(image)
    kernel = depthwise_planes(
        replace(layer, planes=replace(layer.planes, rows=taps, top=0, bottom=0)), "kernel"
    )
    function = ArmFunction(kernel.assembly, "kernel")
    instructions = stack_bytes = 0
    for y in range(layer.output_rows):
        values = np.ascontiguousarray(whole[:, y * layer.stride : y * layer.stride + taps])
        call = function(values, np.zeros_like(expected[y]), kernel.constants, 0)
        assert np.array_equal(call.arrays[1], expected[y]), f"{layer}: outputs differ"
        instructions, stack_bytes = instructions + call.instructions, call.stack_bytes
    return instructions, kernel, function, stack_bytes


def depthwise_table() -> Iterator[str]:
    """The kernels' table in Markdown, line by line as it is measured."""
    yield "| " + " | ".join((*HEAD, *COUNTS)) + " |"
    yield "|" + "---|" * len(HEAD) + "---:|" * len(COUNTS)
    driver = KernelDriver()
    for shape in SHAPES:
        for source in GENERATORS:
            yield "| " + " | ".join(row(driver, layer_of(shape, -128, Format.NHWC), source)) + " |"
    shape = (24, 24, 32, 3, 1)
    yield "| " + " | ".join(row(driver, layer_of(shape, -128, Format.PAIRS), "PLANES")) + " |"
    for strided in (shape, (24, 24, 32, 3, 2), (24, 24, 16, 5, 1)):
        yield "| " + " | ".join(row(driver, layer_of(strided, -128, Format.NHWC), "band")) + " |"
    yield "| " + " | ".join(row(driver, layer_of(shape, 4, Format.NHWC), "PLANES")) + " |"
    driver.close()


def writer_table() -> Iterator[str]:
    """The same for planes.py: instructions a value of the image, border included in what is written."""
    yield "| shape | border | instructions | per value | floor | code B |"
    yield "|---|---|---:|---:|---:|---:|"
    for rows, columns, channels in WRITTEN:
        for border in ((1, 1, 1, 1), (0, 0, 1, 1)):
            layout = Planes(channels, rows, columns, *border, zero_point=-128)
            function = ArmFunction(planes(layout, "kernel").assembly, "kernel")
            image = np.random.default_rng(5).integers(-128, 128, (rows, columns, channels), dtype=np.int8)
            expected = layout.from_nhwc(image)
            call = function(image, np.zeros_like(expected))
            assert np.array_equal(call.arrays[1], expected), f"{layout}: values differ"
            cells = [f"{rows}×{columns}×{channels}", ", ".join(map(str, border)), f"{call.instructions:,}"]
            cells += [f"{call.instructions / image.size:.3f}", "1.250", f"{function.code_bytes:,}"]
            yield "| " + " | ".join(cells) + " |"


def main() -> None:
    """Print and write the tables."""
    lines = ["# Depthwise convolutions on int16 planes (simulated Cortex-M7, instructions)", ""]
    lines.append("Made by `python -m benchmarks.kernels.depthwise_planes`, which explains the columns.\n")
    for title, table in (("Layers, SAME", depthwise_table()), ("NHWC to PLANES", writer_table())):
        lines += [f"## {title}", ""]
        for line in table:
            print(line, flush=True)
            lines.append(line)
        lines.append("")
    Path(__file__).with_suffix(".md").write_text("\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
