"""Instructions and bytes of generated averages over whole images.

    python -m benchmarks.kernels.global_average

prints the table and writes benchmarks/kernels/global_average.md. Each kernel runs on a simulated Cortex-M7
and has to equal firmware/kernels/average_pool.c or mean.c before its figures count. The floor is 3
instructions for four values: a load and two additions.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.kernels.arm_function import ArmFunction
from mcu_nas.compiler.generators.generated import GeneratedKernel
from mcu_nas.compiler.generators.global_average import (
    GlobalAverage,
    GlobalMean,
    global_average,
    global_mean,
)
from mcu_nas.compiler.generators.requantization import Requantization
from mcu_nas.compiler.requantize import mean_multiplier
from mcu_nas.graph import Quantization
from tests.compiler.generators.portable_average import portable_average

# pixels, channels: DS-CNN's and ResNet-8's averages are the first two
SHAPES = ((125, 64), (64, 64), (9, 256), (49, 320), (16, 90), (1, 64))


def layers(pixels: int, channels: int) -> Iterator[tuple[str, GlobalAverage | GlobalMean, GeneratedKernel]]:
    """An average, and a mean with a zero point that shows how negative ties round."""
    average = GlobalAverage(pixels, channels)
    yield "AVERAGE_POOL_2D", average, global_average(average, "kernel")
    factor = mean_multiplier(Quantization((0.0237,), (0,)), Quantization((0.0413,), (0,)), pixels)
    need = Requantization(np.array([factor.value]), np.array([factor.shift]), 5)
    mean = GlobalMean(pixels, channels, 7 * pixels, need)
    yield "MEAN", mean, global_mean(mean, "kernel")


def row(name: str, layer: GlobalAverage | GlobalMean, kernel: GeneratedKernel) -> str:
    """One line of the table. Raises AssertionError where an output differs from the portable kernel's."""
    function = ArmFunction(kernel.assembly, "kernel")
    rng = np.random.default_rng(5)
    image = rng.integers(-128, 128, (layer.pixels, layer.channels), dtype=np.int8)
    call = function(image, np.zeros(layer.channels, np.int8), kernel.constants, 0)
    assert np.array_equal(call.arrays[1], portable_average(layer, image)), f"{layer}: outputs differ"
    cells = [name, f"{layer.pixels}×{layer.channels}", f"{call.instructions:,}"]
    cells += [f"{call.instructions / image.size:.3f}", "0.750", f"{function.code_bytes:,}"]
    cells += [f"{kernel.constants.nbytes}", f"{call.stack_bytes}"]
    return "| " + " | ".join(cells) + " |"


def table() -> Iterator[str]:
    """The table in Markdown, line by line as it is measured."""
    yield "| operator | pixels×channels | instructions | per value | floor | code B | constants B | stack B |"
    yield "|---|---|---:|---:|---:|---:|---:|---:|"
    for pixels, channels in SHAPES:
        for name, layer, kernel in layers(pixels, channels):
            yield row(name, layer, kernel)


def main() -> None:
    """Print and write the table."""
    lines = ["# Averages over whole images, four channels a word (simulated Cortex-M7, instructions)", ""]
    lines.append("Made by `python -m benchmarks.kernels.global_average`, which explains the columns.\n")
    for line in table():
        print(line, flush=True)
        lines.append(line)
    Path(__file__).with_suffix(".md").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
