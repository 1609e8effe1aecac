"""The command group: help, errors on one line, exit codes."""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Callable

import click
import pytest

from mcu_nas.cli import COMMANDS, main
from mcu_nas.errors import ModelError, NothingFitsError
from tests.command_line import mcu_nas


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_of_the_list_exists_with_examples(name: str) -> None:
    command = importlib.import_module(f"mcu_nas.cli.{name}").command
    assert isinstance(command, click.Command)
    assert f"mcu-nas {name}" in (command.epilog or "")


def test_help_imports_no_command() -> None:
    code = (
        "import sys, mcu_nas.cli\n"
        "try: mcu_nas.cli.main(['--help'])\n"
        "except SystemExit: pass\n"
        "print([m for m in sys.modules if m.startswith('mcu_nas.cli.')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_no_command_prints_the_help() -> None:
    done = mcu_nas()
    assert done.code == 2
    assert "Commands:" in done.err


def test_version_is_the_packages() -> None:
    assert mcu_nas("--version").out.startswith("mcu-nas, version ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["audti"], "unknown command 'audti': did you mean 'audit'? See `mcu-nas --help`."),
        (["xyzzy"], "unknown command 'xyzzy'. See `mcu-nas --help`."),
        (["audit"], "Missing argument 'MODEL.tflite|RUN'. See `mcu-nas audit --help`."),
        (["audit", "m.tflite"], "Missing option '--board'. See `mcu-nas audit --help`."),
    ],
)
def test_wrong_usage_is_one_line_with_the_help_to_ask_for(arguments: list[str], message: str) -> None:
    done = mcu_nas(*arguments)
    assert (done.code, done.out, done.err) == (2, "", f"error: {message}\n")


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Callable[[BaseException], None]:
    """Make the command `audit` raise something."""
    module = importlib.import_module("mcu_nas.cli.audit")

    def install(error: BaseException) -> None:
        @click.command()
        def command() -> None:
            raise error

        monkeypatch.setattr(module, "command", command)

    return install


@pytest.mark.parametrize(
    ("error", "exit_code", "line"),
    [
        (ModelError("m.tflite: broken"), 2, "error: m.tflite: broken\n"),
        (NothingFitsError("nothing fits"), 1, "error: nothing fits\n"),
        (PermissionError(13, "Permission denied", "out/x.c"), 2, "error: out/x.c: Permission denied\n"),
    ],
)
def test_error_ends_in_one_line_and_its_exit_code(
    failing: Callable, error: Exception, exit_code: int, line: str
) -> None:
    failing(error)
    done = mcu_nas("audit")
    assert (done.code, done.err) == (exit_code, line)


def test_interrupt_exits_as_shells_report_it(failing: Callable) -> None:
    failing(KeyboardInterrupt())
    done = mcu_nas("audit")
    assert done.code == 130
    assert done.err.strip() == "error: interrupted"


def test_debug_shows_where_an_error_came_from(failing: Callable) -> None:
    failing(ModelError("m.tflite: broken"))
    with pytest.raises(ModelError):
        main(["--debug", "audit"])


def test_defect_of_the_program_is_not_hidden(failing: Callable) -> None:
    failing(ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        main(["audit"])
