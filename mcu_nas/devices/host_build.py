"""Generated C built by the host's gcc: shared libraries of one model, executables of any number.

Kernels are compiled once in a process for each set of flags; only a model's own files are compiled anew.
"""

from __future__ import annotations

import atexit
import tempfile
from collections.abc import Sequence
from enum import Enum
from functools import cache
from pathlib import Path

from mcu_nas.compiler.emit import write_sources
from mcu_nas.compiler.program import Program
from mcu_nas.devices.toolchain import C_WARNINGS, run_tool
from mcu_nas.errors import BuildError
from mcu_nas.resources import firmware_dir


class HostBuild(Enum):
    """How gcc compiles: for speed; under sanitizers; so that kernels report their steps (row_done.h)."""

    FAST = ("-O3", "-march=native", "-fPIC")
    SANITIZED = ("-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
    CHECKING = ("-O1", "-fPIC", "-DMCU_CHECK_ROWS")


def build_library(program: Program, folder: Path, build: HostBuild) -> Path:
    """A shared library of one model and of batch.h, where its build is CHECKING of poison.h, too.

    Raises:
        ToolError: gcc is missing.
        BuildError: gcc refused the generated C.
    """
    host = ("batch", "poison") if build is HostBuild.CHECKING else ("batch",)
    library = folder / "model.so"
    _link((program,), folder, build, host, ("-shared",), library)
    return library


def build_runner(programs: Sequence[Program], folder: Path) -> Path:
    """A sanitized executable of models that have different names: firmware/host/runner.c.

    Raises:
        ToolError: gcc is missing.
        BuildError: gcc refused the generated C.
    """
    table = folder / "host_models.c"
    names = [f"{program.name}_model" for program in programs]
    table.write_text(
        '#include "mcu_model.h"\n\n'
        + "".join(f"extern const struct mcu_model {name};\n" for name in names)
        + "extern const struct mcu_model *const host_models[];\n"
        + f"const struct mcu_model *const host_models[] = {{{', '.join(f'&{name}' for name in names)}}};\n"
    )
    runner = folder / "runner"
    _link(programs, folder, HostBuild.SANITIZED, ("batch", "runner"), (table,), runner)
    return runner


def _link(
    programs: Sequence[Program],
    folder: Path,
    build: HostBuild,
    host: tuple[str, ...],
    further: tuple[str | Path, ...],
    target: Path,
) -> None:
    """Compiles the models' own files in ``folder`` and links them with the kernels and the host's files."""
    sources = []
    for program in programs:
        written = write_sources(program, folder / program.name)
        sources += [path for path in written if path.suffix == ".c" and path.parent.name != "kernels"]
    stems = sorted({stem for program in programs for stem in program.kernel_stems()})
    objects = [_object("kernels", stem, build) for stem in stems]
    objects += [_object("host", stem, build) for stem in host]
    title = programs[0].name if len(programs) == 1 else f"{len(programs)} models"
    _gcc(title, [*_flags(build), *further, *sources, *objects, "-o", target])


def _flags(build: HostBuild) -> list[str]:
    return ["-std=c11", "-Werror", *C_WARNINGS, *build.value, f"-I{firmware_dir() / 'kernels'}"]


@cache
def _object(folder: str, stem: str, build: HostBuild) -> Path:
    """The object file of one of the firmware's own sources."""
    target = _objects() / f"{folder}-{stem}-{build.name}.o"
    _gcc(stem, [*_flags(build), "-c", firmware_dir() / folder / f"{stem}.c", "-o", target])
    return target


@cache
def _objects() -> Path:
    """A folder that lasts as long as the process."""
    folder = tempfile.TemporaryDirectory(prefix="mcu_nas-objects-")
    atexit.register(folder.cleanup)
    return Path(folder.name)


def _gcc(title: str, arguments: Sequence[str | Path]) -> None:
    done = run_tool("gcc", arguments)
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines()
        first = next((line for line in lines if "error" in line), f"exit code {done.returncode}")
        raise BuildError(f"{title}: gcc refused the generated C: {first}")
