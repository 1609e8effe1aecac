"""Sizes and times as people write them, read without guessing and printed one way.

Memories are KiB and MiB (powers of 1024). ``kB`` and ``MB`` are decimal. Spellings that are read both ways
(``KB``, ``k``, ``M``, ...) are refused, with the readings.
"""

from __future__ import annotations

import re

from mcu_nas.errors import UsageError

_BYTES = {"": 1, "B": 1, "KiB": 1024, "MiB": 1024**2, "kB": 1000, "MB": 1000**2}
_AMBIGUOUS = {
    "KB": ("KiB", "kB"),
    "kb": ("KiB", "kB"),
    "Kb": ("KiB", "kB"),
    "k": ("KiB", "kB"),
    "K": ("KiB", "kB"),
    "kib": ("KiB", "kB"),
    "m": ("MiB", "MB"),
    "M": ("MiB", "MB"),
    "mb": ("MiB", "MB"),
    "Mb": ("MiB", "MB"),
    "mib": ("MiB", "MB"),
}
_MILLISECONDS = {"us": 1e-3, "ms": 1.0, "s": 1000.0}
_LARGEST = 1e12  # of any unit; far beyond what makes sense, and far below where floats lose whole numbers
_QUANTITY = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]*)", re.ASCII)


def parse_bytes(text: str) -> int:
    """The bytes in ``320KiB``, ``1MiB``, ``64kB`` (decimal) or a plain number.

    Raises:
        UsageError: unreadable, not a whole positive number of bytes, or a unit with two readings.
    """
    number, unit = _split(text, "a size such as 320KiB, 1MiB or 65536")
    if unit in _AMBIGUOUS:
        readings = " or ".join(f"{number:g}{name} ({_count(number, name)})" for name in _AMBIGUOUS[unit])
        raise UsageError(f"'{text}' has two readings: write {readings}")
    if unit not in _BYTES:
        raise UsageError(f"'{text}': unknown unit '{unit}', write KiB, MiB, kB (decimal) or plain bytes")
    size = number * _BYTES[unit]
    if size < 1 or size != int(size):
        raise UsageError(f"'{text}' is not a whole positive number of bytes")
    return int(size)


def parse_duration_ms(text: str) -> float:
    """The milliseconds in ``40ms``, ``0.04s`` or ``800us``.

    Raises:
        UsageError: unreadable, zero, or without a unit.
    """
    number, unit = _split(text, "a time such as 40ms or 0.04s")
    if unit not in _MILLISECONDS:
        raise UsageError(f"'{text}' needs a unit: us, ms or s, such as {number:g}ms")
    if number == 0:
        raise UsageError(f"'{text}': a time limit must be more than nothing")
    return number * _MILLISECONDS[unit]


def format_bytes(size: int) -> str:
    """A size for people: ``812 B``, ``320 KiB``, ``14.2 KiB``, ``1.5 MiB``."""
    if size < 1024:
        return f"{size} B"
    amount, unit = (size / 1024, "KiB") if size < 1024**2 else (size / 1024**2, "MiB")
    return f"{amount:.1f}".removesuffix(".0") + f" {unit}"


def format_duration(seconds: float) -> str:
    """A time for people to wait: ``0:45``, ``12:07``, ``3:02:10``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def format_kib(size: int) -> str:
    """A size in KiB with one decimal, for columns that are compared: ``1372.0``."""
    return f"{size / 1024:.1f}"


def _split(text: str, wanted: str) -> tuple[float, str]:
    found = _QUANTITY.fullmatch(text.strip())
    if not found:
        raise UsageError(f"'{text}' is not {wanted}")
    number = float(found[1])
    if number > _LARGEST:
        raise UsageError(f"'{text}' is too large to be {wanted}")
    return number, found[2]


def _count(number: float, unit: str) -> str:
    return f"{number * _BYTES[unit]:,.0f} bytes"
