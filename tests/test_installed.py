"""The wheel, installed where no checkout is in sight: firmware and boards travel in it.

The environment of these tests lends its dependencies to a fresh one that holds nothing but the wheel.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mcu_nas.cli import COMMANDS
from mcu_nas.quantize.synthetic import random_graph
from mcu_nas.resources import boards_dir
from mcu_nas.spaces.space import mbconv_space
from mcu_nas.tflite.writer import serialize_tflite

CHECKOUT = Path(__file__).parents[1]

Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with the wheel; its dependencies come from ours by a .pth file."""
    folder = tmp_path_factory.mktemp("installed")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder)]
    subprocess.run([*build, str(CHECKOUT)], check=True, capture_output=True)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder / "venv")], check=True)
    python = str(folder / "venv" / "bin" / "python")
    (wheel,) = folder.glob("*.whl")
    install = [sys.executable, "-m", "pip", "--python", python, "install", "-qq", "--no-deps", str(wheel)]
    subprocess.run(install, check=True, capture_output=True)
    # A path in a .pth file is only appended to sys.path: .pth files in there, such as that of our
    # editable install, are not read.
    (site_packages,) = (folder / "venv" / "lib").glob("python*/site-packages")
    (site_packages / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    return folder / "venv"


@pytest.fixture
def installed(environment: Path, tmp_path: Path) -> Command:
    """Runs the installed ``mcu-nas`` in an empty folder, with an empty folder for the user's settings."""

    def run(*arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        done = subprocess.run(
            [environment / "bin" / "mcu-nas", *arguments],
            cwd=tmp_path,
            env={**variables, "XDG_CONFIG_HOME": str(tmp_path / "config")},
            capture_output=True,
            text=True,
        )
        assert done.returncode == code, done.stderr
        return done

    return run


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """An int8 model of our own space, as a file."""
    rng = np.random.default_rng(0)
    space = mbconv_space(28, 1, 10, resolutions=[16], widths=[0.2])
    path = tmp_path / "tiny.tflite"
    path.write_bytes(serialize_tflite(random_graph(space.lower(space.smallest()), rng)))
    return path


def own_board(folder: Path, name: str) -> None:
    folder.mkdir(parents=True)
    shipped = (boards_dir() / "stm32f746g-disco.toml").read_text()
    (folder / f"{name}.toml").write_text(shipped.replace('"stm32f746g-disco"', f'"{name}"'))


def names(installed: Command) -> set[str]:
    return {board["name"] for board in json.loads(installed("boards", "--json").stdout)["boards"]}


def test_package_is_imported_from_the_environment_and_not_from_the_checkout(environment: Path) -> None:
    code = "import mcu_nas, mcu_nas.resources as r; print(mcu_nas.__file__, r.firmware_dir(), r.boards_dir())"
    python = environment / "bin" / "python"
    shown = subprocess.run([python, "-c", code], cwd="/", check=True, capture_output=True, text=True).stdout
    assert len(shown.split()) == 3
    assert all(path.startswith(str(environment)) for path in shown.split())


def test_shipped_boards_are_listed(installed: Command) -> None:
    assert names(installed) == {path.stem for path in (CHECKOUT / "boards").glob("*.toml")}


def test_boards_in_the_current_folder_and_in_the_users_settings_are_found(
    installed: Command, tmp_path: Path
) -> None:
    own_board(tmp_path / "boards", "here")
    own_board(tmp_path / "config" / "mcu_nas" / "boards", "mine")
    assert {"here", "mine", "stm32f746g-disco"} <= names(installed)


def test_audit_runs_from_another_folder(installed: Command, model: Path) -> None:
    assert installed("audit", str(model), "--board", "stm32f746g-disco").stdout


def test_audit_works_with_a_board_of_ones_own(installed: Command, model: Path, tmp_path: Path) -> None:
    own_board(tmp_path / "boards", "here")
    assert installed("audit", str(model), "--board", "here").stdout


@pytest.mark.skipif("compile" not in COMMANDS, reason="there is no `compile` command yet")
def test_compiled_c_is_complete_and_accepted_by_a_c_compiler(
    installed: Command, model: Path, tmp_path: Path
) -> None:
    installed("compile", str(model), "--board", "stm32f746g-disco", "--out", "c")
    sources = sorted((tmp_path / "c").rglob("*.c"))
    assert {"tiny.c", "tiny_weights.c"} <= {path.name for path in sources}
    includes = sorted({f"-I{path.parent}" for path in (tmp_path / "c").rglob("*.h")})
    compile_only = ["gcc", "-std=c11", "-Wall", "-Werror", "-fsyntax-only", *includes]
    subprocess.run([*compile_only, *sources], check=True)
