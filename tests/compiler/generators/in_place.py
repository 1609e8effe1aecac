"""A generated kernel whose output overlaps its input."""

from __future__ import annotations

import numpy as np

from benchmarks.kernels.arm_function import ArmFunction
from mcu_nas.compiler.generators.generated import GeneratedKernel


def run_in_place(kernel: GeneratedKernel, image: np.ndarray, distance: int, out_bytes: int) -> np.ndarray:
    """The first ``out_bytes`` of a buffer, int8, in which the output begins where the buffer does and the
    input ``image`` so many bytes after it."""
    call_in_place = f"""
    .global in_place
    .thumb_func
in_place:
    mov r1, r0
    add r0, r0, #{distance}
    b {kernel.symbol}
"""
    buffer = np.zeros(max(distance + image.size, out_bytes), np.int8)
    buffer[distance : distance + image.size] = image.reshape(-1)
    scratch = np.zeros(kernel.scratch_bytes, np.uint8)
    call = ArmFunction(kernel.assembly + call_in_place, "in_place")(buffer, 0, kernel.constants, scratch)
    return call.arrays[0][:out_bytes]
