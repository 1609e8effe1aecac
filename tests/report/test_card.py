"""The card of a finished run."""

from __future__ import annotations

import json
import runpy
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mcu_nas.errors import JobError, RunFolderError, UsageError
from mcu_nas.report import card as card_module
from mcu_nas.report.card import card_record, write_card
from mcu_nas.report.card_text import card_markdown
from mcu_nas.search.run.run_folder import RunFolder
from tests.command_line import mcu_nas
from tests.fashion import needs_fashion_mnist
from tests.report.card_checks import check_c, check_figures, check_files, read_card
from tests.search.small_search import write_data

pytestmark = needs_fashion_mnist


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    folder = tmp_path_factory.mktemp("card")
    data = write_data(folder / "data")
    command = [sys.executable, "-m", "tests.search.small_search", str(folder / "run"), str(data)]
    subprocess.run(command, check=True)
    return RunFolder(folder / "run")


@pytest.fixture(scope="module")
def card(finished: RunFolder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("models") / "small"
    done = mcu_nas("card", str(finished.path), "--out", str(out))
    assert done.code == 0, done.err
    assert done.out.splitlines()[-1] == f"next: mcu-nas audit {out}/model.tflite --board stm32f746g-disco"
    return out


@pytest.fixture
def copied(finished: RunFolder, tmp_path: Path) -> RunFolder:
    """A run to be damaged."""
    shutil.copytree(finished.path, tmp_path / "run")
    return RunFolder(tmp_path / "run")


@pytest.mark.parametrize("check", [check_files, check_figures])
def test_card_agrees_with_its_model(check: Callable[[Path], None], card: Path) -> None:
    check(card)


def test_c_of_the_card_model_compiles_and_runs(card: Path, tmp_path: Path) -> None:
    check_c(card, tmp_path)


def test_checks_of_models_find_another_model(card: Path, tmp_path: Path) -> None:
    other = tmp_path / "small"
    shutil.copytree(card, other)
    record = read_card(other)
    record["model"]["peak_bytes"]["planned"] -= 1
    (other / "card.json").write_text(json.dumps(record))
    for check in (check_files, check_figures, lambda folder: check_c(folder, tmp_path)):
        with pytest.raises(AssertionError):
            check(other)


def test_card_holds_what_the_run_recorded(finished: RunFolder, card: Path) -> None:
    record, recorded = read_card(card), finished.read()
    for section in ("request", "accuracy", "emulated", "versions"):
        assert record[section] == recorded[section]
    assert record["data"] == {**recorded["data"], "terms": None}
    assert record["training"]["effort"] == recorded["effort"]
    assert record["training"]["holdout"]["others"] == 20
    assert record["architecture"] == recorded["winner"]["architecture"]


def test_card_names_each_limit_and_who_set_it(card: Path) -> None:
    rows = {row["limit"]: row for row in read_card(card)["constraints"]}
    assert {name: row["asked"] for name, row in rows.items()} == {
        "sram_bytes": False,
        "flash_bytes": False,
        "latency_ms": True,
    }
    assert all(row["needs"] <= row["at_most"] for row in rows.values())


def test_instructions_of_the_layers_add_up_in_page_and_record(card: Path) -> None:
    record, page = read_card(card), (card / "card.md").read_text()
    counted = record["emulated"]["layers"]
    between = record["emulated"]["instructions"] - sum(layer["instructions"] for layer in counted)
    assert f", {between:,} of them between the layers" in page
    rows = [line for line in page.splitlines() if "DEPTHWISE_CONV_2D" in line]
    depthwise = [layer for layer in counted if layer["name"] == "DEPTHWISE_CONV_2D"]
    assert [row.split("|")[-2].strip() for row in rows] == [
        f"{layer['instructions']:,}" for layer in depthwise
    ]


def test_page_is_made_from_the_record_alone(card: Path) -> None:
    assert card_markdown(read_card(card)) == (card / "card.md").read_text()


def test_page_shows_accuracy_against_time_from_the_start_of_the_search(card: Path) -> None:
    record = read_card(card)
    record["training"]["supernet"]["seconds"] = 100.0
    record["training"]["exploration"]["seconds"] = 20.0
    record["training"]["curve"] = [
        {"seconds": 30.0, "images": 25600, "accuracy": 0.8},
        {"seconds": 60.0, "images": 51200, "accuracy": 0.9},
    ]
    page = card_markdown(record)
    assert "| 30 | 150 | 25,600 | 80.00% |\n| 60 | 180 | 51,200 | 90.00% |" in page


def test_page_without_a_device_or_tflite_micro_says_so(card: Path) -> None:
    record: dict[str, Any] = {**read_card(card), "emulated": None}
    record["accuracy"]["compared_with_tflite_micro"] = 0
    page = card_markdown(record)
    assert "Not compared with TFLite Micro" in page
    assert "emulated core" not in page.partition("Per layer")[0]
    assert "| – |" in page


def test_earlier_card_is_replaced(finished: RunFolder, card: Path) -> None:
    before = {path.name: path.read_bytes() for path in card.iterdir()}
    write_card(finished, card, read_card(card)["rebuild"])
    assert {path.name: path.read_bytes() for path in card.iterdir()} == before


def test_folder_with_other_files_is_refused_and_left_alone(finished: RunFolder, tmp_path: Path) -> None:
    (tmp_path / "model.tflite").write_text("mine")
    with pytest.raises(UsageError, match=r"holds files without a card\.json"):
        write_card(finished, tmp_path, [])
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match=r"holds notes\.txt, no card of mcu_nas"):
        write_card(finished, tmp_path, [])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.tflite", "notes.txt"]


def test_file_that_would_be_too_large_leaves_nothing(
    finished: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(card_module, "LARGEST_FILE", finished.model.stat().st_size - 1)
    with pytest.raises(JobError, match=r"model\.tflite would have"):
        write_card(finished, tmp_path / "models" / "large", [])
    assert not list(tmp_path.iterdir())


def test_unfinished_run_has_no_card(copied: RunFolder) -> None:
    record = copied.read()
    del record["finished"]
    (copied.path / "run.json").write_text(json.dumps(record))
    with pytest.raises(RunFolderError, match="is unfinished"):
        card_record(copied, "x", [])


def test_firmware_that_another_version_planned_is_refused(copied: RunFolder) -> None:
    record = copied.read()
    record["firmware"]["stm32f746g-disco"]["arena_bytes"] += 16
    (copied.path / "run.json").write_text(json.dumps(record))
    with pytest.raises(RunFolderError, match=r"search --resume --run .*` builds it anew"):
        card_record(copied, "x", [])


def test_broken_architecture_is_named_by_its_own_file(copied: RunFolder) -> None:
    copied.architecture.write_text("{")
    with pytest.raises(RunFolderError, match=r"architecture\.json cannot be read: .*--resume --run .* anew"):
        card_record(copied, "x", [])


SCRIPT = Path(__file__).parents[2] / "scripts" / "rebuild_model.py"


def rebuilt(folder: Path) -> str:
    done = subprocess.run([sys.executable, SCRIPT, folder], capture_output=True, text=True, check=True)
    return done.stdout


def test_rebuilding_goes_on_with_a_search_that_has_begun(finished: RunFolder, tmp_path: Path) -> None:
    resumed = runpy.run_path(str(SCRIPT))["resumed"]
    begun = f"mcu-nas search --board b --data d --run {finished.path}"
    new = f"mcu-nas search --board b --data d --run {tmp_path}/new"
    assert resumed(begun) == f"mcu-nas search --resume --run {finished.path}"
    assert resumed(new) == new
    assert resumed(f"mcu-nas card {finished.path} --out x") == f"mcu-nas card {finished.path} --out x"


def test_rebuilding_runs_the_commands_of_the_card_and_compares(card: Path, tmp_path: Path) -> None:
    folder = tmp_path / "small"
    shutil.copytree(card, folder)
    record = read_card(folder)
    assert record["rebuild"][0].startswith("mcu-nas search --board stm32f746g-disco --data ")
    last = record["rebuild"][-1].replace(str(card), str(folder))
    (folder / "card.json").write_text(json.dumps({**record, "rebuild": [last]}))
    assert rebuilt(folder).splitlines()[-1] == f"{folder}/model.tflite: the same bytes as before"
    assert read_card(folder)["rebuild"][-1] == last
    record["model"]["sha256"] = "0" * 64
    (folder / "card.json").write_text(json.dumps({**record, "rebuild": [last]}))
    assert rebuilt(folder).splitlines()[-1] == f"{folder}/model.tflite: OTHER BYTES than before"


def test_card_of_a_pick_names_the_search_and_the_pick(copied: RunFolder, tmp_path: Path) -> None:
    folder = copied.path / "picks" / "7"
    shutil.copytree(copied.winner, folder / "winner")
    whole = copied.read()
    record = {key: value for key, value in whole.items() if key not in ("supernet", "exploration", "holdout")}
    (folder / "run.json").write_text(json.dumps({**record, "pick": {"number": 7}}))
    done = mcu_nas("card", str(folder), "--out", str(tmp_path / "seventh"))
    assert done.code == 0, done.err
    card = read_card(tmp_path / "seventh")
    search, pick, last = card["rebuild"]
    assert search.endswith(f"--run {copied.path}")
    assert pick == f"mcu-nas export {copied.path} --pick 7"
    assert last == f"mcu-nas card {folder} --out {tmp_path}/seventh"
    assert card["training"]["supernet"] == whole["supernet"]
    assert "holdout" not in card["training"]
