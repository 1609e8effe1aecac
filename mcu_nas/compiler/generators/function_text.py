"""The text of an assembly file around the instructions of its functions."""

from __future__ import annotations

from collections.abc import Iterable


def assembly_file(comment: Iterable[str], *functions: Iterable[str]) -> str:
    """One ``.S`` file: what it is, then its functions, in Thumb-2 and unified syntax."""
    lines = [*(f"@ {line}" for line in comment), ".syntax unified", ".thumb", ".text"]
    for function in functions:
        lines += function
    return "\n".join([*lines, ""])


def function(symbol: str, lines: Iterable[str], *, is_global: bool) -> Iterable[str]:
    """A function of that name; without ``is_global`` only its own file sees it."""
    yield ".p2align 2"
    if is_global:
        yield f".global {symbol}"
    yield from (f".type {symbol}, %function", f"{symbol}:")
    yield from lines
    yield f".size {symbol}, . - {symbol}"
