"""Numbers, shapes and tables in Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence


def shape(sizes: Sequence[int]) -> str:
    """A tensor's without the batch of 1: 14×14×8."""
    return "×".join(map(str, sizes[1:]))


def number(value: int | None) -> str:
    """With commas; a dash for nothing."""
    return f"{value:,}" if value else "–"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """A Markdown table whose numbers are flush right."""
    numeric = [
        all(not row[i] or row[i][0].isdigit() or row[i] == "–" for row in rows) for i in range(len(header))
    ]
    yield "| " + " | ".join(header) + " |"
    yield "|" + "|".join("---:" if right else "---" for right in numeric) + "|"
    for row in rows:
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |"
