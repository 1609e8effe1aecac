"""The inner loop of a generated kernel, found again in its text: what the kernel cannot go below."""

from __future__ import annotations

import re
from dataclasses import dataclass

_MARKED = re.compile(r"^@ inner loop: (\d+) (\w+)\n(.*?)^@ end of the inner loop$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class InnerLoop:
    """Instructions, and the work that they do: so many ``unit``s, MACs where the kernel multiplies."""

    instructions: tuple[str, ...]
    work: int
    unit: str

    @property
    def floor(self) -> float:
        """Instructions a unit of work."""
        return len(self.instructions) / self.work


def inner_loop_of(assembly: str) -> InnerLoop:
    """Of the marked ones that with the most work: others do what fills no whole block.

    Raises:
        ValueError: nothing is marked (function_text.py).
    """
    loops = [
        InnerLoop(tuple(line for line in body.splitlines() if not line.startswith("@")), int(work), unit)
        for work, unit, body in _MARKED.findall(assembly)
    ]
    return max(loops, key=lambda loop: loop.work)
