"""The run folder: the database of one search. docs/run_folder.md shows all of its files."""

from __future__ import annotations

import fcntl
import json
import shlex
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from mcu_nas.errors import RunFolderError
from mcu_nas.files import write_text
from mcu_nas.search.request import SearchRequest

SCHEMA = 2
_GLANCE_SECONDS = 0.05  # is_locked holds the lock for less


class RunFolder:
    """Paths of a run folder, and its run.json as sections that are replaced whole."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.search_log = path / "search.sqlite"
        self.checkpoints = path / "checkpoints"
        self.supernet = self.checkpoints / "supernet.pt"
        self.winner = path / "winner"
        self.model = self.winner / "model.tflite"
        self.architecture = self.winner / "architecture.json"
        self.sources = self.winner / "c"
        self.picture = path / "report" / "search.svg"
        self.progress = path / "progress.json"
        self._lock = path / ".lock"

    @staticmethod
    def create(path: Path, request: Mapping[str, Any]) -> RunFolder:
        """A new run folder that records what was asked.

        Raises:
            RunFolderError: the folder holds something already.
        """
        require_new(path, "run.json")
        path.mkdir(parents=True, exist_ok=True)
        write_text(path / "run.json", _dump({"schema": SCHEMA, "request": dict(request)}))
        return RunFolder(path)

    @staticmethod
    def open(path: Path) -> RunFolder:
        """An existing run folder.

        Raises:
            RunFolderError: not a run folder, or one of another version.
        """
        folder = RunFolder(path)
        schema = folder.read().get("schema")
        if schema != SCHEMA:
            raise RunFolderError(
                f"{path}/run.json: schema {schema!r}, this version reads {SCHEMA}: start the search anew,"
                " or use the version of mcu_nas that wrote it"
            )
        return folder

    def is_begun(self) -> bool:
        """Whether a run was begun here."""
        return (self.path / "run.json").exists()

    def firmware(self, board: str) -> Path:
        """The folder of the images linked for a board."""
        return self.winner / "firmware" / board

    def read(self) -> dict[str, Any]:
        """The whole of run.json.

        Raises:
            RunFolderError: it is missing or broken.
        """
        try:
            record = json.loads((self.path / "run.json").read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            begun = "" if self.path.exists() else f"; `mcu-nas search --run {self._typed}` makes one"
            raise RunFolderError(f"{self.path} is not a run folder: run.json is missing{begun}") from None
        except (OSError, ValueError, RecursionError) as error:
            raise RunFolderError(
                f"{self.path}/run.json cannot be read: {error}: start the search anew"
            ) from None
        if not isinstance(record, dict):
            raise RunFolderError(f"{self.path}/run.json does not hold an object: start the search anew")
        return record

    def section(self, name: str) -> Any:
        """One section of run.json.

        Raises:
            RunFolderError: the run has not come that far.
        """
        record = self.read()
        if name not in record:
            raise RunFolderError(
                f"{self.path} is unfinished ('{name}' is missing from run.json):"
                f" `{self.going_on}` continues it"
            )
        return record[name]

    @contextmanager
    def understood(self) -> Iterator[None]:
        """For who tells or copies what the sections of run.json hold, whatever somebody made of them.

        Raises:
            RunFolderError: a key is missing, or of another type than this version writes.
        """
        try:
            yield
        except (KeyError, TypeError, AttributeError, IndexError, ValueError) as error:
            raise RunFolderError(
                f"{self.path}/run.json is not as this version writes it ({type(error).__name__}: {error}):"
                " start the search anew, or use the version of mcu_nas that wrote it"
            ) from error

    def request(self) -> SearchRequest:
        """What the run was asked.

        Raises:
            RunFolderError: run.json does not say, or not in a way that this version understands.
        """
        record = self.section("request")
        try:
            return SearchRequest.from_record(record)
        except RunFolderError as error:
            raise RunFolderError(f"{self.path}/run.json: {error}") from None

    @property
    def going_on(self) -> str:
        """The command that goes on with an unfinished run; for a pick (search/pick.py), its own."""
        pick = self.read().get("pick")
        if pick:
            return f"mcu-nas export {shlex.quote(str(self.path.parent.parent))} --pick {pick['number']}"
        return f"mcu-nas search --resume --run {self._typed}"

    @property
    def _typed(self) -> str:
        """The path as a shell takes it."""
        return shlex.quote(str(self.path))

    def record(self, name: str, content: Any) -> None:
        """Replace one section of run.json."""
        write_text(self.path / "run.json", _dump({**self.read(), name: content}))

    def record_once(self, name: str, content: Mapping[str, Any]) -> None:
        """Records a stage that has just finished; a stage that a resumed run finds finished stays as it was,
        with the seconds that it took."""
        if name not in self.read():
            self.record(name, dict(content))

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keeps a second search out of this folder; the lock dies with the process.

        Raises:
            RunFolderError: another process is at work in it.
        """
        with self._lock.open("w") as lock:
            if not _taken(lock, fcntl.LOCK_EX):
                time.sleep(_GLANCE_SECONDS)  # it may have been is_locked of another process
                if not _taken(lock, fcntl.LOCK_EX):
                    raise RunFolderError(f"{self.path}: another search is running in this folder")
            yield

    def is_locked(self) -> bool:
        """Whether a process is at work in this folder."""
        try:
            with self._lock.open() as lock:
                return not _taken(lock, fcntl.LOCK_SH)
        except FileNotFoundError:
            return False


def require_new(path: Path, record: str) -> None:
    """That a folder can begin at ``path`` whose file ``record`` says what was asked: nothing is there yet.

    Raises:
        RunFolderError: something is, be it such a folder or another.
    """
    if (path / record).exists():
        raise RunFolderError(f"{path} exists already: --resume continues it, --run names another folder")
    # A .part file is what a kill while the record was written leaves.
    if path.exists() and (not path.is_dir() or any(file.suffix != ".part" for file in path.iterdir())):
        what = "not empty" if path.is_dir() else "not a folder"
        raise RunFolderError(f"{path} is {what}: --run names a new folder, or an empty one")


def _taken(lock: TextIO, kind: int) -> bool:
    """Whether a lock could be had at once."""
    try:
        fcntl.flock(lock, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _dump(record: Mapping[str, Any]) -> str:
    return json.dumps(record, indent=2) + "\n"
