"""What generators write: functions in assembly, and their text as one file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Function:
    """A function in Thumb-2, unified syntax.

    Attributes:
        symbol: its name.
        lines: instructions, local labels and comments.
        is_global: other files see it, too.
    """

    symbol: str
    lines: tuple[str, ...]
    is_global: bool

    @property
    def instructions(self) -> int:
        """How many it has: lines, but for labels alone and comments."""
        lines = (line.partition("@")[0].rstrip() for line in self.lines)
        return sum(bool(line) and not line.endswith(":") for line in lines)

    def text(self) -> Iterator[str]:
        """Its lines between the directives that make them a function, in a section of its own: so that a
        linker can leave it out, or place it by itself."""
        yield f'.section .text.{self.symbol}, "ax", %progbits'
        yield ".p2align 2"
        if self.is_global:
            yield f".global {self.symbol}"
        yield from (f".type {self.symbol}, %function", f"{self.symbol}:")
        yield from self.lines
        yield f".size {self.symbol}, . - {self.symbol}"


@dataclass(frozen=True)
class Assembly:
    """The functions of a layer, each before those that it calls; ``str`` gives one ``.S`` file.

    ``comment``: what they compute.
    """

    comment: tuple[str, ...]
    functions: tuple[Function, ...]

    def __str__(self) -> str:
        return assembly_text([self])

    @property
    def most_bytes(self) -> int:
        """Of its code, at most: an instruction takes two or four."""
        return 4 * sum(function.instructions for function in self.functions)


def assembly_text(parts: Iterable[Assembly]) -> str:
    """One ``.S`` file of them all, each behind its comment."""
    lines = [".syntax unified", ".thumb"]
    for part in parts:
        lines += ["", *(f"@ {line}" for line in part.comment)]
        for function in part.functions:
            lines += function.text()
    return "\n".join([*lines, ""])


def assembly_file(comment: Iterable[str], *functions: Function) -> Assembly:
    """What a layer's functions compute, then the functions."""
    return Assembly(tuple(comment), functions)


def inner_loop(work: int, lines: Iterable[str], unit: str = "MACs") -> Iterator[str]:
    """The lines that do so much of a kernel's work, marked: what they take for each unit of it is the floor
    of the kernel's instructions (inner_loops.py reads the marks)."""
    yield f"@ inner loop: {work} {unit}"
    yield from lines
    yield "@ end of the inner loop"


def function(symbol: str, lines: Iterable[str], *, is_global: bool) -> Function:
    """A function of that name; without ``is_global`` only its own file sees it."""
    return Function(symbol, tuple(lines), is_global)
