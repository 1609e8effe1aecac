"""``mcu-nas run`` with a model of two inputs, one of pixels, and two outputs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from mcu_nas.compiler.export import load_program
from mcu_nas.devices.host import HostModel
from mcu_nas.graph import PIXELS
from mcu_nas.tflite.writer import serialize_tflite
from tests.command_line import mcu_nas
from tests.graphs import GraphMaker

RUN = ("run", "two.tflite", "--board", "qemu-cortex-m7")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: two.tflite, and an .npy file for each input."""
    monkeypatch.chdir(tmp_path)
    maker = GraphMaker(9)
    image, row = maker.activation("image", (1, 6, 5, 3)), maker.activation("row", (1, 4))
    maker.quantization[image] = PIXELS
    features = maker.fully_connected(maker.conv(image, 4, (3, 3), (2, 2)), 7)
    both = maker.add(features, maker.fully_connected(row, 7))
    (tmp_path / "two.tflite").write_bytes(serialize_tflite(maker.graph((image, row), (features, both))))
    rng = np.random.default_rng(0)
    np.save(tmp_path / "image.npy", rng.integers(0, 256, (6, 5, 3), dtype=np.uint8))
    np.save(tmp_path / "row.npy", rng.integers(-128, 128, 4, dtype=np.int8))
    return tmp_path


def test_run_takes_a_file_for_each_input_and_gives_each_output(here: Path) -> None:
    done = mcu_nas(*RUN, "--input", "image.npy", "--input", "row.npy", "--json")
    assert done.code == 0, done.err
    image, row = np.load(here / "image.npy"), np.load(here / "row.npy")
    as_int8 = (image ^ np.uint8(0x80)).view(np.int8)
    (expected,) = HostModel(load_program(here / "two.tflite")).run(as_int8[None], row[None])
    assert json.loads(done.out)["outputs"] == [expected[:7].tolist(), expected[7:].tolist()]


def test_run_without_files_draws_every_input() -> None:
    done = mcu_nas(*RUN)
    assert done.code == 0, done.err
    assert [len(line.split()) for line in done.out.splitlines() if line.startswith("outputs")] == [8, 8]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (("image.npy",), "1 --input for a model with 2: one for each, or none"),
        (("row.npy", "image.npy"), "row.npy: is (4,), the model takes (6, 5, 3)"),
        (("image.npy", "image.npy"), "image.npy: is (6, 5, 3), the model takes (4,)"),
    ],
)
def test_inputs_that_do_not_suit_the_model_are_refused(files: tuple[str, ...], message: str) -> None:
    done = mcu_nas(*RUN, *(argument for file in files for argument in ("--input", file)))
    assert done.code == 2
    assert message in done.err
