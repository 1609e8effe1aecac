"""``--fail-above``: limits under which a model must stay, for a build server."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import click

from mcu_nas.cost.audit import Audit
from mcu_nas.errors import UsageError, did_you_mean
from mcu_nas.units import format_bytes, parse_bytes

_MEMORIES = ("sram", "flash")
_QUANTITIES = (*_MEMORIES, "macs")
_NUMBER = re.compile(r"[0-9]+(\.[0-9]+)?", re.ASCII)
_MACS = {"": 1, "k": 1_000, "M": 1_000_000, "G": 1_000_000_000}


@dataclass(frozen=True)
class Ceiling:
    """One limit: ``sram`` or ``flash`` in percent of what is usable or in bytes, or ``macs``."""

    text: str
    quantity: str
    percent: float | None = None
    amount: int | None = None

    def complaint(self, result: Audit) -> str | None:
        """What is above the limit, or None."""
        if self.quantity == "macs":
            value, usable = result.macs, 0
        elif self.quantity == "sram":
            value, usable = result.arena_bytes, result.usable_sram_bytes
        else:
            value, usable = result.flash_bytes, result.usable_flash_bytes
        if self.percent is not None:
            share = 100 * value / usable
            found = f"{share:.1f} % ({format_bytes(value)} of {format_bytes(usable)})"
            return f"{self.quantity} is {found}" if share > self.percent else None
        assert self.amount is not None
        found = f"{value:,}" if self.quantity == "macs" else f"{value:,} B"
        return f"{self.quantity} is {found}" if value > self.amount else None


def parse_ceiling(text: str) -> Ceiling:
    """The limit in ``sram=80%``, ``flash=200KiB`` or ``macs=5M``.

    Raises:
        UsageError: anything else.
    """
    quantity, equals, limit = text.partition("=")
    if not equals or not limit:
        raise UsageError(f"'{text}' is not a limit such as sram=80%, flash=200KiB or macs=5M")
    if quantity not in _QUANTITIES:
        hint = did_you_mean(quantity, _QUANTITIES)
        raise UsageError(f"'{text}': no limit '{quantity}': {hint}write sram, flash or macs")
    if quantity == "macs":
        return Ceiling(text, quantity, amount=_macs(text, limit))
    if not limit.endswith("%"):
        return Ceiling(text, quantity, amount=parse_bytes(limit))
    number = limit.removesuffix("%").strip()
    if not _NUMBER.fullmatch(number) or not 0 < float(number) <= 100:
        raise UsageError(f"'{text}': a share is more than 0 and at most 100 %")
    return Ceiling(text, quantity, percent=float(number))


def _macs(text: str, limit: str) -> int:
    number, unit = (limit[:-1], limit[-1]) if limit[-1].isalpha() else (limit, "")
    if not _NUMBER.fullmatch(number) or unit not in _MACS or float(number) > 1e12:
        raise UsageError(f"'{text}' is not a count such as macs=5M or macs=800000")
    return round(float(number) * _MACS[unit])


class CeilingType(click.ParamType):
    """The value of ``--fail-above``."""

    name = "limit"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Ceiling:
        """The limit."""
        if isinstance(value, Ceiling):
            return value
        try:
            return parse_ceiling(value)
        except UsageError as error:
            self.fail(str(error), param, ctx)


def complaints(ceilings: tuple[Ceiling, ...], result: Audit) -> list[str]:
    """A phrase for each limit that is exceeded."""
    found = ((ceiling, ceiling.complaint(result)) for ceiling in ceilings)
    return [f"{complaint}, above {ceiling.text}" for ceiling, complaint in found if complaint]
