"""A generated kernel whose output overlaps its input."""

from __future__ import annotations

import numpy as np

from benchmarks.kernels.arm_function import ArmFunction, Call
from mcu_nas.compiler.generators.generated import GeneratedKernel
from mcu_nas.compiler.generators.immediates import add_constant


def run_in_place(
    kernel: GeneratedKernel, image: np.ndarray, lag: int, out_bytes: int, *, descending: bool = False
) -> tuple[np.ndarray, Call]:
    """The output, int8, and what the call did. Output and input are as near each other as the lag allows:
    ascending, the output begins so many bytes before its input; descending, it ends so many bytes after."""
    memory = np.zeros(max(image.size + lag, out_bytes), np.int8)
    source, target = lag, 0
    if descending:
        source, target = memory.size - lag - image.size, memory.size - out_bytes
    call_in_place = f"""
    .global in_place
    .thumb_func
in_place:
    {"; ".join(add_constant("r1", "r0", target))}
    {"; ".join(add_constant("r0", "r0", source))}
    b {kernel.symbol}
"""
    memory[source : source + image.size] = image.reshape(-1)
    scratch = np.zeros(kernel.scratch_bytes, np.uint8)
    call = ArmFunction(str(kernel.assembly) + call_in_place, "in_place")(memory, 0, kernel.constants, scratch)
    return call.arrays[0][target : target + out_bytes], call
