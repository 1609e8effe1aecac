"""``mcu-nas quantize``: what it writes and prints, and one line for each mistake of the user's."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from mcu_nas.compiler.export import load_program
from mcu_nas.compiler.program import Encoding
from mcu_nas.tflite.reader import read_tflite
from tests.cli.small_run import write_digits, write_model
from tests.command_line import mcu_nas

MODEL = """
import torch
from torch import nn

def make_model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(1),
                         nn.Flatten(), nn.Linear(4, 4))

class Subclass(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Flatten(), nn.Linear(144, 4))

instance = make_model()

def needs(width): return make_model()
def fails(): raise ValueError("no weights.pt\\nhere")
def five(): return nn.Sequential(nn.Flatten(), nn.Linear(144, 5))
def two(): return Two()
def colour(): return nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten())
def unsupported(): return nn.Sequential(nn.Flatten(), nn.Sequential(nn.Linear(144, 4), nn.GELU()))
def nothing(): return None

class Two(nn.Module):
    def forward(self, x): return x, x
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current folder with a model's file and data like it."""
    monkeypatch.chdir(tmp_path)
    write_digits(tmp_path / "digits")
    (tmp_path / "my_model.py").write_text(MODEL)
    return tmp_path


@pytest.mark.parametrize("name", ["make_model", "Subclass", "instance"])
def test_module_becomes_an_int8_file_with_its_labels(folder: Path, name: str) -> None:
    done = mcu_nas("quantize", f"my_model.py:{name}", "--data", "digits", "--samples", "8")
    assert done.code == 0, done.err
    graph = read_tflite(folder / "my_model_int8.tflite")
    assert graph.labels == ("0", "1", "2", "3")
    assert "my_model_int8.tflite" in done.out
    assert "by the generated C" in done.out
    assert "next: mcu-nas audit my_model_int8.tflite --board" in done.out


def test_json_has_both_accuracies(folder: Path) -> None:
    done = mcu_nas(
        "quantize", "my_model.py:make_model", "--data", "digits", "--out", "out/m.tflite", "--json"
    )
    assert done.code == 0, done.err
    record = json.loads(done.out)
    assert record["out"] == "out/m.tflite"
    assert record["tflite_bytes"] == (folder / "out" / "m.tflite").stat().st_size
    assert (record["samples"], record["images"]) == (12, 12)
    assert (record["float_by"], record["int8_by"]) == ("PyTorch", "the generated C")
    for share in ("float_accuracy", "int8_accuracy", "agreement"):
        assert 0.0 <= record[share] <= 1.0
    assert record["agreement"] >= 0.75
    assert record["notes"] == ["it decides one class for every image: is it trained?"]


def test_the_same_command_writes_the_same_bytes(folder: Path) -> None:
    for name in ("a.tflite", "b.tflite"):
        assert mcu_nas("quantize", "my_model.py:make_model", "--data", "digits", "--out", name).code == 0
    assert (folder / "a.tflite").read_bytes() == (folder / "b.tflite").read_bytes()


def test_smaller_inputs_come_from_resized_images(folder: Path) -> None:
    command = ("quantize", "my_model.py:make_model", "--data", "digits", "--input-shape")
    assert mcu_nas(*command, "8,8,1").code == 0
    graph = read_tflite(folder / "my_model_int8.tflite")
    assert graph.network.shape(graph.network.inputs[0]) == (1, 8, 8, 1)


def test_what_the_users_code_prints_is_not_among_the_json(folder: Path) -> None:
    (folder / "chatty.py").write_text("from my_model import make_model\nprint('hello')")
    done = mcu_nas("quantize", "chatty.py:make_model", "--data", "digits", "--json")
    assert json.loads(done.out)["out"] == "chatty_int8.tflite"
    assert done.err == "hello\n"


def test_a_model_finds_its_neighbours_and_its_weights(folder: Path) -> None:
    (folder / "sub").mkdir()
    (folder / "sub" / "layers.py").write_text("from torch.nn import Flatten, Linear, Sequential")
    (folder / "sub" / "net.py").write_text(
        "def make():\n import layers\n return layers.Sequential(layers.Flatten(), layers.Linear(144, 4))"
    )
    assert mcu_nas("quantize", "sub/net.py:make", "--data", "digits", "--out", "n.tflite").code == 0


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("missing.py:make_model", "missing.py: no such file"),
        ("my_model.py", "name the function that makes the model: my_model.py:make_model"),
        ("my_model.py:make_modle", "has no 'make_modle': did you mean 'make_model'"),
        ("my_model.py:needs", "my_model.py:needs: needs the arguments width"),
        ("my_model.py:fails", "my_model.py:fails: line 17: ValueError: no weights.pt here"),
        ("my_model.py:nothing", "is NoneType, not a torch.nn.Module"),
        ("my_model.py:five", "gives 5 values, digits has 4 classes"),
        ("my_model.py:two", "the model returns 2 values"),
        ("my_model.py:colour", "fails on images of 1×12×12 (C×H×W)"),
        ("my_model.py:unsupported", "1.1: nn.GELU is not supported"),
        ("imports.py:make", "imports.py: line 2: ModuleNotFoundError: No module named 'no_such_package'"),
        ("syntax.py:make", "syntax.py: line 1: SyntaxError"),
        ("exits.py:make", "exits.py: line 1: SystemExit: 3"),
        ("missing.keras", "missing.keras"),
        ("missing.tflite", "missing.tflite: cannot be read"),
        ("digits", "digits: not FILE.py:NAME"),
        ("nowhere", "nowhere: no such file or folder"),
        ("int8.tflite", "its input is int8: quantized already"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(folder: Path, model: str, message: str) -> None:
    (folder / "imports.py").write_text("\nimport no_such_package")
    (folder / "syntax.py").write_text("def make(:")
    (folder / "exits.py").write_text("raise SystemExit(3)")
    write_model(folder / "int8.tflite")
    refused = mcu_nas("quantize", model, "--data", "digits", "--out", "out.tflite")
    assert refused.code == 2, refused.out + refused.err
    assert refused.err.startswith("error: ")
    assert refused.err.count("\n") == 1
    assert message in refused.err
    assert not (folder / "out.tflite").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--input-shape", "8,8"), "three numbers: height, width, channels"),
        (("--input-shape", "8,8,3"), "takes 3 channels, digits has 1"),
        (("--input-shape", "8,10,1"), "images are brought to square shapes alone"),
        (("--input-shape", "16,16,1"), "choose at most 12 px"),
        (("--samples", "0"), "--samples"),
        (("--out", "float.tflite"), "is the model itself"),
    ],
)
def test_options_that_cannot_be_are_refused(folder: Path, options: tuple[str, ...], message: str) -> None:
    (folder / "float.tflite").write_bytes(b"")
    model = "float.tflite" if "--out" in options else "my_model.py:make_model"
    refused = mcu_nas("quantize", model, "--data", "digits", *options)
    assert refused.code == 2
    assert refused.err.count("\n") == 1
    assert message in refused.err


@pytest.mark.skipif(find_spec("tensorflow") is not None, reason="TensorFlow is installed")
@pytest.mark.parametrize("model", ["m.keras", "saved"])
def test_missing_tensorflow_is_named_with_the_command_that_installs_it(folder: Path, model: str) -> None:
    (folder / "m.keras").write_bytes(b"")
    (folder / "saved").mkdir()
    (folder / "saved" / "saved_model.pb").write_bytes(b"")
    refused = mcu_nas("quantize", model, "--data", "digits")
    assert refused.code == 2
    assert refused.err == (
        f"error: {model} needs TensorFlow, which is not installed: pip install 'mcu-nas[tensorflow]'\n"
    )


ODD_MODEL = """
import os
import torch
from torch import nn
from my_model import make_model

class Decides(nn.Module):
    def forward(self, x):
        return x.flatten(1)[:, :4] * (2 if x.sum() > 0 else 1)

def decides(): return Decides()

def infinite():
    model = make_model()
    model[5].bias.data[1] = float("inf")
    return model

def tiny():
    model = make_model()
    for parameter in model.parameters():
        parameter.data *= 1e-40
    return model

def elsewhere():
    os.chdir("/")
    return make_model()
"""


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("decides", "the model cannot be traced (its forward must not depend on values): "),
        ("infinite", "the model's 5.bias holds values that are not finite: train it again"),
    ],
)
def test_a_module_that_cannot_be_had_is_one_line_without_torchs_own(
    folder: Path, name: str, message: str
) -> None:
    (folder / "odd.py").write_text(ODD_MODEL)
    command = [sys.executable, "-c", "from mcu_nas.cli import main; main()", "quantize", f"odd.py:{name}"]
    done = subprocess.run([*command, "--data", "digits"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert message in line
    assert not (folder / "odd_int8.tflite").exists()


def test_weights_near_zero_still_make_a_file_that_can_be_read(folder: Path) -> None:
    (folder / "odd.py").write_text(ODD_MODEL)
    done = mcu_nas("quantize", "odd.py:tiny", "--data", "digits", "--samples", "8")
    assert done.code == 0, done.err
    read_tflite(folder / "odd_int8.tflite")
    assert "it decides one class for every image: is it trained?" in done.out


def test_file_is_written_where_the_command_was_typed(folder: Path) -> None:
    (folder / "odd.py").write_text(ODD_MODEL)
    done = mcu_nas("quantize", "odd.py:elsewhere", "--data", "digits", "--samples", "8")
    assert done.code == 0, done.err
    assert (folder / "odd_int8.tflite").is_file()


def test_pixels_from_0_to_255_go_in_as_they_are(folder: Path) -> None:
    done = mcu_nas(
        "quantize", "my_model.py:make_model", "--data", "digits", "--samples", "8", "--pixels", "255"
    )
    assert done.code == 0, done.err
    program = load_program(folder / "my_model_int8.tflite")
    assert program.input_encodings == (Encoding.PIXEL_U8,)
