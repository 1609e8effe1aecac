"""What the engine's benchmark keeps of a model on a core, as rows of results.json."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.engine.floors import KernelShare

RESULTS = Path(__file__).with_name("results.json")
_COMPARED = ("instructions", "arena_bytes", "constants_bytes", "kernels_bytes", "stack_bytes")


@dataclass(frozen=True)
class Figures:
    """One model under one plan on one board. ``bar``: instructions a MAC that its class is to stay below;
    ``kernels``: its layers by the kernel that runs them."""

    board: str
    model: str
    plan: str
    weights: str
    macs: int
    instructions: int
    bar: float | None
    arena_bytes: int
    constants_bytes: int
    kernels_bytes: int
    stack_bytes: int
    kernels: Mapping[str, KernelShare]

    @property
    def key(self) -> str:
        """What tells it from the others."""
        return f"{self.board}: {self.model}, {self.plan}, {self.weights}"


def read_results() -> dict[str, Figures]:
    """The committed figures, by key."""
    rows = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    return {key: _figures(row) for key, row in rows.items()}


def write_results(figures: Mapping[str, Figures]) -> None:
    """results.json, a line for each."""
    lines = ",\n".join(f"{json.dumps(key)}: {json.dumps(asdict(one))}" for key, one in figures.items())
    RESULTS.write_text(f"{{\n{lines}\n}}\n", encoding="utf-8")


def changes(before: Mapping[str, Figures], measured: Mapping[str, Figures]) -> Iterator[str]:
    """A line for each figure that is not what it was."""
    for key, figures in measured.items():
        if key not in before:
            yield f"new: {key}"
            continue
        for name in _COMPARED:
            was, now = getattr(before[key], name), getattr(figures, name)
            if now != was:
                yield f"{key}: {name} {was:,} -> {now:,} ({100 * (now / was - 1):+.1f} %)"


def _figures(row: Mapping[str, Any]) -> Figures:
    kernels = {name: KernelShare(**share) for name, share in row["kernels"].items()}
    return Figures(**{**row, "kernels": kernels})
