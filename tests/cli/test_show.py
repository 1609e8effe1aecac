"""`mcu-nas show` in every state of a run, beside the search that is at work in it."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mcu_nas.errors import RunFolderError
from mcu_nas.search.exploration.history import Evaluation, History, read_log
from mcu_nas.search.request import SearchRequest
from mcu_nas.search.run.progress_file import ProgressFile
from mcu_nas.search.run.run_folder import RunFolder
from mcu_nas.spaces.space import mbconv_space
from tests.command_line import mcu_nas


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    request = SearchRequest("stm32f746g-disco", "digits", "quick", seed=4, threads=1)
    return RunFolder.create(tmp_path / "my run", request.to_record())


def evaluation(number: int, loss: float, peak: int) -> Evaluation:
    architecture = mbconv_space(12, 1, 4).sample(np.random.default_rng(number))
    return Evaluation("start", 0, architecture, loss, 0.5, False, 1000, 900, peak, 2000, 5000)


def test_run_that_was_begun_and_stopped_says_how_to_go_on(run: RunFolder) -> None:
    shown = mcu_nas("show", str(run.path))
    assert shown.out.splitlines() == [
        f"{run.path}: digits on stm32f746g-disco, effort quick, seed 4",
        "stopped: nothing done yet",
        "",
        f"next: mcu-nas search --resume --run '{run.path}'",
    ]


def test_run_at_work_shows_stage_speed_and_time_left(run: RunFolder) -> None:
    progress = ProgressFile(run.progress)
    with run.locked():
        progress.stage("supernet")
        progress.progress(1, 4, "epoch 0.1/2.0, loss 1.90")
        progress.progress(4, 4, "epoch 2.0/2.0, loss 0.61, 1,402 img/s", {"loss": 0.61})
        shown = mcu_nas("show", str(run.path)).out
        record = json.loads(mcu_nas("show", str(run.path), "--json").out)
    line = "running: supernet 4/4, epoch 2.0/2.0, loss 0.61, 1,402 img/s, ETA 0:00 ("
    assert shown.splitlines()[1].startswith(line)
    assert shown.splitlines()[-1] == f"next: mcu-nas show '{run.path}'"
    assert record["state"] == "running"
    assert {name: record["progress"][name] for name in ("stage", "done", "total", "figures")} == {
        "stage": "supernet",
        "done": 4,
        "total": 4,
        "figures": {"loss": 0.61},
    }


def test_search_under_way_shows_its_best_and_its_front(run: RunFolder) -> None:
    with run.locked():
        history = History(run.search_log)
        for number, (loss, peak) in enumerate([(0.4, 100), (0.5, 90), (0.6, 95)]):
            history.append(evaluation(number, loss, peak))
        shown = mcu_nas("show", str(run.path)).out
        record = json.loads(mcu_nas("show", str(run.path), "--json").out)
        history.close()
    assert "3 subnets evaluated, the best with loss 0.4000 and accuracy 50.00% on validation data" in shown
    assert "front: 2 that no other beats" in shown
    assert record["evaluations"] == 3
    assert record["best"]["number"] == 0
    assert [(member["number"], member["loss"]) for member in record["front"]] == [(0, 0.4), (1, 0.5)]


def test_run_whose_process_was_killed_is_stopped_where_it_was(run: RunFolder) -> None:
    ProgressFile(run.progress).stage("exploration")
    code = (
        "import sys; from pathlib import Path; from mcu_nas.search.run.run_folder import RunFolder\n"
        "with RunFolder(Path(sys.argv[1])).locked(): print('locked', flush=True); sys.stdin.read()"
    )
    search = subprocess.Popen(
        [sys.executable, "-c", code, str(run.path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert search.stdout is not None
    with search:
        search.stdout.readline()
        assert mcu_nas("show", str(run.path)).out.splitlines()[1].startswith("running: exploration")
        search.kill()
    shown = mcu_nas("show", str(run.path)).out
    assert shown.splitlines()[1] == "stopped at exploration"
    assert shown.splitlines()[-1] == f"next: mcu-nas search --resume --run '{run.path}'"


def test_log_of_a_killed_search_is_read_to_its_last_evaluation(run: RunFolder, tmp_path: Path) -> None:
    history = History(run.search_log)
    history.append(evaluation(0, 0.4, 100))
    killed = Path(shutil.copytree(run.path, tmp_path / "killed"))  # as it lies there while it is written
    history.close()
    assert (killed / "search.sqlite-wal").exists()
    assert [e.loss for e in read_log(killed / "search.sqlite")] == [0.4]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_run_in_a_folder_that_one_may_only_read_is_shown(run: RunFolder) -> None:
    history = History(run.search_log)
    history.append(evaluation(0, 0.4, 100))
    history.close()
    run.path.chmod(0o555)
    assert "1 subnets evaluated" in mcu_nas("show", str(run.path)).out
    run.path.chmod(0o755)


def test_log_that_is_only_begun_holds_nothing(tmp_path: Path) -> None:
    assert read_log(tmp_path / "none.sqlite") == []
    sqlite3.connect(tmp_path / "empty.sqlite").close()
    assert read_log(tmp_path / "empty.sqlite") == []


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("search.sqlite", "not a database at all, whatever it is called" * 20, "not a search log"),
        ("run.json", "{", "cannot be read"),
        ("run.json", "[" * 100_000, "run.json cannot be read: maximum recursion depth exceeded"),
    ],
)
def test_broken_run_is_one_line(name: str, text: str, message: str, run: RunFolder) -> None:
    (run.path / name).write_text(text)
    shown = mcu_nas("show", str(run.path))
    assert (shown.code, shown.out, shown.err.count("\n")) == (2, "", 1)
    assert message in shown.err


@pytest.mark.parametrize("section", ["stage_one", "supernet", "holdout", "winner", "accuracy", "firmware"])
@pytest.mark.parametrize("content", [None, [1], {"a": 1}])
def test_section_that_is_not_as_this_version_writes_it_is_one_line(
    section: str, content: object, run: RunFolder
) -> None:
    run.record(section, content)
    shown = mcu_nas("show", str(run.path))
    assert (shown.code, shown.out, shown.err.count("\n")) == (2, "", 1)
    assert f"error: {run.path}/run.json is not as this version writes it (" in shown.err
    assert shown.err.endswith("): start the search anew, or use the version of mcu_nas that wrote it\n")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("architecture = 'x'", "evaluation 0 is damaged: Expecting value"),
        ("architecture = '[]'", "evaluation 0 is damaged: 'list' object has no attribute 'items'"),
        ("loss = 'much'", "evaluation 0 is damaged: loss is no number"),
        ("number = 7", "evaluation 0 is damaged: number 7 stands in its place"),
    ],
)
def test_damaged_evaluation_is_named(change: str, message: str, run: RunFolder) -> None:
    history = History(run.search_log)
    history.append(evaluation(0, 0.4, 100))
    history.close()
    with contextlib.closing(sqlite3.connect(run.search_log, isolation_level=None)) as connection:
        connection.execute(f"UPDATE evaluations SET {change}")
    shown = mcu_nas("show", str(run.path))
    assert (shown.code, shown.out) == (2, "")
    assert f"error: {run.search_log}: {message}" in shown.err
    with pytest.raises(RunFolderError, match=re.escape(message)):
        History(run.search_log)


def append_many(history: History) -> None:
    for number in range(1, 40):
        history.append(evaluation(number, 0.4, 100))


def test_evaluation_that_cannot_be_written_says_so(run: RunFolder) -> None:
    history = History(run.search_log)
    history.append(evaluation(0, 0.4, 100))
    with contextlib.closing(sqlite3.connect(run.search_log)) as connection:
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
    history._connection.execute(f"PRAGMA max_page_count = {pages}")  # as a full disk is to SQLite
    full = "an evaluation cannot be written: database or disk is full; once"
    with pytest.raises(RunFolderError, match=full):
        append_many(history)
    history.close()


@pytest.mark.parametrize(
    "text",
    [
        "[1,",
        "{}",
        "[" * 100_000,
        '{"stage": 1, "done": 1, "total": 2, "detail": "", "eta_seconds": 1, "unix_time": 0}',
        '{"stage": "x", "done": "1", "total": 2, "detail": "", "eta_seconds": 1, "unix_time": 0}',
        '{"stage": "x", "done": 1, "total": 2, "detail": "", "eta_seconds": NaN, "unix_time": 0}',
    ],
)
def test_broken_progress_is_no_progress(text: str, run: RunFolder) -> None:
    run.progress.write_text(text)
    assert mcu_nas("show", str(run.path)).out.splitlines()[1] == "stopped: nothing done yet"


def test_show_works_where_torch_is_not_installed(run: RunFolder) -> None:
    code = (
        "import sys; sys.modules['torch'] = None\nfrom mcu_nas.cli import main; main(['show', sys.argv[1]])"
    )
    done = subprocess.run([sys.executable, "-c", code, str(run.path)], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
