"""The simulated core that kernels are tried on: it counts, and finds out what a kernel must not do."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.kernels.arm_function import SIMULATED_CORES, ArmFunction


def function(body: str, core: str = "cortex-m7") -> ArmFunction:
    head = ".syntax unified\n.thumb\n.text\n.global f\n.type f, %function\n.thumb_func\nf:\n"
    return ArmFunction(head + body, "f", core)


DOUBLED = """
1:  ldr r3, [r0], #4
    add r3, r3, r3
    str r3, [r1], #4
    subs r2, r2, #1
    bne 1b
    bx lr
"""


def test_outputs_and_instructions_are_those_of_the_function() -> None:
    source = np.arange(7, dtype=np.int32)
    call = function(DOUBLED)(source, np.zeros(7, np.int32), 7)
    assert call.arrays[1].tolist() == (2 * source).tolist()
    assert call.instructions == 7 * 5 + 1
    assert call.stack_bytes == 0


@pytest.mark.parametrize("core", SIMULATED_CORES)
def test_long_instructions_and_skipped_ones_count_as_one_each(core: str) -> None:
    call = function(
        "cmp r0, #1\nittee eq\nmoveq r1, r2\naddeq.w r1, r2, #200\nmovne r1, r3\nmovne r2, r3\nbx lr\n", core
    )
    assert {call(number).instructions for number in (0, 1)} == {7}


def test_stack_in_use_is_measured() -> None:
    call = function(
        "push {r4-r7, lr}\nsub sp, #12\nmovs r4, #1\nstr r4, [sp]\nadd sp, #12\npop {r4-r7, pc}\n"
    )(0)
    assert call.stack_bytes == 32


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ("movs r2, #0\nstr r2, [r0, #28]\nbx lr\n", "at code offset 0x2"),
        ("movs r2, #0\nstrb r2, [r0, #-1]\nbx lr\n", "beside it was written"),
        ("ldr r2, [r0, #28]\nbx lr\n", "at code offset 0x0"),
        ("movs r4, #0\nbx lr\n", "r4 is not preserved"),
        ("sub sp, #8\nbx lr\n", "sp is not preserved"),
    ],
)
def test_what_a_kernel_must_not_do_is_found_out(body: str, complaint: str) -> None:
    with pytest.raises(AssertionError, match=complaint):
        function(body)(np.zeros(28, np.uint8), align=(4,))


@pytest.mark.parametrize("alignment", [1, 2, 4, 8])
def test_array_begins_at_the_alignment_asked_for(alignment: int) -> None:
    call = function("str r0, [r1]\nbx lr\n")(
        np.zeros(5, np.uint8), np.zeros(1, np.uint32), align=(alignment, 4)
    )
    address = int(call.arrays[1][0])
    assert address % alignment == 0
    assert alignment >= 4 or address % (2 * alignment) != 0


def test_assembler_error_is_told() -> None:
    with pytest.raises(ValueError, match="bad instruction"):
        function("frobnicate r0\n")
