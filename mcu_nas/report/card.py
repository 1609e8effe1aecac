"""The card of a finished run: everything that one may ask about its network, in card.json and card.md.

A card has no figure of its own. It takes what the stages of the search recorded in run.json, what follows
from the model file (report/model_figures.py), and the commands that make both again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mcu_nas.boards import Board, load_board
from mcu_nas.compiler.emit_header import ARENA_ALIGN
from mcu_nas.cost.constraints import constraints_for
from mcu_nas.errors import JobError, RunFolderError, UsageError
from mcu_nas.files import staging
from mcu_nas.report.card_text import card_markdown
from mcu_nas.report.model_figures import model_figures
from mcu_nas.search.request import SearchRequest
from mcu_nas.search.run.run_folder import RunFolder

SCHEMA = 1
FILES = ("model.tflite", "architecture.json", "card.json", "card.md")
LARGEST_FILE = 500_000  # bytes: what a repository of models can carry

# What trained the network, in the order of a run's stages; a run has those that it went through.
_TRAINING = ("effort", "supernet", "exploration", "holdout", "fine_tune", "quantization_aware", "curve")

# Data that mcu_nas fetches by name. Of other data only their owner knows.
_TERMS = {
    "fashion-mnist": "Fashion-MNIST (Xiao, Rasul, Vollgraf, arXiv 1708.07747), MIT licence,"
    " https://github.com/zalandoresearch/fashion-mnist",
}


def card_record(folder: RunFolder, name: str, rebuild: Sequence[str]) -> dict[str, Any]:
    """What card.json holds (docs/json.md); ``rebuild`` are the commands that make the run and its card.

    Raises:
        RunFolderError: the run is unfinished, or another version of mcu_nas built its firmware.
    """
    folder.section("finished")
    run, request = folder.read(), folder.request()
    board = load_board(request.board)
    accuracy, firmware = folder.section("accuracy"), folder.section("firmware")
    model = model_figures(folder.model, board)
    built, planned = firmware[board.name]["arena_bytes"], model["peak_bytes"]["planned"]
    if not planned <= built < planned + ARENA_ALIGN:
        raise RunFolderError(
            f"{folder.path}: its firmware has an arena of {built:,} B, this version plans"
            f" {planned:,} B: `{folder.going_on}` builds it anew"
        )
    search = searched_in(folder).read()
    training = {section: (run if section in run else search).get(section) for section in _TRAINING}
    return {
        "schema": SCHEMA,
        "name": name,
        "board": board.name,
        "request": request.to_record(),
        "model": model,
        "architecture": _architecture(folder),
        "accuracy": accuracy,
        "constraints": _constraints(request, board, model),
        "training": _shortened(training, picked="pick" in run),
        "emulated": run.get("emulated"),
        "firmware": {
            target: {key: value for key, value in image.items() if key != "elf"}
            for target, image in firmware.items()
        },
        "data": {**folder.section("data"), "terms": _TERMS.get(request.data)},
        "versions": folder.section("versions"),
        "rebuild": list(rebuild),
    }


def _architecture(folder: RunFolder) -> Any:
    try:
        return json.loads(folder.architecture.read_text(encoding="utf-8"))
    except ValueError as error:
        raise RunFolderError(
            f"{folder.architecture} cannot be read: {error}: `{folder.going_on}` writes it anew"
        ) from None


def searched_in(folder: RunFolder) -> RunFolder:
    """The run that found the network: the folder itself, or the run in which it is a pick (RUN/picks/N)."""
    return RunFolder(folder.path.parent.parent) if "pick" in folder.read() else folder


def write_card(folder: RunFolder, out: Path, rebuild: Sequence[str]) -> dict[str, Any]:
    """Writes FILES to ``out``, all or none; returns the card's record.

    Raises:
        RunFolderError: as ``card_record``.
        UsageError: the folder holds something else than an earlier card.
        JobError: a file would be larger than LARGEST_FILE.
    """
    _check_place(out)
    record = card_record(folder, out.resolve().name, rebuild)
    contents = {
        "model.tflite": folder.model.read_bytes(),
        "architecture.json": folder.architecture.read_bytes(),
        "card.json": (json.dumps(record, indent=2, ensure_ascii=False) + "\n").encode(),
        "card.md": card_markdown(record).encode(),
    }
    for name, data in contents.items():
        if len(data) > LARGEST_FILE:
            raise JobError(
                f"{folder.path}: {name} would have {len(data):,} B, a card's files have at most"
                f" {LARGEST_FILE:,} B: search with a smaller --weights, or use `mcu-nas export`"
            )
    with staging(out) as staged:
        for name, data in contents.items():
            (staged / name).write_bytes(data)
    return record


def _check_place(out: Path) -> None:
    if not out.exists():
        return
    if not out.is_dir():
        raise UsageError(f"{out}: is no folder: --out names one")
    others = sorted(path.name for path in out.iterdir() if path.name not in FILES)
    if others or (any(out.iterdir()) and not (out / "card.json").is_file()):
        found = others[0] if others else "files without a card.json"
        raise UsageError(f"{out}: holds {found}, no card of mcu_nas: --out names a folder of its own")


def _constraints(request: SearchRequest, board: Board, model: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Each limit beside what the network needs; ``asked`` where it is not the board's own."""
    limits = constraints_for(
        board, request.sram_bytes, request.flash_bytes, request.latency_ms, request.weights_bytes
    )
    rows = (
        ("sram_bytes", limits.sram_bytes, model["peak_bytes"]["planned"]),
        ("flash_bytes", limits.flash_bytes, model["flash_bytes_estimated"]),
        ("weights_bytes", limits.weights_bytes, model["weights_bytes"]),
        ("latency_ms", limits.latency_ms, model["latency"]["central_ms"]),
    )
    return [
        {"limit": name, "at_most": limit, "needs": needs, "asked": getattr(request, name) is not None}
        for name, limit, needs in rows
        if limit is not None
    ]


def _shortened(training: Mapping[str, Any], picked: bool) -> dict[str, Any]:
    """The sections that there are; of the holdout's rivals their number, not the score of each. The holdout
    judged the search's winner: it tells nothing of a pick.
    """
    found = {section: record for section, record in training.items() if record is not None}
    holdout = found.pop("holdout", None)
    if holdout is None or picked:
        return found
    return {**found, "holdout": {**holdout, "others": len(holdout["others"])}}
