"""The README says what is there: its board table, its commands, its files."""

from __future__ import annotations

import importlib.util
import re
import shlex
from pathlib import Path

import click
import pytest

from mcu_nas.cli import COMMANDS, cli

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMAND_LINES = re.findall(r"^(mcu-nas .*?)\s*(?:#.*)?$", README, re.MULTILINE)


def test_board_table_is_made_from_the_board_files() -> None:
    path = ROOT / "scripts" / "board_table.py"
    spec = importlib.util.spec_from_file_location("board_table", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.with_table(README) == README, "run python scripts/board_table.py"


@pytest.mark.parametrize("line", COMMAND_LINES)
def test_command_of_the_readme_parses(line: str) -> None:
    _, name, *arguments = shlex.split(line)
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    command.make_context(name, arguments)


def test_every_command_stands_in_the_readme() -> None:
    assert {shlex.split(line)[1] for line in COMMAND_LINES} == set(COMMANDS)


@pytest.mark.parametrize("target", re.findall(r"\]\(([^)#:]+)\)", README))
def test_linked_file_exists(target: str) -> None:
    assert (ROOT / target).is_file()
