"""A toy device: built once, asked over a pipe or through a serial port."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness.toy_device import Ask, build, exchange, on_terminal


@pytest.fixture(scope="session")
def toy_device(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("toy") / "toy", "-DTOY_MISBEHAVES")


@pytest.fixture
def ask(toy_device: Path) -> Ask:
    """``ask("db load 12", ..., "name")``: the lines that a fresh device answers to the last command."""

    def answer(*commands: str) -> list[str]:
        lines = exchange(toy_device, b"".join(f"{command}%".encode() for command in commands))
        answers = "\n".join(lines).split("m-ready\n")
        return answers[-1].split("\n")

    return answer


@pytest.fixture
def port(toy_device: Path) -> Iterator[str]:
    """The serial port of a freshly booted toy device."""
    with on_terminal(toy_device) as attached:
        yield attached.port
