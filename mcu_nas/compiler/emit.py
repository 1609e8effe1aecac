"""The generated C of a Program: which files there are, and writing them to a folder.

    NAME.h           sizes, quantization, prototypes         (emit_header)
    NAME.c           one function a layer, called in order   (emit_model)
    NAME_weights.c   constant arrays                         (emit_weights)
    NAME_weights.h   their declarations
    NAME_kernels.S   layers in assembly, if there are any    (emit_kernels)
    kernels/         the kernels used, copied from firmware/kernels
    CMakeLists.txt   for add_subdirectory, or what another build system needs (build_systems)

Nothing in the files depends on the time or the machine: the same model gives the same bytes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from mcu_nas.compiler.build_systems import BuildSystem, arrange
from mcu_nas.compiler.emit_header import emit_header
from mcu_nas.compiler.emit_kernels import emit_kernels
from mcu_nas.compiler.emit_model import emit_model
from mcu_nas.compiler.emit_weights import emit_weights_header, emit_weights_source
from mcu_nas.compiler.place import check_place
from mcu_nas.compiler.program import Program
from mcu_nas.errors import UsageError
from mcu_nas.files import staging
from mcu_nas.resources import firmware_dir

_LOCAL_INCLUDE = re.compile(r'^#include "([a-z0-9_]+\.h)"$', re.MULTILINE)


def emit_sources(program: Program, build_system: BuildSystem = BuildSystem.CMAKE) -> dict[str, str]:
    """All generated files: relative path -> text."""
    name = program.name
    sources = {
        f"{name}.h": emit_header(program),
        f"{name}.c": emit_model(program),
        f"{name}_weights.h": emit_weights_header(program),
        f"{name}_weights.c": emit_weights_source(program),
        **({f"{name}_kernels.S": emit_kernels(program)} if program.generated else {}),
        **_kernel_files(program),
    }
    return arrange(program, sources, build_system)


def write_sources(
    program: Program,
    out_dir: Path,
    build_system: BuildSystem = BuildSystem.CMAKE,
    further: Mapping[str, str] | None = None,
) -> list[Path]:
    """Write all generated files into ``out_dir``, which is created; returns their paths.

    ``further`` generated files, relative path -> text, are written with them: all or none.

    Raises:
        UsageError: the folder cannot be written, or holds another model or files of somebody else.
    """
    sources = {**emit_sources(program, build_system), **(further or {})}
    try:
        check_place(out_dir, program.name, sources)
        with staging(out_dir) as staged:
            for relative, text in sources.items():
                (staged / relative).parent.mkdir(parents=True, exist_ok=True)
                (staged / relative).write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        reason = error.strerror or error
        raise UsageError(f"{out_dir}: cannot write the generated C: {reason}") from error
    return [out_dir / relative for relative in sources]


def _kernel_files(program: Program) -> dict[str, str]:
    """The used kernels and every header that they, NAME.h and NAME_weights.h include."""
    folder = firmware_dir() / "kernels"
    files: dict[str, str] = {}
    pending = ["mcu_model.h", "requantize.h"]
    for stem in program.kernel_stems():
        pending += [f"{stem}.h", f"{stem}.c"]
    while pending:
        file = pending.pop()
        if f"kernels/{file}" not in files:
            files[f"kernels/{file}"] = text = (folder / file).read_text(encoding="utf-8")
            pending += _LOCAL_INCLUDE.findall(text)
    return dict(sorted(files.items()))
