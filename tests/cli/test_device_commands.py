"""Commands that end well: their last line, and the keys of --json that docs/json.md promises."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.cli.small_run import PX, write_digits, write_model, write_run
from tests.command_line import mcu_nas

BOARD, EMULATED = "stm32f746g-disco", "qemu-cortex-m7"


def documented(command: str) -> set[str]:
    """Dotted keys of a command's table in docs/json.md."""
    text = (Path(__file__).parents[2] / "docs" / "json.md").read_text()
    section = text.partition(f"## {command}\n")[2].partition("\n## ")[0]
    keys: set[str] = set()
    for row in re.findall(r"^\| (`.*?) \|", section, re.MULTILINE):
        parent = ""
        for name in re.findall(r"`([^`]+)`", row):
            if name.startswith("."):  # of the same object as the row's first
                name = parent + name
            else:
                parent = name.rpartition(".")[0]
            keys.add(name.replace("[]", ""))
    return keys


def keys_of(record: dict[str, Any]) -> set[str]:
    keys: set[str] = set()
    for name, value in record.items():
        inner = value[0] if isinstance(value, list) and value else value
        keys |= {f"{name}.{key}" for key in keys_of(inner)} if isinstance(inner, dict) else {name}
    return keys


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: m.tflite, and run/ with a winner."""
    monkeypatch.chdir(tmp_path)
    write_model(tmp_path / "m.tflite")
    write_run(tmp_path / "run", write_digits(tmp_path / "digits"))
    return tmp_path


COMMANDS = {
    "compile": (
        ("compile", "m.tflite", "--board", BOARD, "--out", "c"),
        f"next: mcu-nas run m.tflite --board {EMULATED}",
    ),
    "export": (
        ("export", "run", "--out", "delivery"),
        f"next: mcu-nas audit delivery/model.tflite --board {BOARD}",
    ),
    "flash": (
        ("flash", "m.tflite", "--board", BOARD, "--dry-run"),
        f"next: mcu-nas flash m.tflite --board {BOARD}",
    ),
    "run": (
        ("run", "run", "--board", EMULATED),
        f"next: mcu-nas measure run --board {EMULATED}",
    ),
    "measure": (
        ("measure", "run", "--board", EMULATED, "--images", "8", "--runs", "3"),
        f"next: mcu-nas audit run --board {BOARD}",
    ),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_last_line_is_the_next_command(command: str) -> None:
    arguments, following = COMMANDS[command]
    done = mcu_nas(*arguments)
    assert done.code == 0, done.err
    assert done.out.splitlines()[-1] == following


@pytest.mark.parametrize("command", COMMANDS)
def test_json_has_exactly_the_documented_keys(command: str) -> None:
    arguments, following = COMMANDS[command]
    done = mcu_nas(*arguments, "--json")
    record = json.loads(done.out)
    assert keys_of(record) == documented(command)
    assert f"next: {record['next']}" == following


def test_files_that_are_listed_are_there(here: Path) -> None:
    for command in ("compile", "export"):
        record = json.loads(mcu_nas(*COMMANDS[command][0], "--json").out)
        folder = here / Path(record["files"][0]).parent
        listed = {here / file for file in record["files"]}
        assert listed == {path for path in folder.rglob("*") if path.is_file()}


def test_same_input_as_pixels_and_as_int8_gives_the_same_outputs(here: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (PX, PX, 1), dtype=np.uint8)
    np.save(here / "pixels.npy", pixels)
    np.save(here / "int8.npy", (pixels.astype(np.int16) - 128).astype(np.int8))
    outputs = []
    for file in ("pixels.npy", "int8.npy"):
        done = mcu_nas("run", "m.tflite", "--board", EMULATED, "--input", file, "--json")
        outputs.append(json.loads(done.out)["outputs"])
    assert outputs[0] == outputs[1]
    assert len(outputs[0]) == 4


def test_the_rows_of_run_add_up_to_its_total() -> None:
    record = json.loads(mcu_nas("run", "m.tflite", "--board", EMULATED, "--json").out)
    counts = [*(layer["count"] for layer in record["layers"]), record["between_layers"]]
    assert sum(counts) == record["total"]
    table = mcu_nas("run", "m.tflite", "--board", EMULATED).out.partition("\n\n")[0]
    _, *rows = table.splitlines()
    assert rows[-2].split()[:2] == ["between", "layers"]
    for row, count in zip(rows, [*counts, record["total"]], strict=True):
        assert f"{count:,}" in row.split()


def test_emulated_measurement_is_of_instructions_and_repeats() -> None:
    record = json.loads(mcu_nas(*COMMANDS["measure"][0], "--json").out)
    latency = record["latency"]
    assert (latency["unit"], latency["kind"], latency["median_ms"]) == ("instructions", "emulated", None)
    assert latency["minimum"] == latency["median"] == latency["maximum"]
    assert record["accuracy"]["images"] == 8
