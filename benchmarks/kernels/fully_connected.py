"""Generated fully connected kernels on a simulated Cortex-M7: instructions beside the loop's floor.

    python benchmarks/kernels/fully_connected.py        # prints the table, writes fully_connected.md

Each row is checked against numpy's sums with TensorFlow Lite Micro's rounding before it counts. Whole layer:
the input widened, all loops, requantization, stores. A load of several registers is one instruction.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from mcu_nas.compiler.generators.fully_connected import GROUP, fully_connected
from mcu_nas.compiler.generators.fully_connected_weights import BLOCK, FullyConnectedLayer, WeightFormat
from mcu_nas.compiler.generators.requantization import Requantization
from mcu_nas.compiler.int8_arithmetic import scaled
from mcu_nas.compiler.requantize import Multiplier

sys.path.insert(0, str(Path(__file__).parent))
from arm_function import ArmFunction

SHAPES = ((640, 128), (128, 128), (128, 640), (256, 256), (64, 64), (64, 10), (100, 7), (33, 12), (12, 2))
# Loads, widening and SMLAD of a block of inputs for a group of outputs.
BLOCK_INSTRUCTIONS = {WeightFormat.INT8: 3 + 8 + 16, WeightFormat.INT16: 5 + 16}
HEAD = (
    "# Fully connected, one vector",
    "Cortex-M7 simulated; `python benchmarks/kernels/fully_connected.py`. Floor: the inner loop alone.\n",
    "| inputs x outputs | weights | clamp | instructions | per MAC | floor | code | constants | scratch B |",
    "|---|---|---|---|---|---|---|---|---|",
)


def random_layer(inputs: int, outputs: int, weight_format: WeightFormat, relu: bool) -> FullyConnectedLayer:
    """One factor, as in layers whose weights are quantized per tensor."""
    rng = np.random.default_rng(inputs * outputs)
    shift = -round(np.log2(30.0 * 74.0 * inputs**0.5 / 50.0))
    factors = np.full(outputs, rng.integers(2**30, 2**31)), np.full(outputs, shift)
    return FullyConnectedLayer(
        weights=np.rint(rng.normal(0, 30, (outputs, inputs)).clip(-127, 127)).astype(np.int8),
        bias=rng.integers(-3000, 3000, outputs),
        input_zero_point=-128,
        requantization=Requantization(*factors, zero_point=-128 if relu else 9),
        weight_format=weight_format,
    )


def expected(layer: FullyConnectedLayer, inputs: np.ndarray) -> np.ndarray:
    """int8 (outputs,) by the reference arithmetic."""
    sums = layer.weights.astype(np.int64) @ (inputs.astype(np.int64) - layer.input_zero_point) + layer.bias
    scaling = layer.requantization
    factors = [Multiplier(int(m), int(s)) for m, s in zip(scaling.multipliers, scaling.shifts, strict=True)]
    moved = scaled(sums, factors) + scaling.zero_point
    return moved.clip(scaling.minimum, scaling.maximum).astype(np.int8)


def row(inputs: int, outputs: int, weight_format: WeightFormat, relu: bool) -> str:
    """One line of the table."""
    layer = random_layer(inputs, outputs, weight_format, relu)
    kernel = fully_connected(layer, "layer")
    function = ArmFunction(kernel.assembly, "layer")
    x = np.random.default_rng(0).integers(-128, 128, inputs).astype(np.int8)
    scratch = np.zeros(kernel.scratch_bytes, np.uint8)
    call = function(x, np.zeros(outputs, np.int8), kernel.constants, scratch, align=(1, 1, 4, 8))
    np.testing.assert_array_equal(call.arrays[1], expected(layer, x))
    floor = BLOCK_INSTRUCTIONS[weight_format] / (BLOCK * GROUP)
    per_mac = call.instructions / (inputs * outputs)
    cells = (
        f"{inputs} x {outputs}",
        weight_format.name.lower(),
        "at the zero point" if relu else "none",
        f"{call.instructions:,}",
        f"{per_mac:.3f}",
        f"{floor:.3f}",
        f"{function.code_bytes:,}",
        f"{kernel.constants.nbytes:,}",
        f"{kernel.scratch_bytes:,}",
    )
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Prints the table and writes it beside this script."""
    lines = list(HEAD)
    for shape in SHAPES:
        lines += [row(*shape, form, relu) for form in WeightFormat for relu in (True, False)]
    text = "\n".join(lines) + "\n"
    print(text)
    Path(__file__).with_suffix(".md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
