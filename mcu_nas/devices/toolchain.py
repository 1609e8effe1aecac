"""The programs that build, emulate and flash firmware: where they are, or what to install."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from mcu_nas.errors import BuildError, ToolError

# What all C of this project, generated and written, compiles without a word of: gcc and clang.
C_WARNINGS = (
    "-Wall",
    "-Wextra",
    "-Wpedantic",
    "-Wconversion",
    "-Wsign-conversion",
    "-Wcast-qual",
    "-Wdouble-promotion",
    "-Wmissing-prototypes",
    "-Wshadow",
    "-Wstrict-prototypes",
    "-Wundef",
    "-Wvla",
)

# The Debian packages that bring the programs.
_PACKAGES = {
    "arm-none-eabi-gcc": "gcc-arm-none-eabi libnewlib-arm-none-eabi",
    "arm-none-eabi-nm": "binutils-arm-none-eabi",
    "arm-none-eabi-objcopy": "binutils-arm-none-eabi",
    "arm-none-eabi-objdump": "binutils-arm-none-eabi",
    "arm-none-eabi-size": "binutils-arm-none-eabi",
    "gcc": "gcc libc6-dev",
    "openocd": "openocd",
    "qemu-system-arm": "qemu-system-arm",
    "setpriv": "util-linux",
    "st-flash": "stlink-tools",
    "st-info": "stlink-tools",
}
_BUILDING = (
    "arm-none-eabi-gcc",
    "arm-none-eabi-nm",
    "arm-none-eabi-objcopy",
    "arm-none-eabi-objdump",
    "arm-none-eabi-size",
    "gcc",
)
_EMULATING = ("qemu-system-arm", "setpriv")


def find_tool(program: str) -> Path:
    """Where a program of _PACKAGES lies on the PATH.

    Raises:
        ToolError: it is not installed; says which Debian package brings it.
    """
    found = shutil.which(program)
    if found is None:
        raise ToolError(f"{program} is not installed: `apt install {_PACKAGES[program]}` brings it on Debian")
    return Path(found)


def run_tool(program: str, arguments: Sequence[str | Path]) -> subprocess.CompletedProcess[str]:
    """Runs a program to its end and captures what it writes; the caller judges its exit code.

    Raises:
        ToolError: it is not installed.
    """
    command = [str(find_tool(program)), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)


def image_listing(program: str, options: Sequence[str], elf: Path) -> str:
    """What a program that reads linked images prints of one.

    Raises:
        ToolError: it is not installed.
        BuildError: it refuses the image.
    """
    listing = run_tool(program, [*options, elf])
    if listing.returncode != 0:
        raise BuildError(f"{program} cannot read {elf}")
    return listing.stdout


def require_firmware_tools(emulated: bool) -> None:
    """Before minutes are spent on what only needs these at its end.

    Raises:
        ToolError: a compiler, or with ``emulated`` the emulator, is not installed.
    """
    for program in (*_BUILDING, *(_EMULATING if emulated else ())):
        find_tool(program)
