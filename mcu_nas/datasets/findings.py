"""What a look at somebody's data found: each with its count and the first names, so that it can be put
right.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Level = Literal["error", "warning", "note"]
_NAMES_SHOWN = 3


@dataclass(frozen=True)
class Finding:
    """One finding. An ``error`` stops every command, a ``warning`` makes results doubtful, a ``note`` tells
    what was decided for the user. ``names`` are all images or classes concerned; ``text`` says the rest.
    """

    level: Level
    text: str
    names: tuple[str, ...] = field(default=(), repr=False)

    def __str__(self) -> str:
        """On one line, with the number of names and the first of them."""
        shown = ", ".join(self.names[:_NAMES_SHOWN])
        more = f", and {len(self.names) - _NAMES_SHOWN:,} more" if len(self.names) > _NAMES_SHOWN else ""
        return f"{self.text} ({len(self.names):,}): {shown}{more}" if self.names else self.text

    def to_record(self, names: int | None = None) -> dict[str, Any]:
        """As JSON holds it, with at most so many names."""
        return {
            "level": self.level,
            "text": self.text,
            "count": len(self.names),
            "names": list(self.names[:names]),
        }


def errors(findings: Sequence[Finding]) -> list[Finding]:
    """Those that make the data unusable."""
    return [finding for finding in findings if finding.level == "error"]
