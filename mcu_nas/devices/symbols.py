"""The symbols of a linked image, read from ``arm-none-eabi-nm``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from mcu_nas.devices.toolchain import image_listing

_SYMBOL = re.compile(r"^([0-9a-f]{8}) (?:([0-9a-f]{8}) )?([a-zA-Z]) (\S+)$", re.MULTILINE)


@dataclass(frozen=True)
class Symbol:
    """A function, a variable or a number that an image has a name for.

    Attributes:
        value: its address, a function's even; of an absolute symbol the number.
        bytes: its size; 0 where the image states none.
        kind: nm's letter: T, t code; R, r constants; A, a absolute; ...
    """

    name: str
    value: int
    bytes: int
    kind: str


def read_symbols(elf: Path) -> list[Symbol]:
    """All symbols of an image.

    Raises:
        ToolError: arm-none-eabi-nm is not installed.
        BuildError: it refuses the image.
    """
    listing = image_listing("arm-none-eabi-nm", ["-S"], elf)
    return [
        Symbol(name, int(value, 16), int(size or "0", 16), kind)
        for value, size, kind, name in _SYMBOL.findall(listing)
    ]
