"""Training state on disk: whole or not at all, and only for the training that wrote it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from mcu_nas.errors import RunFolderError
from mcu_nas.files import replacing


def save_checkpoint(path: Path, identity: str, state: dict[str, Any]) -> None:
    """Writes ``state`` so that a kill at any moment leaves the old file or the new one."""
    with replacing(path) as temporary:
        torch.save({"identity": identity, **state}, temporary)


def load_checkpoint(path: Path, identity: str) -> dict[str, Any] | None:
    """The state saved under ``identity``, or None where there is no file.

    Raises:
        RunFolderError: the file cannot be read, or another training wrote it.
    """
    if not path.exists():
        return None
    state = _read(path)
    if state.get("identity") != identity:
        raise RunFolderError(
            f"{path}: belongs to a training with other settings or data: "
            "resume with the first command's options, or choose another run folder"
        )
    return state


def checkpoint_identity(path: Path) -> str | None:
    """The identity that a checkpoint was saved under.

    Raises:
        RunFolderError: the file cannot be read.
    """
    return _read(path).get("identity")


def _read(path: Path) -> dict[str, Any]:
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        return dict(state)
    except Exception as error:  # whatever torch's unpickler meets in a damaged file
        raise RunFolderError(f"{path}: is not a readable checkpoint: delete it to train again") from error
