"""Instructions and bytes of generated ADD kernels.

    python -m benchmarks.kernels.add_words

prints the table and writes benchmarks/kernels/add_words.md. Each kernel runs on a simulated Cortex-M7 and has
to equal firmware/kernels/add.c before its figures count. The floor is that of four elements: 2 loads, 4
ANDs, 8 multiplications, 4 saturations, 4 stores, and 12 more for a clamp narrower than int8.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.kernels.arm_function import ArmFunction
from mcu_nas.compiler.generators.add_words import add_words
from mcu_nas.compiler.generators.sum_line import AddLayer
from mcu_nas.compiler.requantize import add_multipliers
from mcu_nas.graph import Quantization
from tests.compiler.generators.portable_add import portable_add

# name, elements, scales of a, b and output: ResNet-8's residual sums are the first three
LAYERS = (
    ("32×32×16", 32 * 32 * 16, (0.023718, 0.031149, 0.040213)),
    ("16×16×32", 16 * 16 * 32, (0.023718, 0.031149, 0.040213)),
    ("8×8×64", 8 * 8 * 64, (0.023718, 0.031149, 0.040213)),
    ("12×12×24, equal scales", 12 * 12 * 24, (0.025, 0.025, 0.05)),
    ("7×7×5", 7 * 7 * 5, (0.023718, 0.031149, 0.040213)),
)
CLAMPS = ((-128, 127), (-20, 90))


def row(name: str, layer: AddLayer) -> str:
    """One line of the table. Raises AssertionError where an output differs from the portable kernel's."""
    kernel = add_words(layer, "kernel")
    function = ArmFunction(kernel.assembly, "kernel")
    a, b = np.random.default_rng(5).integers(-128, 128, (2, layer.count), dtype=np.int8)
    call = function(a, np.zeros_like(a), kernel.constants, b)
    assert np.array_equal(call.arrays[1], portable_add(layer, a, b)), f"{layer}: outputs differ"
    clamps = (layer.output_min, layer.output_max) != CLAMPS[0]
    cells = [name, f"{layer.output_min} to {layer.output_max}", f"{call.instructions:,}"]
    cells += [f"{call.instructions / layer.count:.2f}", f"{5.5 + 3 * clamps:.2f}", f"{function.code_bytes:,}"]
    cells += [f"{kernel.constants.nbytes}", f"{call.stack_bytes}"]
    return "| " + " | ".join(cells) + " |"


def table() -> Iterator[str]:
    """The table in Markdown, line by line as it is measured."""
    yield "| tensor | clamp | instructions | per element | floor | code B | constants B | stack B |"
    yield "|---|---|---:|---:|---:|---:|---:|---:|"
    for clamp in CLAMPS:
        for name, count, scales in LAYERS:
            a, b, output = (Quantization((scale,), (0,)) for scale in scales)
            first, second, sums = add_multipliers(a, b, output)
            yield row(name, AddLayer(count, (3, -7), (first, second), sums, 11, *clamp))


def main() -> None:
    """Print and write the table."""
    lines = ["# ADD, four elements a word (simulated Cortex-M7, instructions)", ""]
    lines.append("Made by `python -m benchmarks.kernels.add_words`, which explains the columns.\n")
    for line in table():
        print(line, flush=True)
        lines.append(line)
    Path(__file__).with_suffix(".md").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
