"""Every network in models/ is what its card says."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.report.card_checks import check_c, check_figures, check_files, read_card

MODELS = sorted(path.parent for path in Path(__file__).parents[2].glob("models/*/card.json"))

every_model = pytest.mark.parametrize("folder", MODELS, ids=lambda folder: folder.name)


@every_model
def test_folder_holds_a_model_and_its_card_and_no_large_file(folder: Path) -> None:
    check_files(folder)


@every_model
def test_peaks_macs_and_weights_follow_from_the_model(folder: Path) -> None:
    check_figures(folder)


@every_model
def test_c_of_the_model_compiles_for_its_board_and_runs(folder: Path, tmp_path: Path) -> None:
    check_c(folder, tmp_path)


@every_model
def test_card_ends_in_the_command_that_wrote_it(folder: Path) -> None:
    *_, last = read_card(folder)["rebuild"]
    assert last.startswith("mcu-nas card runs/")
    assert last.endswith(f"--out models/{folder.name}")
