"""The folder of a search for several boards: a run folder for each, and what was asked for all.

boards.json    the boards in their order, whose run trains the supernet, what each run was asked
<board>/       that board's run folder
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mcu_nas.errors import RunFolderError
from mcu_nas.files import write_text
from mcu_nas.search.request import SearchRequest
from mcu_nas.search.run.run_folder import RunFolder, require_new

SCHEMA = 1
_FILE = "boards.json"


@dataclass(frozen=True)
class BoardRuns:
    """``requests`` in the order of the boards, each for its own; ``trainer``: the board whose run trains the
    supernet that the others take, None where all take it from another run; ``obstacles``: why a board gets
    nothing, by its name, for those that were found to.
    """

    path: Path
    requests: tuple[SearchRequest, ...]
    trainer: str | None
    obstacles: Mapping[str, str] = field(default_factory=dict)

    @staticmethod
    def create(path: Path, requests: Sequence[SearchRequest], trainer: str | None) -> BoardRuns:
        """A new folder.

        Raises:
            RunFolderError: it holds something already.
        """
        require_new(path, _FILE)
        runs = BoardRuns(path, tuple(requests), trainer)
        runs._write()
        return runs

    @staticmethod
    def exists(path: Path) -> bool:
        """Whether a folder is one of a search for several boards."""
        return (path / _FILE).is_file()

    @staticmethod
    def open(path: Path) -> BoardRuns:
        """An existing folder.

        Raises:
            RunFolderError: boards.json is missing, broken, or of another version.
        """
        try:
            record = json.loads((path / _FILE).read_text(encoding="utf-8"))
            if record["schema"] != SCHEMA:
                raise RunFolderError(f"schema {record['schema']!r}, this version reads {SCHEMA}")
            requests = tuple(SearchRequest.from_record(request) for request in record["requests"])
            return BoardRuns(path, requests, record["trainer"], record["obstacles"])
        except (OSError, ValueError, KeyError, TypeError, RecursionError, RunFolderError) as error:
            raise RunFolderError(f"{path / _FILE}: {error}: start the search anew") from None

    def facing(self, obstacles: Mapping[str, str]) -> BoardRuns:
        """The same with these obstacles, and so in the file."""
        runs = replace(self, obstacles=dict(obstacles))
        runs._write()
        return runs

    def _write(self) -> None:
        record = {
            "schema": SCHEMA,
            "trainer": self.trainer,
            "requests": [request.to_record() for request in self.requests],
            "obstacles": self.obstacles,
        }
        write_text(self.path / _FILE, json.dumps(record, indent=2) + "\n")

    @property
    def boards(self) -> tuple[str, ...]:
        """Their names, in the order given."""
        return tuple(request.board for request in self.requests)

    @property
    def supernet_of(self) -> str:
        """The run folder whose supernet all of them use."""
        source = self.requests[0].source
        return source.run if source else str(self.folder(self.trainer or self.boards[0]).path)

    def in_turn(self) -> list[SearchRequest]:
        """The requests in the order of searching: the trainer's comes first."""
        return sorted(self.requests, key=lambda request: request.board != self.trainer)

    def folder(self, board: str) -> RunFolder:
        """The run folder of a board, made or not."""
        return RunFolder(self.path / board)


def board_row(folder: RunFolder, board: str) -> dict[str, Any]:
    """What a board's run has found so far, with None for what is not yet known; milliseconds are estimated,
    accuracy is that of the int8 model on the test set."""
    record = folder.read() if folder.is_begun() else {}
    winner, accuracy = record.get("winner", {}), record.get("accuracy", {})
    return {
        "board": board,
        "run": str(folder.path),
        "finished": "finished" in record,
        "accuracy": accuracy.get("int8"),
        "latency_ms": winner.get("latency", {}).get("central_ms"),
        "peak_bytes": winner.get("peak_bytes"),
        "flash_bytes": winner.get("flash_bytes"),
        "macs": winner.get("macs"),
    }
