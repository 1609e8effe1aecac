"""Published int8 models of MLPerf Tiny on emulated cores: what they compute, and what they take."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mcu_nas.boards import load_board
from mcu_nas.compiler.planner import Optimize
from mcu_nas.compiler.program import compile_graph
from mcu_nas.compiler.target import Target, targets
from mcu_nas.cores import InstructionSet
from mcu_nas.devices.host import HostModel
from mcu_nas.tflite.reader import read_tflite
from tests.devices.test_random_models_on_device import outputs_of_board
from tests.reference import assert_same_outputs, sample_inputs

FOLDER = Path(__file__).parents[2] / ".." / "shared" / "reference_models"


@pytest.mark.parametrize("optimize", [Optimize.SPEED, Optimize.MEMORY])
@pytest.mark.parametrize(
    ("name", "arena_bytes"), [("kws_ref_model", 8_448), ("pretrainedResnet_quant", 33_471)]
)
def test_published_model_with_helium_equals_the_host(
    name: str, arena_bytes: int, optimize: Optimize, tmp_path: Path
) -> None:
    path = FOLDER / f"{name}.tflite"
    if not path.exists():
        pytest.skip("no reference models beside the repository")
    graph = read_tflite(path)
    program = compile_graph(graph, name, "0" * 16, optimize=optimize, target=Target(InstructionSet.MVE))
    assert "conv_s8_mve" in {call.kernel.name for call in program.calls}
    assert program.arena_bytes <= arena_bytes
    inputs = sample_inputs(graph, 3, seed=5)
    expected = HostModel(compile_graph(graph, name, "0" * 16)).run(*inputs)
    got = outputs_of_board(load_board("qemu-cortex-m55"), program, inputs, tmp_path)
    assert len(np.unique(expected)) > 2
    assert_same_outputs(got, expected.reshape(len(got), -1), *inputs)


@pytest.mark.parametrize("core", ["m0", "m3", "m33"])
def test_published_ds_cnn_equals_the_host(core: str, tmp_path: Path) -> None:
    path = FOLDER / "kws_ref_model.tflite"
    if not path.exists():
        pytest.skip("no reference models beside the repository")
    board = load_board(f"qemu-cortex-{core}")
    graph = read_tflite(path)
    program = compile_graph(graph, "kws", "0" * 16, optimize=Optimize.SPEED, target=targets(board.core)[0])
    inputs = sample_inputs(graph, 3, seed=5)
    expected = HostModel(compile_graph(graph, "kws", "0" * 16)).run(*inputs)
    got = outputs_of_board(board, program, inputs, tmp_path)
    assert len(np.unique(expected)) > 2
    assert_same_outputs(got, expected.reshape(len(got), -1), *inputs)
