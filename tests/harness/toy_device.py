"""The harness as a process: host gcc with sanitizers, host/port.c, and the handwritten model toy_model.c."""

from __future__ import annotations

import os
import subprocess
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from mcu_nas.resources import firmware_dir

HERE = Path(__file__).parent
WARNINGS = ("-Wall", "-Wextra", "-Werror", "-Wconversion", "-Wpedantic", "-Wshadow", "-Wstrict-prototypes")
MODEL = (
    '-DMCU_MODEL_HEADER="toy_model.h"',
    "-DMCU_MODEL_SYMBOL=toy_model",
    "-DMCU_ARENA_BYTES=TOY_ARENA_BYTES",
    '-DBOARD_NAME="toy board"',
    "-DBOARD_BAUD=115200",
)
INCLUDES = (f"-I{firmware_dir() / 'harness'}", f"-I{firmware_dir() / 'kernels'}", f"-I{HERE}")
HARNESS = tuple(sorted((firmware_dir() / "harness").glob("*.c")))
SANITIZERS = ("-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")


Ask = Callable[..., list[str]]


def build(target: Path, *flags: str) -> Path:
    """The toy device as a program; ``flags`` add to or replace macros."""
    sources = (*HARNESS, firmware_dir() / "host" / "port.c", HERE / "toy_model.c")
    compiler = ("gcc", "-std=c11", *WARNINGS, *SANITIZERS)
    subprocess.run([*compiler, *INCLUDES, *MODEL, *flags, *sources, "-o", target], check=True)
    return target


def exchange(device: Path, said: bytes) -> list[str]:
    """What a device answers from its boot on, line by line, if told ``said`` and then cut off."""
    done = subprocess.run([device], input=said, capture_output=True, timeout=30)
    assert done.returncode == 0, done.stderr.decode()
    text = done.stdout.decode("ascii")
    assert text.endswith("\r\n")
    assert text.count("\n") == text.count("\r\n") == text.count("\r")
    return text.split("\r\n")[:-1]


@contextmanager
def terminal() -> Iterator[tuple[int, str]]:
    """A pseudo-terminal: the file descriptor of the device's end, the path of the host's."""
    master, slave = os.openpty()
    tty.setraw(slave)
    try:
        yield master, os.ttyname(slave)
    finally:
        os.close(master)
        os.close(slave)


class Attached(NamedTuple):
    """A device at work: the path of its serial port, and its process."""

    port: str
    process: subprocess.Popen[bytes]


@contextmanager
def on_terminal(device: Path) -> Iterator[Attached]:
    """The device on a pseudo-terminal."""
    with terminal() as (master, path), subprocess.Popen([device], stdin=master, stdout=master) as process:
        try:
            yield Attached(path, process)
        finally:
            process.kill()
