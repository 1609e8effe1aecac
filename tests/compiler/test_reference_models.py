"""Published int8 models of MLPerf Tiny compile, and their outputs equal tflite-micro's bit for bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mcu_nas.boards import load_board
from mcu_nas.compiler.planner import Optimize
from mcu_nas.compiler.program import compile_graph
from mcu_nas.cost.audit import audit
from mcu_nas.cost.board_program import load_program_for
from mcu_nas.cost.core_profile import load_core_profile
from mcu_nas.devices.host import HostModel
from mcu_nas.tflite.reader import read_tflite
from mcu_nas.tflite.reference import reference_outputs
from tests.reference import assert_same_outputs, sample_inputs

FOLDER = Path(__file__).parents[2] / ".." / "shared" / "reference_models"


@pytest.mark.parametrize(
    ("name", "arena_bytes"), [("kws_ref_model", 8_125), ("pretrainedResnet_quant", 33_312)]
)
def test_published_model_equals_the_reference(name: str, arena_bytes: int) -> None:
    path = FOLDER / f"{name}.tflite"
    if not path.exists():
        pytest.skip("no reference models beside the repository")
    graph = read_tflite(path)
    program = compile_graph(graph, name, "0" * 16)
    assert [call.op.tflite_name for call in program.calls if program.is_view(call)] == ["RESHAPE"]
    assert program.arena_bytes == arena_bytes
    inputs = sample_inputs(graph, 97, seed=2)
    (expected,) = reference_outputs(path.read_bytes(), *inputs)
    assert len(np.unique(expected)) > 2
    assert_same_outputs(HostModel(program).run(*inputs), expected, *inputs)


@pytest.mark.parametrize("optimize", Optimize)
@pytest.mark.parametrize(
    ("name", "fast_bytes", "small_bytes"),
    [("kws_ref_model", 22_000, 9_800), ("pretrainedResnet_quant", 55_000, 36_000)],
)
def test_published_model_fits_the_board_with_the_cores_own_kernels(
    name: str, fast_bytes: int, small_bytes: int, optimize: Optimize
) -> None:
    path = FOLDER / f"{name}.tflite"
    if not path.exists():
        pytest.skip("no reference models beside the repository")
    board = load_board("stm32f746g-disco")
    report = audit(read_tflite(path).network, board, load_core_profile(board.core), optimize)
    program = load_program_for(path, board, optimize=optimize)
    assert report.fits
    assert report.arena_bytes == program.arena_bytes
    assert report.plan.kernels == program.plan.kernels
    assert program.generated
    assert program.arena_bytes <= (small_bytes if optimize is Optimize.MEMORY else fast_bytes)
