"""What must be true of a folder with a model and its card, wherever it lies."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import numpy as np

from mcu_nas.boards import load_board
from mcu_nas.compiler.emit import write_sources
from mcu_nas.compiler.export import load_program, model_hash
from mcu_nas.cost.board_program import load_program_for
from mcu_nas.cost.macs import network_macs, network_weight_bytes
from mcu_nas.devices.build import build_firmware
from mcu_nas.devices.host import HostModel
from mcu_nas.report.card import FILES, LARGEST_FILE
from mcu_nas.report.model_figures import model_figures
from mcu_nas.tflite.reader import read_tflite

# Estimates change with a core's profile, which is measured anew now and then; all else follows exactly.
ESTIMATED = ("latency", "code_bytes_estimated", "flash_bytes_estimated")


def read_card(folder: Path) -> dict[str, Any]:
    """The record in card.json."""
    record: dict[str, Any] = json.loads((folder / "card.json").read_text(encoding="utf-8"))
    return record


def check_files(folder: Path) -> None:
    """The four files, none too large; the page tells the figures of the record."""
    assert sorted(path.name for path in folder.iterdir()) == sorted(FILES)
    assert all((folder / name).stat().st_size <= LARGEST_FILE for name in FILES)
    card, page = read_card(folder), (folder / "card.md").read_text(encoding="utf-8")
    model = card["model"]
    assert json.loads((folder / "architecture.json").read_text()) == card["architecture"]
    assert hashlib.sha256((folder / "model.tflite").read_bytes()).hexdigest() == model["sha256"]
    for shown in (
        model["sha256"],
        f"{card['accuracy']['int8']:.2%}",
        f"{model['peak_bytes']['planned']:,} B",
        f"{model['weights_bytes']:,} B",
        *card["rebuild"],
    ):
        assert shown in page


def check_figures(folder: Path) -> None:
    """Everything that follows from the model is as the card says it."""
    card = read_card(folder)
    again = json.loads(json.dumps(model_figures(folder / "model.tflite", load_board(card["board"]))))
    assert lasting(again) == lasting(card["model"])
    given = read_tflite(folder / "model.tflite").network
    assert sum(block["macs"] for block in card["model"]["blocks"]) == network_macs(given)
    assert card["model"]["weights_bytes"] <= network_weight_bytes(given)


def lasting(model: dict[str, Any]) -> dict[str, Any]:
    """A card's ``model`` without estimates."""
    plans = [{**plan, "instructions_estimated": None} for plan in model["plans"]]
    return {**{key: value for key, value in model.items() if key not in ESTIMATED}, "plans": plans}


def check_c(folder: Path, scratch: Path) -> None:
    """The model's C compiles for the board, with the card's arena, and runs on this computer."""
    card = read_card(folder)
    board = load_board(card["board"])
    program = load_program_for(folder / "model.tflite", board)
    assert card["model"]["sha256"].startswith(program.model_hash)
    assert program.model_hash == model_hash((folder / "model.tflite").read_bytes())
    write_sources(program, scratch / "c")
    header = (scratch / "c" / f"{program.name}.h").read_text()
    assert re.search(rf"_ARENA_BYTES {card['model']['peak_bytes']['planned']}\b", header)
    image = build_firmware(scratch / "c", program.name, board, scratch / "firmware")
    assert image.arena_bytes == card["firmware"][board.name]["arena_bytes"]
    shape = card["model"]["input"]["shape"]
    outputs = HostModel(load_program(folder / "model.tflite")).run(np.zeros((2, *shape[1:]), np.int8))
    assert outputs.shape == (2, *card["model"]["output"]["shape"][1:])
    assert np.array_equal(outputs[0], outputs[1])
