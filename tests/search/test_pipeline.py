"""A search from end to end, and the same search killed and resumed."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mcu_nas.boards import load_board
from mcu_nas.cli.winner import winner_summary
from mcu_nas.compiler.program import compile_graph
from mcu_nas.cost.board_program import load_program_for
from mcu_nas.cost.core_profile import load_core_profile
from mcu_nas.cost.flash import program_code_bytes
from mcu_nas.report.search_picture import write_search_picture
from mcu_nas.search.exploration.history import History
from mcu_nas.search.run.run_folder import RunFolder
from mcu_nas.tflite.reader import read_tflite
from tests.fashion import needs_fashion_mnist
from tests.search.small_search import TINY

pytestmark = needs_fashion_mnist

# Sections of run.json that hold nothing of time or place.
LASTING = ("request", "versions", "stage_one", "winner", "holdout", "accuracy")


def lasting(folder: RunFolder) -> dict[str, Any]:
    record = folder.read()
    exploration = {**record["exploration"], "seconds": None}
    return {"exploration": exploration, **{name: record[name] for name in LASTING}}


def without_seconds(curve: list[dict[str, float]]) -> list[tuple[float, float]]:
    return [(point["images"], point["accuracy"]) for point in curve]


def test_run_json_shows_that_it_was_a_search(finished: RunFolder) -> None:
    record = finished.read()
    assert record["supernet"]["steps"] == 10
    assert record["exploration"]["subnets_evaluated"] == TINY.population * (TINY.generations + 1)
    losses = [point["best_loss"] for point in record["exploration"]["fitness_curve"]]
    assert len(losses) == TINY.generations + 1
    assert losses == sorted(losses, reverse=True)
    assert len(record["holdout"]["others"]) == 20
    assert record["accuracy"]["images"] == 120
    assert [point["images"] for point in record["curve"]] == [32 * step for step in range(1, 7)]
    assert record["fine_tune"]["images"] == 192
    assert record["quantization_aware"]["images"] == 128
    assert record["fine_tune"]["seconds"] == record["curve"][-1]["seconds"]


def test_run_json_sets_the_search_beside_random_search(finished: RunFolder) -> None:
    exploration, front = finished.section("exploration"), finished.section("front")
    assert exploration["strategy"] == "evolution"
    assert exploration["control"]["subnets_evaluated"] == exploration["subnets_evaluated"]
    assert front[0]["loss"] == finished.section("winner")["validation_loss"]
    assert "random search with as many evaluations" in winner_summary(finished)


def test_front_lists_numbers_of_the_log(finished: RunFolder) -> None:
    history = History(finished.search_log)
    for member in finished.section("front"):
        assert history[member["number"]].loss == member["loss"]
        assert history[member["number"]].peak_bytes == member["peak_bytes"]
    history.close()


def test_picture_of_a_search_can_be_drawn(finished: RunFolder) -> None:
    text = write_search_picture(finished).read_text()
    assert text.count("<svg") == 1


def test_log_holds_every_evaluation_and_only_feasible_ones(finished: RunFolder) -> None:
    history = History(finished.search_log)
    assert len(history) == 2 * TINY.population * (TINY.generations + 1) - TINY.population
    assert all(e.instructions <= 0.008 * 216e6 for e in history)
    history.close()


def test_winner_is_what_was_predicted(finished: RunFolder) -> None:
    winner, board = finished.read()["winner"], load_board(finished.request().board)
    graph = read_tflite(finished.model)
    program = load_program_for(finished.model, board)
    asked = program.plan
    given = compile_graph(
        graph,
        "given",
        "0" * 16,
        optimize=asked.optimize,
        target=asked.target,
        room_bytes=asked.room_bytes,
        as_given=True,
    )
    assert given.arena_bytes == winner["peak_bytes"]
    assert program.arena_bytes <= given.arena_bytes  # less where training left dead channels
    (header,) = finished.sources.glob("*_weights.h")
    declared = header.with_name(header.name.replace("_weights", "")).read_text()
    assert f"_ARENA_BYTES {program.arena_bytes}\n" in declared
    network = graph.network
    assert network.shape(network.inputs[0]) == (1, 12, 12, 1)


def test_int8_outputs_equal_tflite_micro(finished: RunFolder) -> None:
    accuracy = finished.read()["accuracy"]
    assert accuracy["compared_with_tflite_micro"] == 120
    assert accuracy["differing"] == 0


def test_firmware_is_linked_for_the_board_and_run_on_the_emulated_core(finished: RunFolder) -> None:
    record = finished.read()
    assert set(record["firmware"]) == {"stm32f746g-disco", "qemu-cortex-m7"}
    emulated = record["emulated"]
    assert (emulated["samples"], emulated["differing"], emulated["equals_host"]) == (4, 0, True)
    estimated, counted = record["winner"]["instructions"], record["emulated"]["instructions"]
    assert abs(estimated / counted - 1) < 0.1


def test_predicted_flash_bounds_what_was_linked(finished: RunFolder) -> None:
    """The search counts a generated kernel for each layer; of the compiled model layers that share one are
    known, so that its estimate is near."""
    record, board = finished.read(), load_board(finished.request().board)
    linked = record["firmware"][board.name]["flash_bytes"]
    predicted, reserve = record["winner"]["flash_bytes"], 12_288
    program = load_program_for(finished.model, board)
    compiled = program.constants_bytes + program_code_bytes(program, load_core_profile(board.core))
    assert np.isclose(linked, compiled + reserve, rtol=0.1)
    assert linked <= compiled + reserve <= predicted + reserve


@pytest.mark.parametrize("kill_at", [3, 9, 13, 18, 25, 30, 48, 55])
def test_killed_search_resumes_to_the_same_result(
    kill_at: int, finished: RunFolder, data: Path, tmp_path: Path
) -> None:
    path = tmp_path / "killed"
    command = [sys.executable, "-m", "tests.search.small_search", str(path), str(data)]
    killed = subprocess.run([*command, str(kill_at)], capture_output=True, text=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    resumed = subprocess.run(command, capture_output=True, text=True, check=False)
    assert resumed.returncode == 0, resumed.stderr
    folder = RunFolder(path)
    assert folder.model.read_bytes() == finished.model.read_bytes()
    assert lasting(folder) == lasting(finished)
    points, expected = (without_seconds(run.section("curve")) for run in (folder, finished))
    assert points[-1] == expected[-1]
    assert set(points) <= set(expected)  # a kill between a checkpoint and its point loses that point
