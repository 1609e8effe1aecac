"""The kernels' table as it is recorded: complete, true to the kernels, and what the choices stand by."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks.kernels import run
from benchmarks.kernels.cases import cases
from benchmarks.kernels.choices import LARGEST_LOSS, choices
from benchmarks.kernels.cycles import analysed, documented
from benchmarks.kernels.layers import random_inputs, run_kernel, trained_graph
from benchmarks.kernels.rows import Row, read_rows, write_rows
from mcu_nas.compiler.catalogue import KERNELS
from mcu_nas.compiler.kernel import Kernel
from mcu_nas.compiler.target import Loads

CASES = {case.name: case for case in cases()}
ROWS = [row for row in read_rows() if row.core == "cortex-m7"]


def kernel_of(row: Row) -> Kernel:
    return CASES[row.case].kernel(row.kernel)


def form_of(kernel: Kernel) -> str:
    return f"{kernel.name}, {kernel.reads.name} to {kernel.writes.name}"


SMALLEST = {form_of(kernel_of(row)): row for row in sorted(ROWS, key=lambda row: -row.work)}


def test_every_generated_kernel_is_measured() -> None:
    assert {*SMALLEST} == {form_of(kernel) for kernel in KERNELS if kernel.is_generated}


@pytest.mark.parametrize("row", SMALLEST.values(), ids=SMALLEST)
def test_recorded_instructions_are_those_of_the_kernels_as_they_are(row: Row) -> None:
    network = CASES[row.case].network
    graph, inputs = trained_graph(network), random_inputs(network)
    for loads in Loads:
        counted = run_kernel(graph, kernel_of(row), inputs, loads).instructions
        assert counted == pytest.approx(row.form(loads).instructions, rel=0.03), (
            "measure again: python -m benchmarks.kernels.run"
        )


def test_what_the_catalogue_ranks_first_is_the_fastest_or_nearly() -> None:
    slow = {
        (choice.case, choice.weights): (choice.chosen.kernel, choice.fastest.kernel, round(choice.loss, 3))
        for choice in choices(CASES.values(), ROWS, "cortex-m7")
        if choice.loss > LARGEST_LOSS
    }
    assert slow == {}


def test_no_layer_takes_less_than_its_kernels_floor() -> None:
    for row in ROWS:
        for loads in Loads:
            assert row.per_work(loads) >= row.form(loads).floor, row.key


def test_rows_are_read_as_they_were_written(tmp_path: Path) -> None:
    write_rows(ROWS[:3], tmp_path / "results.jsonl")
    assert read_rows(tmp_path / "results.jsonl") == ROWS[:3]


@pytest.mark.parametrize(
    ("instructions", "cycles"),
    [
        (("smlad r2, r6, r10, r2", "add r3, r3, r4"), 2),
        (("ldm r0!, {r6-r9}", "ldm r1!, {r10-r12, lr}"), 10),
        (("ldrd r6, r7, [r0], #8",), 3),
        (("ldr r6, [r0], #4", "ldr r7, [r1], #4", "str r6, [r2]"), 4),
    ],
)
def test_cycles_of_a_cortex_m4_by_its_manual(instructions: tuple[str, ...], cycles: int) -> None:
    assert documented(instructions) == cycles


@pytest.mark.parametrize("core", ["cortex-m7", "cortex-m4"])
def test_analysed_multiplications_into_one_sum_take_a_cycle_each(core: str) -> None:
    assert analysed(("smlad r2, r6, r10, r2",) * 8, core) == pytest.approx(8, rel=0.05)


def test_without_the_analyser_the_benchmark_ends_with_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["run"])
    assert run.main() == 2
    assert capsys.readouterr().err.startswith("error: llvm-mca is not installed: `apt install llvm`")
