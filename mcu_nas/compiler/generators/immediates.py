"""Constants in instructions: put into a register, or added to one, in as few as Thumb-2 has for it."""

from __future__ import annotations

from mcu_nas.compiler.generators.generated import Refusal

_IMM12 = 1 << 12  # ADDW and SUBW take any constant below
_LARGEST = 1 << 20  # eight bits above an imm12


def load_constant(register: str, value: int) -> list[str]:
    """``register = value``, modulo 2^32, in one or two instructions."""
    high = value >> 16 & 0xFFFF
    return [f"movw {register}, #{value & 0xFFFF}", *([f"movt {register}, #{high}"] if high else [])]


def add_constant(target: str, source: str, value: int) -> list[str]:
    """``target = source + value``, in none to two instructions; target is not the stack pointer.

    Raises:
        Refusal: a constant of 2^20 or more, which no arena of these cores has as a distance.
    """
    if abs(value) >= _LARGEST:
        raise Refusal(f"a distance of {value} bytes does not fit two instructions")
    if value == 0:
        return [] if target == source else [f"mov {target}, {source}"]
    op, rest = ("add", value) if value > 0 else ("sub", -value)
    if rest < _IMM12 or _is_modified_immediate(rest):
        return [f"{op} {target}, {source}, #{rest}"]
    high, low = rest & -_IMM12, rest % _IMM12
    return [f"{op} {target}, {source}, #{high}", f"{op} {target}, {target}, #{low}"]


def _is_modified_immediate(value: int) -> bool:
    """Eight bits, shifted: of Thumb-2's modified immediates the form that occurs here."""
    return value >> max(value.bit_length() - 8, 0) << max(value.bit_length() - 8, 0) == value
