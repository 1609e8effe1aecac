"""The text of an assembly file around the instructions of its functions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator


def assembly_file(comment: Iterable[str], *functions: Iterable[str]) -> str:
    """One ``.S`` file: what it is, then its functions, in Thumb-2 and unified syntax."""
    lines = [*(f"@ {line}" for line in comment), ".syntax unified", ".thumb", ".text"]
    for function in functions:
        lines += function
    return "\n".join([*lines, ""])


def inner_loop(work: int, lines: Iterable[str], unit: str = "MACs") -> Iterator[str]:
    """The lines that do so much of a kernel's work, marked: what they take for each unit of it is the floor
    of the kernel's instructions (inner_loops.py reads the marks)."""
    yield f"@ inner loop: {work} {unit}"
    yield from lines
    yield "@ end of the inner loop"


def function(symbol: str, lines: Iterable[str], *, is_global: bool) -> Iterable[str]:
    """A function of that name; without ``is_global`` only its own file sees it."""
    yield ".p2align 2"
    if is_global:
        yield f".global {symbol}"
    yield from (f".type {symbol}, %function", f"{symbol}:")
    yield from lines
    yield f".size {symbol}, . - {symbol}"
