"""What is measured of a kernel on a case, and the file that keeps it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mcu_nas.compiler.target import Loads

RESULTS = Path(__file__).with_name("results.jsonl")


@dataclass(frozen=True)
class Form:
    """A kernel with one form of its loads.

    Attributes:
        instructions: of one call.
        floor: instructions of its inner loop for each unit of work.
        cycles: estimated, for each unit of work of its inner loop, by whose estimate it is (cycles.py).
        code_bytes: of the function.
    """

    instructions: int
    floor: float
    cycles: Mapping[str, float]
    code_bytes: int


@dataclass(frozen=True)
class Row:
    """A kernel on a case and a core.

    Attributes:
        work: of one call, in ``unit``: MACs, elements of a sum, or values that are averaged.
        ldm, ldrd: with either form of loads.
        constants_bytes, scratch_bytes, stack_bytes: the same of both.
    """

    core: str
    case: str
    kernel: str
    work: int
    unit: str
    ldm: Form
    ldrd: Form
    constants_bytes: int
    scratch_bytes: int
    stack_bytes: int

    @property
    def key(self) -> tuple[str, str, str]:
        """What tells it from the others."""
        return self.core, self.case, self.kernel

    def form(self, loads: Loads) -> Form:
        """One of both."""
        return self.ldm if loads is Loads.LDM else self.ldrd

    def per_work(self, loads: Loads) -> float:
        """Instructions for each unit of work, of the whole call."""
        return self.form(loads).instructions / self.work


def read_rows(path: Path = RESULTS) -> list[Row]:
    """The rows of a results file; none where there is no file."""
    if not path.exists():
        return []
    return [_row(json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]


def write_rows(rows: Iterable[Row], path: Path = RESULTS) -> None:
    """A results file, one JSON object a line."""
    lines = [json.dumps(asdict(row), ensure_ascii=False) for row in rows]
    path.write_text("\n".join([*lines, ""]), encoding="utf-8")


def _row(record: dict[str, Any]) -> Row:
    forms = {loads.value: Form(**record.pop(loads.value)) for loads in Loads}
    return Row(**record, **forms)
