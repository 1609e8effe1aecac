"""One small search that all tests of this folder look at."""

from __future__ import annotations

from pathlib import Path

import pytest

from mcu_nas.search.run.run_folder import RunFolder
from tests.search.small_search import request, run, write_data


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set that a search gets through in seconds."""
    return write_data(tmp_path_factory.mktemp("data") / "fashion")


@pytest.fixture(scope="session")
def finished(data: Path, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A finished search."""
    path = tmp_path_factory.mktemp("runs") / "whole"
    run(path, request(data))
    return RunFolder(path)
