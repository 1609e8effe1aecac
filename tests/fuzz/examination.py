"""What every file must come to, sound or not: a program or one line, in bounded time and memory."""

from __future__ import annotations

import hashlib
import resource
import signal
import subprocess
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from mcu_nas.compiler.emit import write_sources
from mcu_nas.compiler.planner import Optimize, plan
from mcu_nas.compiler.program import Program, compile_graph
from mcu_nas.errors import McuNasError
from mcu_nas.tflite.reader import parse_tflite

MAX_SECONDS = 5  # of processor time, so that a busy machine finds no more than an idle one
MAX_GROWTH_BYTES = 64 << 20  # beside twice the file

_PEAK_MEMORY = Path("/proc/self/clear_refs")
_RESET_PEAK = "5"  # proc(5)


class _OutOfTimeError(BaseException):
    """No subclass of Exception, which nothing in between may catch."""


@dataclass(frozen=True)
class Examined:
    """How a file fared.

    ``program`` is None where it was refused. ``growth_bytes``: how far memory rose above where it was
    before. ``fault``: what must not happen, in a line or with a traceback; empty if nothing did. ``where``
    tells faults apart: the line of code that raised, or the limit.
    """

    program: Program | None
    seconds: float
    growth_bytes: int
    fault: str = ""
    where: str = ""


def examine(data: bytes) -> Examined:
    """Read, compile and plan the bytes of a file in this process."""
    program, fault, where = None, "", ""
    before = _reset_peak_memory()
    began, processor_began = time.perf_counter(), time.process_time()
    try:
        with _limited_time():
            program = compiled(data)
    except McuNasError as error:
        if "\n" in str(error) or not str(error).startswith(("fuzzed.tflite: ", "op ", "the model ")):
            fault, where = f"more than a line that names the file: {error}", "message"
    except _OutOfTimeError:
        fault, where = "".join(traceback.format_exc(limit=-6)), "time"
    except BaseException as error:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        fault, where = traceback.format_exc(), f"{type(error).__name__}, {frame.filename}:{frame.lineno}"
    seconds, processor_seconds = time.perf_counter() - began, time.process_time() - processor_began
    growth = _peak_memory() - before
    if not fault and processor_seconds > MAX_SECONDS:
        fault, where = f"took {processor_seconds:.1f} s", "time"
    if not fault and growth > 2 * len(data) + MAX_GROWTH_BYTES:
        fault, where = f"memory grew by {growth:,} bytes for a file of {len(data):,}", "memory"
    return Examined(program, seconds, growth, fault, where)


def compiled(data: bytes) -> Program:
    """The program of a file for least memory, after planning it for speed, too.

    Raises:
        McuNasError: the file is no model that is compiled.
    """
    graph = parse_tflite(data, "fuzzed.tflite")
    program = compile_graph(graph, "fuzzed", hashlib.sha256(data).hexdigest()[:16])
    plan(program.graph.network, Optimize.SPEED)
    return program


def faults_in_c(program: Program, folder: Path) -> str:
    """What gcc says of the C of a program, which is written to a folder: nothing if it is sound."""
    write_sources(program, folder)
    sources = [folder / f"{program.name}.c", folder / f"{program.name}_weights.c"]
    flags = ("-std=c11", "-fsyntax-only", "-Wall", "-Wextra", "-Werror")
    command = ["gcc", *flags, f"-I{folder}", f"-I{folder / 'kernels'}", *map(str, sources)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stderr if done.returncode else ""


@contextmanager
def _limited_time() -> Iterator[None]:
    def give_up(number: int, frame: FrameType | None) -> None:
        raise _OutOfTimeError

    previous = signal.signal(signal.SIGPROF, give_up)
    signal.setitimer(signal.ITIMER_PROF, MAX_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, previous)


def _reset_peak_memory() -> int:
    """Linux can forget the peak; elsewhere only growth beyond all former inputs' is seen."""
    if _PEAK_MEMORY.exists():
        _PEAK_MEMORY.write_text(_RESET_PEAK)
    return _peak_memory()


def _peak_memory() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024  # Linux counts KiB
