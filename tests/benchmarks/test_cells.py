"""Results files: what is finished stays, what was cut off does not count."""

from __future__ import annotations

from pathlib import Path

from benchmarks.cells import Results


def test_rows_come_back_by_cell(tmp_path: Path) -> None:
    results = Results(tmp_path / "results.jsonl")
    assert results.rows() == {}
    results.append("a/1", {"accuracy": 0.5})
    results.append("b", {"accuracy": 0.25})
    assert results.rows() == {
        "a/1": {"cell": "a/1", "accuracy": 0.5},
        "b": {"cell": "b", "accuracy": 0.25},
    }


def test_a_line_that_a_kill_cut_off_does_not_count_and_gives_way(tmp_path: Path) -> None:
    results = Results(tmp_path / "results.jsonl")
    results.append("a", {"accuracy": 0.5})
    with results.path.open("a") as file:
        file.write('{"cell": "b", "accu')
    assert list(results.rows()) == ["a"]
    results.append("c", {})
    assert list(results.rows()) == ["a", "c"]


def test_the_first_of_two_processes_that_ran_a_cell_wins(tmp_path: Path) -> None:
    results = Results(tmp_path / "results.jsonl")
    results.append("a", {"accuracy": 0.5})
    results.append("a", {"accuracy": 0.6})
    assert results.rows()["a"]["accuracy"] == 0.5
