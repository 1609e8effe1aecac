"""History: the log of a run's evaluations, in the order of asking, kept in search.sqlite as they happen.

Strategies see nothing but this log, so that resuming a search is replaying it. Each evaluation is its own
transaction: whoever opens the file while the search runs sees all that is finished.

Fitness is the validation loss, not the accuracy. The subnets of one supernet differ by less than what 3,000
images can tell: over 30 random ones of the quick Fashion-MNIST search, validation accuracy hardly agreed
with the accuracy on 13,000 other images (correlation 0.09), the loss did (0.63).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple

from mcu_nas.errors import RunFolderError
from mcu_nas.spaces.architecture import Architecture

_SCHEMA = """
CREATE TABLE IF NOT EXISTS evaluations (
    number       INTEGER PRIMARY KEY,  -- order of asking, from 0
    strategy     TEXT NOT NULL,        -- who asked: start, a strategy's name, random (the control)
    generation   INTEGER NOT NULL,     -- which of the strategy's questions, the start is 0
    architecture TEXT NOT NULL,        -- JSON: position -> choice
    loss         REAL NOT NULL,        -- validation cross-entropy with shared weights: the fitness
    accuracy     REAL NOT NULL,        -- validation accuracy with shared weights, 0..1
    partial      INTEGER NOT NULL,     -- 1: rejected early, both are estimates from a part of the images
    macs         INTEGER NOT NULL,
    weights_bytes INTEGER NOT NULL,
    peak_bytes   INTEGER NOT NULL,
    flash_bytes  INTEGER NOT NULL,
    instructions INTEGER NOT NULL      -- estimated for the board's core
)
"""


class Score(NamedTuple):
    """What an evaluator says: mean cross-entropy (lower is better), and accuracy from 0 to 1.

    ``partial``: both are estimates from a part of the images, as the rest would not have changed the verdict.
    """

    loss: float
    accuracy: float
    partial: bool = False


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One evaluated architecture."""

    strategy: str
    generation: int
    architecture: Architecture
    loss: float
    accuracy: float
    partial: bool
    macs: int
    weights_bytes: int
    peak_bytes: int
    flash_bytes: int
    instructions: int


_FIELDS = tuple(field.name for field in fields(Evaluation))  # the columns after the number
_COUNTS = ("generation", "macs", "weights_bytes", "peak_bytes", "flash_bytes", "instructions")


class History(Sequence[Evaluation]):
    """The evaluations of a run; appending writes to the file before it returns."""

    def __init__(self, path: Path) -> None:
        """Opens the log in a file, or begins it where there is none.

        Raises:
            RunFolderError: the file is not such a log.
        """
        try:
            self._connection = sqlite3.connect(path, isolation_level=None)
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute(_SCHEMA)
            self._path, self._evaluations = path, _evaluations(path, self._connection)
        except sqlite3.DatabaseError as error:
            raise RunFolderError(f"{path}: not a search log: {error}; start the search anew") from None

    def append(self, evaluation: Evaluation) -> None:
        """Add the next evaluation.

        Raises:
            RunFolderError: it cannot be written.
        """
        values = [getattr(evaluation, field) for field in _FIELDS]
        values[_FIELDS.index("architecture")] = evaluation.architecture.to_json()
        try:
            self._connection.execute(
                f"INSERT INTO evaluations VALUES (?{', ?' * len(values)})", (len(self._evaluations), *values)
            )
        except sqlite3.Error as error:
            raise RunFolderError(
                f"{self._path}: an evaluation cannot be written: {error}; once it can, --resume goes on"
            ) from None
        self._evaluations.append(evaluation)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def __len__(self) -> int:
        return len(self._evaluations)

    def __getitem__(self, index):  # type: ignore[no-untyped-def]
        return self._evaluations[index]

    def __iter__(self) -> Iterator[Evaluation]:
        return iter(self._evaluations)


def read_log(path: Path) -> list[Evaluation]:
    """The evaluations of a log so far, read beside a search that writes it, or none where there is no file.

    Raises:
        RunFolderError: the file is not such a log, or of another version.
    """
    if not path.exists():
        return []
    # A log that was closed leaves no -wal file, and nobody writes it: it can be read in a read-only folder.
    closed = not path.with_name(f"{path.name}-wal").exists()
    address = f"{path.resolve().as_uri()}?mode=ro{'&immutable=1' if closed else ''}"
    try:
        with closing(sqlite3.connect(address, uri=True)) as connection:
            return _evaluations(path, connection)
    except sqlite3.DatabaseError as error:
        raise RunFolderError(f"{path}: not a search log: {error}; start the search anew") from None


def _evaluations(path: Path, connection: sqlite3.Connection) -> list[Evaluation]:
    """The rows of a log, number by number; none where it is not begun.

    Raises:
        RunFolderError: another version's columns, a number is left out, or a row holds what no search writes.
        DatabaseError: sqlite3's, the file is not such a log.
    """
    columns = connection.execute("PRAGMA table_info(evaluations)").fetchall()
    if not columns:
        return []
    if [column[1] for column in columns] != ["number", *_FIELDS]:
        raise RunFolderError(f"{path}: the search log of another version; start the search anew")
    rows = connection.execute("SELECT * FROM evaluations ORDER BY number").fetchall()
    found = []
    for number, row in enumerate(rows):
        try:
            if row[0] != number:
                raise ValueError(f"number {row[0]} stands in its place")
            found.append(_evaluation(row[1:]))
        except (ValueError, TypeError, AttributeError) as error:
            raise RunFolderError(
                f"{path}: evaluation {number} is damaged: {error}; start the search anew"
            ) from None
    return found


def _evaluation(row: Sequence[Any]) -> Evaluation:
    values = dict(zip(_FIELDS, row, strict=True))
    values["architecture"] = Architecture.from_json(values["architecture"])
    values["partial"] = bool(values["partial"])
    for name in ("loss", "accuracy", *_COUNTS):
        if not isinstance(values[name], int | float):
            raise TypeError(f"{name} is no number")
    return Evaluation(**values)


def best(evaluations: Sequence[Evaluation], count: int) -> list[Evaluation]:
    """The ``count`` of least loss; of equals, the one with fewer instructions, then the older.

    Those that were rejected early come last: their loss is an estimate, and was found to be no good.
    """
    return sorted(evaluations, key=lambda e: (e.partial, e.loss, e.instructions))[:count]
