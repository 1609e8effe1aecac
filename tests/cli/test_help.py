"""Every command explains itself, with examples that name commands and options it has."""

from __future__ import annotations

import re

import click
import pytest

from mcu_nas.cli import COMMANDS, cli
from tests.command_line import mcu_nas


def options_of(command: str) -> set[str]:
    context = click.Context(cli)
    found = cli.get_command(context, command)
    assert found is not None
    return {name for option in found.params for name in (*option.opts, *option.secondary_opts)}


def test_help_lists_every_command() -> None:
    shown = mcu_nas("--help")
    assert shown.code == 0
    assert all(re.search(rf"^  {command} ", shown.out, re.MULTILINE) for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command_has_examples_that_it_would_accept(command: str) -> None:
    shown = mcu_nas(command, "--help")
    assert shown.code == 0
    examples = re.findall(rf"^ +(?:\$ )?mcu-nas {command}(.*)$", shown.out, re.MULTILINE)
    assert examples, "no example under --help"
    for example in examples:
        assert set(re.findall(r"(?<= )--[a-z-]+", example)) <= options_of(command)


def test_unknown_command_is_one_line_and_exit_code_2() -> None:
    refused = mcu_nas("serach")
    assert refused.code == 2
    assert refused.err.startswith("error: ")
    assert refused.err.count("\n") == 1


@pytest.mark.parametrize("command", COMMANDS)
def test_unknown_option_is_one_line_and_exit_code_2(command: str) -> None:
    refused = mcu_nas(command, "--no-such-option")
    assert refused.code == 2
    assert refused.err.startswith("error: ")
    assert refused.err.count("\n") == 1
    assert f"mcu-nas {command} --help" in refused.err
