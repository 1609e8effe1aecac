"""Firmware: a generated model, the harness and a board's port become one image.

The compiler is called directly, one source at a time, in a temporary folder; the results are moved into
place only when all of them are there.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from mcu_nas.boards import Board
from mcu_nas.cores import CORE_FLAGS
from mcu_nas.devices.hot_code import hot_functions
from mcu_nas.devices.linker import linker_script
from mcu_nas.devices.stack_bound import StackBound, stack_bound
from mcu_nas.devices.toolchain import C_WARNINGS, run_tool
from mcu_nas.errors import BoardError, BuildError
from mcu_nas.files import staging
from mcu_nas.resources import firmware_dir

COMPILER_FLAGS = (
    "-std=c11",
    "-O2",
    "-g",
    "-ffunction-sections",
    "-fdata-sections",
    "-fno-jump-tables",  # so that stack_bound can tell where code goes on
    *C_WARNINGS,
)
_JOBS = 2


@dataclass(frozen=True)
class FirmwareImage:
    """A linked image and where its bytes go.

    Attributes:
        elf, binary: the image with symbols, and the bytes that a flash tool writes at the flash's origin.
        code_bytes: vectors, harness, port, kernels and the C library's functions.
        hot_code_bytes: of the code, what is copied from flash into the board's region for hot code.
        constant_bytes: weights and other constants.
        flash_bytes: all that lies in flash: code, constants, and initial values of variables.
        variable_bytes: static variables of harness and port, without the arena.
        arena_bytes: the arena as linked, a multiple of 4.
        stack_bytes: the board's reserve.
        stack_bound: what the stack can come to, at most; None of a program that is not the harness.
    """

    elf: Path
    binary: Path
    code_bytes: int
    hot_code_bytes: int
    constant_bytes: int
    flash_bytes: int
    variable_bytes: int
    arena_bytes: int
    stack_bytes: int
    stack_bound: StackBound | None

    @property
    def sram_bytes(self) -> int:
        """Stack, arena and static variables together."""
        return self.stack_bytes + self.arena_bytes + self.variable_bytes


def build_firmware(sources: Path, model_name: str, board: Board, out_dir: Path) -> FirmwareImage:
    """Builds ``out_dir/<model_name>-<board>.{elf,bin}``.

    Args:
        sources: folder with the generated C: <model_name>.h, the model's sources and the kernels they use.
        model_name: the C identifier that the model was generated with.
        board: decides core, port, clock and memory.
        out_dir: made where it is missing. Left as it was where the build fails.

    Raises:
        ToolError: no Arm compiler is installed.
        BuildError: the compiler's first error, or which memory the image exceeds and by how much.
        BoardError: the board reserves less than the firmware needs, or its numbers do not suit its port.
    """
    program = [
        sources / f"{model_name}.c",
        sources / f"{model_name}_weights.c",
        *sources.glob(f"{model_name}_kernels.S"),
        *sorted(sources.glob("kernels/*.c")),
        *_sources_in("harness"),
        *port_sources(board),
    ]
    flags = _model_flags(sources, model_name, board)
    return build_program(program, flags, f"{model_name}-{board.name}", board, out_dir, model_name)


def port_sources(board: Board) -> list[Path]:
    """The C sources that start a board's microcontroller and implement firmware/harness/port.h."""
    return [*_sources_in("cortex_m"), *_sources_in("ports", board.port)]


def _sources_in(*folder: str) -> list[Path]:
    return sorted(firmware_dir().joinpath(*folder).glob("*.c"))


def _model_flags(sources: Path, model_name: str, board: Board) -> list[str]:
    constants = {
        "MCU_MODEL_SYMBOL": f"{model_name}_model",
        "MCU_MODEL_HEADER": f'"{model_name}.h"',
        "MCU_ARENA_BYTES": f"{model_name.upper()}_ARENA_BYTES",
        "BOARD_BAUD": f"{board.serial.baud}u",
    }
    return [f"-I{sources}", *(f"-D{name}={value}" for name, value in constants.items())]


def _board_flags(board: Board) -> list[str]:
    """What every source is compiled with for a board, whatever the program."""
    firmware = firmware_dir()
    folders = (
        firmware / "kernels",
        firmware / "harness",
        firmware / "cortex_m",
        firmware / "ports" / board.port,
    )
    return [
        *CORE_FLAGS[board.core],
        *(f"-I{folder}" for folder in folders),
        f'-DBOARD_NAME="{board.title}"',
        f"-DBOARD_CLOCK_HZ={board.clock_hz}u",
    ]


def build_program(
    program: Sequence[Path],
    flags: Sequence[str],
    stem: str,
    board: Board,
    out_dir: Path,
    model_name: str | None = None,
) -> FirmwareImage:
    """Compiles any C program for a board and links it to ``out_dir/<stem>.{elf,bin}``.

    For programs that bring their own ``main`` and name their port's sources (see ``port_sources``).
    ``model_name`` is that of the harness's model, whose stack is bounded.

    Raises:
        ToolError, BuildError, BoardError: as ``build_firmware``.
    """
    with tempfile.TemporaryDirectory(prefix="mcu-nas-build-") as scratch_name:
        scratch = Path(scratch_name)
        objects = _compile(program, [*COMPILER_FLAGS, *flags, *_board_flags(board)], board, scratch)
        elf, binary = scratch / f"{stem}.elf", scratch / f"{stem}.bin"
        _link(objects, board, elf, binary)
        if model_name is not None and (region := board.hot_code_region):
            hot = hot_functions(elf, binary, board.largest_region("flash").origin, region.bytes)
            _link(objects, board, elf, binary, hot)
        sizes = _section_sizes(elf)
        bound = None if model_name is None else _checked_stack(elf, model_name, board)
        with staging(out_dir) as staged:
            for result in (elf, binary):
                shutil.copyfile(result, staged / result.name)
    code_bytes = sizes[".vectors"] + sizes[".hot"] + sizes[".text"]
    return FirmwareImage(
        elf=out_dir / elf.name,
        binary=out_dir / binary.name,
        code_bytes=code_bytes,
        hot_code_bytes=sizes[".hot"],
        constant_bytes=sizes[".rodata"],
        flash_bytes=code_bytes + sizes[".rodata"] + sizes[".data"],
        variable_bytes=sizes[".data"] + sizes[".bss"],
        arena_bytes=sizes[".arena"],
        stack_bytes=board.reserve.stack_bytes,
        stack_bound=bound,
    )


def _checked_stack(elf: Path, model_name: str, board: Board) -> StackBound:
    bound, reserved = stack_bound(elf, model_name), board.reserve.stack_bytes
    if bound.firmware_bytes > reserved:
        raise BoardError(
            f"{board.name}: [reserve] stack_bytes is {reserved:,}: the firmware of {model_name} can come to"
            f" need {bound.firmware_bytes:,} B of stack"
        )
    return bound


def _compile(program: Sequence[Path], flags: list[str], board: Board, scratch: Path) -> list[Path]:
    port = _sources_in("ports", board.port)
    constants = [f"-D{name}={value}u" for name, value in board.port_constants.items()]

    def compiled(numbered: tuple[int, Path]) -> Path:
        number, source = numbered
        target = scratch / f"{number}-{source.stem}.o"
        result = run_tool(
            "arm-none-eabi-gcc", [*flags, *(constants if source in port else ()), "-c", source, "-o", target]
        )
        if result.returncode != 0:
            fault = _first_error(result.stderr)
            if source in port:  # which compiles with any board's numbers that suit it
                raise BoardError(
                    f"{board.name}: its clock_hz and [port_constants] do not suit the port {board.port}:"
                    f" {fault.partition('error: ')[2] or fault}"
                )
            raise BuildError(f"{source.name} does not compile: {fault}")
        return target

    with ThreadPoolExecutor(_JOBS) as pool:
        return list(pool.map(compiled, enumerate(program)))


def _link(objects: Sequence[Path], board: Board, elf: Path, binary: Path, hot: Sequence[str] = ()) -> None:
    """Links an image with the functions ``hot`` in the board's region for hot code."""
    script = elf.with_suffix(".ld")
    script.write_text(linker_script(board, hot), encoding="utf-8")
    flags = [*CORE_FLAGS[board.core], "-nostartfiles", f"-T{script}", "-Wl,--gc-sections"]
    linked = run_tool("arm-none-eabi-gcc", [*flags, "-o", elf, *objects])
    if linked.returncode != 0:
        raise _link_fault(linked.stderr, elf.stem, board)
    _checked("arm-none-eabi-objcopy", ["-O", "binary", elf, binary])


def _checked(program: str, arguments: list[str | Path]) -> str:
    result = run_tool(program, arguments)
    if result.returncode != 0:
        raise BuildError(f"{program} failed: {_first_error(result.stderr)}")
    return result.stdout


def _first_error(stderr: str) -> str:
    """The first line of a tool's output that tells of an error, else the first of all."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    errors = [line for line in lines if "error: " in line or "undefined reference" in line]
    return (errors or lines or ["no message"])[0]


def _link_fault(stderr: str, stem: str, board: Board) -> BuildError | BoardError:
    overflows = dict(re.findall(r"region `(\w+)' overflowed by (\d+) byte", stderr))
    whole = {
        "flash": f"{board.flash_bytes:,} B of flash",
        "arena": f"{board.usable_sram_bytes:,} B of SRAM that stack and harness leave to the arena",
        "harness": f"{board.reserve.harness_bytes:,} B of [reserve] harness_bytes",
    }
    if not overflows:
        return BuildError(f"{stem} does not link: {_first_error(stderr)}")
    faults = [f"{int(excess):,} B over the {whole[region]}" for region, excess in overflows.items()]
    kind = BoardError if "harness" in overflows else BuildError  # the reserve is the board's to change
    return kind(f"{stem} does not fit {board.name}: {', and '.join(faults)}")


def _section_sizes(elf: Path) -> dict[str, int]:
    """Bytes of each section of an ELF, by name."""
    table = _checked("arm-none-eabi-size", ["-A", "-d", elf])
    return {name: int(size) for name, size in re.findall(r"^(\.\w+)\s+(\d+)\s", table, re.MULTILINE)}
