"""A toy device, asked over a pipe or through a serial port; and a small model for emulated ones."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mcu_nas.compiler.program import InputEncoding, Program, compile_graph
from tests.graphs import GraphMaker
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


@pytest.fixture(scope="session")
def program() -> Program:
    """Stem, depthwise, residual, mean and classifier: 12 x 12 x 3 to 10 classes."""
    make = GraphMaker(seed=3)
    pixels = make.activation("pixels", (1, 12, 12, 3))
    stem = make.conv(pixels, 8, (3, 3), stride=(2, 2))
    branch = make.conv(make.depthwise(stem, 1, (3, 3)), 8, (1, 1))
    classes = make.fully_connected(make.mean(make.add(stem, branch)), 10)
    graph = make.graph((pixels,), (classes,))
    return compile_graph(graph, "small", "0123456789abcdef", InputEncoding.PIXEL_U8)
