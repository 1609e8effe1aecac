"""Each study runs from its first cell to its tables, on a few images."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.cells import Results
from benchmarks.quantization import run as quantization
from benchmarks.quantization import summary as quantization_summary
from benchmarks.quantization.networks import NETWORKS
from benchmarks.ranking import run as ranking
from benchmarks.ranking import summary as ranking_summary
from benchmarks.ranking.study import SETS, SMOKE
from benchmarks.search_quality import run as search_quality
from benchmarks.search_quality import summary as search_quality_summary
from benchmarks.search_quality.study import FASHION, STUDIES, smoke
from tests.fashion import needs_fashion_mnist
from tests.search.small_search import write_data

pytestmark = needs_fashion_mnist


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_data(tmp_path_factory.mktemp("images") / "data"))


def test_ranking_study(data: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = replace(SMOKE, data=data, train_images=None, validation_images=100, test_images=100)
    monkeypatch.setattr(ranking, "SMOKE", small)
    options = ["--smoke", "--work", str(tmp_path), "--threads", "1"]
    ranking.main([*options, "--cell", "supernet"])
    ranking.main(options)  # goes on
    rows = Results(tmp_path / "results.jsonl").rows()
    assert next(iter(rows)) == "supernet"
    scored, trained = 2 * len(SETS), len(SETS) * small.networks * len(small.alone_seeds)
    assert len(rows) == 1 + scored + trained
    low, high = 0.8 * small.mac_budget, 1.2 * small.mac_budget
    assert all(low <= row["macs"] <= high for cell, row in rows.items() if cell.startswith("alone/budget/"))
    ranking_summary.main(["--results", str(tmp_path / "results.jsonl")])
    assert "2 networks near one MAC budget, 2 trainings each" in (tmp_path / "summary.md").read_text()
    assert (tmp_path / "ranking.svg").stat().st_size > 0


def test_search_quality_study(data: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study = replace(smoke(FASHION), data=data, seeds=(1,), trials=2, scaled_resolutions=(16,))
    monkeypatch.setitem(STUDIES, "fashion-mnist", study)
    monkeypatch.setattr(search_quality, "smoke", lambda given: given)
    search_quality.main(["--smoke", "--work", str(tmp_path), "--threads", "1"])
    rows = Results(tmp_path / "results.jsonl").rows()
    cells = ["ours", "random", "round0/00", "round0/01", "scaled"]
    found = [cell.removeprefix("fashion-mnist/seed1/") for cell in rows]
    assert [cell for cell in found if not cell.startswith("round1/")] == cells
    ours, control = rows["fashion-mnist/seed1/ours"], rows["fashion-mnist/seed1/random"]
    assert control["evaluations"] == ours["evaluations"]
    for arm in (ours, control, rows["fashion-mnist/seed1/scaled"]):
        assert arm["peak_bytes"] <= study.peak_bytes
        assert arm["weights_bytes"] <= study.weights_bytes
        assert arm["accuracy"]["differing"] == 0
    search_quality_summary.main(["--results", str(tmp_path / "results.jsonl")])
    assert "| best scaled MobileNetV2 | 1 |" in (tmp_path / "summary.md").read_text()


def test_quantization_study(data: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = replace(quantization.SMOKE, data=data, statistics_images=128, calibration_images=64)
    monkeypatch.setattr(quantization, "SMOKE", small)
    monkeypatch.setattr(quantization, "NETWORKS", {"mobile-5k-relu": NETWORKS["mobile-5k-relu"]})
    options = ["--smoke", "--work", str(tmp_path), "--threads", "1"]
    quantization.main(options)
    rows = Results(tmp_path / "results.jsonl").rows()
    assert list(rows) == [f"mobile-5k-relu/{method}" for method in quantization.METHODS]
    assert rows["mobile-5k-relu/aware"]["loss"] != rows["mobile-5k-relu/least-error"]["loss"]
    equalized, exact = (rows[f"mobile-5k-relu/{method}"] for method in ("equalization", "float"))
    assert equalized["squared_difference"] < 0.1 * exact["loss"] ** 2
    quantization_summary.main(["--results", str(tmp_path / "results.jsonl")])
    assert "| aware-taught | " in (tmp_path / "summary.md").read_text()
