"""Bars in plain text: how much of a memory is used."""

from __future__ import annotations

from mcu_nas.units import format_bytes

_CELLS = 20
_NAME = 5  # "flash", so that the bars of one output stand in one column


def usage_bar(name: str, used: int, usable: int) -> str:
    """``RAM   [==========          ]  52.1 % (used 164.6 KiB of 316 KiB)``; beyond the end a ``!`` stands."""
    filled = min(_CELLS, round(_CELLS * used / usable))
    cells = "=" * (_CELLS - 1) + "!" if used > usable else "=" * filled
    share = 100 * used / usable
    amounts = f"used {format_bytes(used)} of {format_bytes(usable)}"
    return f"{name:<{_NAME}} [{cells:<{_CELLS}}] {share:5.1f} % ({amounts})"
