"""The command that a command ends with is one that works."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mcu_nas.compiler.catalogue import KERNELS
from mcu_nas.search.request import SearchRequest
from mcu_nas.search.run.run_folder import RunFolder
from mcu_nas.tflite.schema import SUPPORTED_OPERATORS
from mcu_nas.tflite.writer import serialize_tflite
from tests.command_line import mcu_nas
from tests.graphs import GraphMaker


@pytest.fixture
def model(tmp_path: Path) -> Path:
    maker = GraphMaker(1)
    pixels = maker.activation("pixels", (1, 8, 8, 1))
    x = maker.mean(maker.conv(pixels, 4, (3, 3)))
    path = tmp_path / "small.tflite"
    path.write_bytes(serialize_tflite(maker.graph((pixels,), (maker.fully_connected(x, 3),))))
    return path


@pytest.fixture
def run(tmp_path: Path, model: Path) -> Path:
    folder = RunFolder.create(
        tmp_path / "run",
        SearchRequest("qemu-cortex-m4", "fashion-mnist", "quick", seed=0, threads=1).to_record(),
    )
    folder.winner.mkdir()
    folder.model.write_bytes(model.read_bytes())
    return folder.path


def test_compiled_model_runs_on_an_emulated_board_with_the_core(model: Path, tmp_path: Path) -> None:
    done = mcu_nas("compile", str(model), "--board", "stm32f746g-disco", "--out", str(tmp_path / "c"))
    assert done.out.splitlines()[-1] == f"next: mcu-nas run {model} --board qemu-cortex-m7"


def test_exported_model_is_audited_for_the_board_that_was_searched_for(run: Path) -> None:
    done = mcu_nas("export", str(run))
    exported = run / "winner" / "export" / "model.tflite"
    assert done.out.splitlines()[-1] == f"next: mcu-nas audit {exported} --board qemu-cortex-m4"


def test_model_without_a_run_has_no_test_images_to_measure_with(model: Path, run: Path) -> None:
    alone = mcu_nas("run", str(model), "--board", "qemu-cortex-m7")
    assert alone.out.splitlines()[-1] == f"next: mcu-nas audit {model} --board qemu-cortex-m7"
    winner = mcu_nas("run", str(run), "--board", "qemu-cortex-m7")
    assert winner.out.splitlines()[-1] == f"next: mcu-nas measure {run} --board qemu-cortex-m7"


def test_compile_ops_lists_the_operators_that_refusals_refer_to() -> None:
    shown = mcu_nas("compile", "--ops").out.splitlines()
    assert [line.split()[0] for line in shown[1:]] == sorted({*SUPPORTED_OPERATORS, "DEQUANTIZE"})


@pytest.mark.parametrize("arguments", [("--ops", "--json"), ("--json", "--ops")])
def test_compile_ops_as_json_says_what_of_each_operator_is_compiled(arguments: tuple[str, ...]) -> None:
    rows = {row.pop("name"): row for row in json.loads(mcu_nas("compile", *arguments).out)}
    assert all(row["note"] for row in rows.values())
    assert rows["CONV_2D"]["kernels"][:2] == ["pointwise_s8", "conv_s8"]
    assert rows["CONV_2D"]["activations"] == ["RELU", "RELU6"]
    assert rows["DEQUANTIZE"]["kernels"] == rows["DEQUANTIZE"]["activations"] == []
    assert {kernel for row in rows.values() for kernel in row["kernels"]} == {k.name for k in KERNELS}


def test_model_compiled_for_a_core_runs_on_an_emulated_board_with_it(model: Path, tmp_path: Path) -> None:
    done = mcu_nas("compile", str(model), "--core", "cortex-m4", "--out", str(tmp_path / "c"))
    assert done.out.splitlines()[-1] == f"next: mcu-nas run {model} --board qemu-cortex-m4"


def test_model_compiled_without_a_board_or_a_core_is_c_for_any_computer(model: Path, tmp_path: Path) -> None:
    done = mcu_nas("compile", str(model), "--out", str(tmp_path / "c"))
    assert done.out.splitlines()[-1] == f"next: mcu-nas run {model} --board B"
    assert not list((tmp_path / "c").glob("*.S"))


def test_compile_takes_a_board_or_a_core_but_not_both(model: Path, tmp_path: Path) -> None:
    target = ("--board", "qemu-cortex-m4", "--core", "cortex-m4")
    done = mcu_nas("compile", str(model), *target, "--out", str(tmp_path / "c"))
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert "a board has a core: give --board or --core" in done.err


def test_model_compiled_with_paired_loads_runs_with_them(model: Path, tmp_path: Path) -> None:
    board, out = ("--board", "qemu-cortex-m4"), tmp_path / "c"
    done = mcu_nas("compile", str(model), *board, "--loads", "ldrd", "--out", str(out))
    following = f"mcu-nas run {model} --board qemu-cortex-m4 --loads ldrd"
    assert done.out.splitlines()[-1] == f"next: {following}"
    assert "ldm" not in (out / "small_kernels.S").read_text(encoding="utf-8")
    assert "outputs  " in mcu_nas(*following.split()[1:]).out
