"""Ctrl-C during a search: one line that says how to go on, exit code 130, no process left behind."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mcu_nas.search.run.run_folder import RunFolder
from tests.cli.small_run import write_idx


def test_interrupted_search_says_how_to_resume(tmp_path: Path) -> None:
    data, run = tmp_path / "digits", tmp_path / "my run"
    data.mkdir()
    rng = np.random.default_rng(0)
    for part, count in (("train", 9000), ("t10k", 40)):
        write_idx(data / f"{part}-images-idx3-ubyte", rng.integers(0, 256, (count, 8, 8)))
        write_idx(data / f"{part}-labels-idx1-ubyte", np.arange(count) % 4)
    command = [
        *(sys.executable, "-c", "from mcu_nas.cli import main; main()", "search", "--threads", "1"),
        *("--board", "stm32f746g-disco", "--data", str(data), "--run", str(run)),
    ]
    search = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    assert search.stderr is not None
    with search:
        for line in search.stderr:
            if line == "supernet ...\n":
                break
        os.killpg(search.pid, signal.SIGINT)  # as a terminal does: to every process of the command
        said = search.stderr.read().splitlines()
    resume = f"`mcu-nas search --resume --run {shlex.quote(str(run))}`"
    assert said[-1] == f"error: interrupted: {resume} goes on"
    assert sum(line.startswith("error: ") for line in said) == 1
    assert not any("Traceback" in line for line in said)
    assert search.returncode == 130
    with pytest.raises(ProcessLookupError):
        os.killpg(search.pid, 0)
    assert RunFolder.open(run).request().board == "stm32f746g-disco"
