"""Boards: what a microcontroller board offers, read from one TOML file each.

A board is data. Code never asks for a board's name: what differs between boards is a key of the file, or
lives in firmware/ports/. Files are looked for in ./boards, in the user's configuration folder, and among
the shipped ones; the first that has the name wins. The sub-folder ``cores`` of a board folder holds
core profiles and is none of this module's business.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, ValidationError, field_validator, model_validator

from mcu_nas.board_tables import Flash, Placement, Region, Reserve, Serial, Table
from mcu_nas.cores import CORE_FLAGS
from mcu_nas.errors import BoardError, did_you_mean
from mcu_nas.resources import boards_dir, firmware_dir


class Board(Table):
    """A board. Memories are in bytes, clocks in hertz."""

    name: str = Field(description="the file's name without .toml")
    title: str = Field(description="what the board is called in reports")
    core: str = Field(description=f"processor core, one of {', '.join(sorted(CORE_FLAGS))}")
    clock_hz: int = Field(
        gt=0, lt=1 << 32, description="clock of the core in hertz once the firmware has set it up"
    )
    port: str = Field(description="folder of firmware/ports/ that starts this microcontroller")
    port_constants: dict[str, Annotated[int, Field(ge=0, lt=1 << 32)]] = Field(
        default={}, description="numbers of this board that the port is compiled with"
    )
    memory: tuple[Region, ...] = Field(strict=False, description="the [[memory]] regions, see the datasheet")
    reserve: Reserve = Field(description="the [reserve] table: stack_bytes, harness_bytes, flash_bytes")
    serial: Serial = Field(description="the [serial] table: baud")
    placement: Placement = Field(default=Placement(), description="the [placement] table: hot_code")
    emulator: str | None = Field(default=None, description="QEMU's machine, where QEMU has this board")
    flash: Flash | None = Field(default=None, description="the [flash] table: tools, openocd_config")

    @field_validator("name")
    @classmethod
    def name_is_lower_case_words_joined_by_hyphens(cls, name: str) -> str:
        if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name):
            raise ValueError(f"is '{name}': use lower-case letters and digits, joined by single hyphens")
        return name

    @field_validator("title")
    @classmethod
    def title_fits_a_line_of_the_serial_protocol(cls, title: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9 ().,/+_-]{1,60}", title):
            raise ValueError(f"is '{title}': use up to 60 letters, digits, blanks and ().,/+_-")
        return title

    @field_validator("core")
    @classmethod
    def core_is_one_that_firmware_can_be_built_for(cls, core: str) -> str:
        if core not in CORE_FLAGS:
            raise ValueError(
                f"is '{core}': {did_you_mean(core, CORE_FLAGS)}known are {', '.join(CORE_FLAGS)}"
            )
        return core

    @field_validator("port")
    @classmethod
    def port_exists_in_the_firmware(cls, port: str) -> str:
        known = sorted(path.name for path in (firmware_dir() / "ports").iterdir() if path.is_dir())
        if port not in known:
            raise ValueError(f"is '{port}': {did_you_mean(port, known)}known are {', '.join(known)}")
        return port

    @field_validator("port_constants")
    @classmethod
    def port_constants_are_upper_case_identifiers(cls, constants: dict[str, int]) -> dict[str, int]:
        for name in constants:
            if not re.fullmatch(r"[A-Z][A-Z0-9_]*", name):
                raise ValueError(f"has the key '{name}': use upper-case letters, digits and underscores")
        return constants

    @field_validator("port_constants")
    @classmethod
    def port_constants_leave_alone_what_the_build_defines(cls, constants: dict[str, int]) -> dict[str, int]:
        for name in constants:
            if name.startswith(("BOARD_", "MCU_")):
                raise ValueError(f"has the key '{name}': BOARD_ and MCU_ begin what the build itself defines")
        return constants

    @field_validator("emulator")
    @classmethod
    def emulator_is_the_name_of_a_machine(cls, emulator: str | None) -> str | None:
        if emulator is not None and (emulator == "help" or not re.fullmatch(r"\w[\w.-]*", emulator)):
            raise ValueError(f"is '{emulator}': `qemu-system-arm -M help` lists the machines")
        return emulator

    @field_validator("memory")
    @classmethod
    def regions_have_names_of_their_own(cls, memory: tuple[Region, ...]) -> tuple[Region, ...]:
        names = [region.name for region in memory]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"has {names.count(name)} regions called '{name}'")
        return memory

    @field_validator("memory")
    @classmethod
    def regions_do_not_overlap(cls, memory: tuple[Region, ...]) -> tuple[Region, ...]:
        ordered = sorted(memory, key=lambda region: region.origin)
        for below, above in pairwise(ordered):
            if above.origin < below.end:
                raise ValueError(f"has overlapping regions: {below.name} ends after {above.name} begins")
        return memory

    @field_validator("memory")
    @classmethod
    def memory_has_flash_and_ram(cls, memory: tuple[Region, ...]) -> tuple[Region, ...]:
        for kind in ("flash", "ram"):
            if not any(region.kind == kind for region in memory):
                raise ValueError(f'has no region of kind "{kind}": code and data need one each')
        return memory

    @model_validator(mode="after")
    def hot_code_goes_into_a_region_for_code(self) -> Board:
        known = [region.name for region in self.memory if region.kind == "code"]
        if self.placement.hot_code is not None and self.placement.hot_code not in known:
            listed = ", ".join(known) or "none"
            raise ValueError(
                f"placement.hot_code is '{self.placement.hot_code}': regions of kind \"code\" are {listed}"
            )
        return self

    @model_validator(mode="after")
    def reserve_leaves_room_for_a_model(self) -> Board:
        if self.usable_sram_bytes <= 0:
            taken = self.reserve.stack_bytes + self.reserve.harness_bytes
            raise ValueError(
                f"reserve takes {taken:,} B of {self.sram_bytes:,} B SRAM: nothing is left for a model"
            )
        if self.usable_flash_bytes <= 0:
            raise ValueError(
                f"reserve takes {self.reserve.flash_bytes:,} B of {self.flash_bytes:,} B flash:"
                " nothing is left for a model"
            )
        return self

    def largest_region(self, kind: Literal["flash", "ram"]) -> Region:
        """The largest contiguous memory of a kind, adjacent regions merged; of equals, the lowest."""
        return max(merge_adjacent(self.memory, kind), key=lambda region: (region.bytes, -region.origin))

    @property
    def hot_code_region(self) -> Region | None:
        """Where the busiest kernels run; None: all code runs in flash."""
        wanted = self.placement.hot_code
        return next((region for region in self.memory if region.name == wanted), None)

    @property
    def sram_bytes(self) -> int:
        """Bytes of the largest contiguous RAM: the one that the firmware links into."""
        return self.largest_region("ram").bytes

    @property
    def flash_bytes(self) -> int:
        """Bytes of the largest contiguous flash."""
        return self.largest_region("flash").bytes

    @property
    def usable_sram_bytes(self) -> int:
        """What an arena may use: SRAM less the stack and the harness's data."""
        return self.sram_bytes - self.reserve.stack_bytes - self.reserve.harness_bytes

    @property
    def usable_flash_bytes(self) -> int:
        """What weights, constants and kernels may use: flash less harness and port."""
        return self.flash_bytes - self.reserve.flash_bytes

    def has_room(self, sram_bytes: int, flash_bytes: int) -> bool:
        """Whether a model that needs so much fits beside stack, harness and port."""
        return sram_bytes <= self.usable_sram_bytes and flash_bytes <= self.usable_flash_bytes


def merge_adjacent(memory: tuple[Region, ...], kind: str) -> list[Region]:
    """The regions of one kind in the order of their addresses, each run without gaps as one region."""
    merged: list[Region] = []
    for region in sorted(memory, key=lambda region: region.origin):
        if region.kind != kind:
            continue
        if merged and merged[-1].end == region.origin:
            below = merged.pop()
            region = Region(
                name=f"{below.name}+{region.name}",
                origin=below.origin,
                bytes=below.bytes + region.bytes,
                kind=region.kind,
            )
        merged.append(region)
    return merged


def board_names() -> list[str]:
    """The names of all boards that can be loaded, sorted. Their files are not read."""
    return sorted({path.stem for path in _board_files()})


def load_board(name: str) -> Board:
    """The board of that name.

    Raises:
        BoardError: no file has that name (near names are offered), or the file breaks its schema.
    """
    for path in _board_files():
        if path.stem == name:
            return read_board(path)
    raise BoardError(f"unknown board '{name}': {did_you_mean(name, board_names())}`mcu-nas boards` lists all")


def read_board(path: Path) -> Board:
    """The board in one TOML file.

    Raises:
        BoardError: unreadable, not TOML, or against the schema; names the file and the key.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BoardError(f"{_shown(path)}: cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:  # not UTF-8, not TOML, an endless number, too deep
        raise BoardError(f"{_shown(path)}: cannot be read as TOML: {error}") from error
    try:
        board = Board.model_validate(table)
    except ValidationError as error:
        raise BoardError(f"{_shown(path)}: {_first_fault(error)}") from error
    if board.name != path.stem:
        raise BoardError(
            f"{_shown(path)}: name is '{board.name}': must be '{path.stem}', as the file is called"
        )
    return board


def _board_folders() -> tuple[Path, ...]:
    config = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return (Path("boards"), Path(config) / "mcu_nas" / "boards", boards_dir())


def _board_files() -> Iterator[Path]:
    for folder in _board_folders():
        yield from sorted(folder.glob("*.toml"))


def _shown(path: Path) -> str:
    """The path as a user would type it: relative where it lies below the current folder."""
    absolute = path.absolute()
    return str(absolute.relative_to(Path.cwd()) if absolute.is_relative_to(Path.cwd()) else absolute)


def _first_fault(error: ValidationError) -> str:
    """``key is wrong: what it must be`` for the first fault that pydantic found."""
    fault = error.errors(include_url=False)[0]
    location = fault["loc"]
    key = _key(location)
    match fault["type"]:
        case "missing":
            return f"{key} is missing: {_field(location).description}"
        case "extra_forbidden":
            known = _model_at(location[:-1]).model_fields
            guess = did_you_mean(str(location[-1]), known)
            return f"{key} is not a key of a board: {guess}known here are {', '.join(known)}"
        case "value_error":
            return f"{key} {fault['ctx']['error']}".lstrip()
        case _:
            wanted = fault["msg"][0].lower() + fault["msg"][1:]
            return f"{key} is {fault['input']!r}: {wanted}"


def _key(location: tuple[int | str, ...]) -> str:
    """``memory[0].bytes`` for ("memory", 0, "bytes")."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).lstrip(".")


def _model_at(location: tuple[int | str, ...]) -> type[BaseModel]:
    """The table class that holds the keys at a location."""
    tables: dict[Any, type[BaseModel]] = {
        "memory": Region,
        "reserve": Reserve,
        "placement": Placement,
        "serial": Serial,
        "flash": Flash,
    }
    return tables[location[0]] if location else Board


def _field(location: tuple[int | str, ...]) -> Any:
    return _model_at(location[:-1]).model_fields[str(location[-1])]
