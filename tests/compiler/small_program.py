"""A small compiled model, and compilers that take its C, for tests of what is generated."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

from mcu_nas.compiler.program import Program, compile_graph
from mcu_nas.devices.toolchain import C_WARNINGS
from mcu_nas.graph import ImageInput
from mcu_nas.resources import firmware_dir
from tests.graphs import GraphMaker

STRICT = ("-Werror", *C_WARNINGS)
CPP_STRICT = ("-Werror", *(flag for flag in C_WARNINGS if not flag.endswith("prototypes")))


def small_program(
    name: str = "kws",
    labels: tuple[str, ...] = (),
    output: str | None = None,
    seed: int = 0,
    image_input: ImageInput | None = None,
) -> Program:
    """A model of one input, a residual and four outputs; ``output`` names the last tensor."""
    maker = GraphMaker(seed)
    x = source = maker.activation("pixels", (1, 8, 8, 3))
    x = maker.conv(x, 8, (3, 3), (2, 2))
    x = maker.add(x, maker.depthwise(maker.conv(x, 8, (1, 1)), 1, (3, 3)))
    x = maker.fully_connected(maker.mean(maker.pool(x, (2, 2))), 4)
    if output is not None:
        maker.tensors[x] = type(maker.tensors[x])(output, maker.tensors[x].shape)
    graph = replace(maker.graph((source,), (x,), labels), image_input=image_input)
    return compile_graph(graph, name, "0123456789abcdef")


def kernel_sources(*, helium: bool = False) -> list[Path]:
    """The C files of the kernels for any core, or of those with Helium alone."""
    sources = sorted((firmware_dir() / "kernels").glob("*.c"))
    return [source for source in sources if source.stem.endswith("_mve") is helium]


def run(*command: str | Path, cwd: Path) -> str:
    """What a command prints; it must succeed."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}"
    return done.stdout


def compile_c(compiler: str, folder: Path, *options: str, target: str = "objects") -> list[Path]:
    """Objects of every C file below ``folder``, compiled as C11 with all warnings as errors."""
    objects = []
    (folder / target).mkdir()
    for source in sorted(folder.rglob("*.c")):
        objects.append(folder / target / f"{source.stem}.o")
        run(compiler, "-std=c11", *STRICT, *options, "-c", source, "-o", objects[-1], cwd=folder / target)
    return objects
