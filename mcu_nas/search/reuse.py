"""A supernet that another run trained, searched again for another board or other limits.

Once-for-All (Cai et al., ICLR 2020): train once, specialize for many devices. The new run keeps a copy of
the checkpoint, so that it can be resumed, moved and searched from again without the run that it came from.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

from mcu_nas.cost.constraints import Constraints
from mcu_nas.cost.estimate import latency
from mcu_nas.errors import NothingFitsError, RunFolderError
from mcu_nas.files import write_bytes
from mcu_nas.search.request import SupernetSource
from mcu_nas.search.run.run_folder import RunFolder
from mcu_nas.spaces.space import Space
from mcu_nas.spaces.stage_one import StageOne, optimize_space
from mcu_nas.supernet.checkpoint import checkpoint_identity


def supernet_source(folder: RunFolder) -> SupernetSource:
    """The trained supernet of a run. Of a run that took its supernet from elsewhere, that one.

    Raises:
        RunFolderError: the run has no trained supernet, or its checkpoint is gone.
    """
    record = folder.read()
    if "pick" in record:
        run = folder.path.parent.parent
        raise RunFolderError(f"{folder.path} is a pick and has no supernet of its own: {run} has it")
    if "supernet" not in record:
        going_on = "its search is running, wait" if folder.is_locked() else f"`{folder.going_on}` trains it"
        raise RunFolderError(f"{folder.path}: its supernet is not trained yet: {going_on}")
    if not folder.supernet.is_file():
        raise RunFolderError(
            f"{folder.supernet} is missing: the supernet cannot be searched again without it;"
            f" `{folder.going_on}` trains it anew"
        )
    request = folder.request()
    trained = request.source.request if request.source else request
    return SupernetSource(str(folder.path), _sha256(folder.supernet), trained)


def take_supernet(folder: RunFolder, source: SupernetSource) -> None:
    """Copies the source's checkpoint into a run folder that does not hold it yet.

    Raises:
        RunFolderError: what lies in either folder is not the supernet that the run was asked to take.
    """
    if folder.supernet.exists():
        if _sha256(folder.supernet) != source.sha256:
            raise RunFolderError(
                f"{folder.supernet} is not the supernet that was taken from {source.run}: delete the file to"
                " take it again"
            )
        return
    origin = RunFolder(Path(source.run)).supernet
    if not origin.is_file() or _sha256(origin) != source.sha256:
        raise RunFolderError(
            f"{origin} is not the supernet that this search began with: start the search anew, with --from"
        )
    write_bytes(folder.supernet, origin.read_bytes())


def require_identity(folder: RunFolder, source: SupernetSource, identity: str) -> None:
    """That the supernet to be taken, or taken already, is the one that this version would train on the data
    as they are now.

    Raises:
        RunFolderError: it is not, or cannot be read.
    """
    checkpoint = folder.supernet if folder.supernet.exists() else RunFolder(Path(source.run)).supernet
    if checkpoint_identity(checkpoint) != identity:
        raise RunFolderError(
            f"{checkpoint}: this supernet was trained on other data than '{source.request.data}' now holds,"
            " or by another version of mcu_nas: train one anew, with a search without --from"
        )


def space_within(space: Space, constraints: Constraints, seed: int, samples: int, run: str) -> StageOne:
    """The part of a supernet's space that occurs in networks within the limits.

    Where limits are so tight that no sample meets them but the smallest network does, the largest options
    are left out, one at every position, until samples do.

    Raises:
        NothingFitsError: not even the space's smallest network meets the limits; says what it needs.
    """
    _require_smallest_fits(space, constraints, run)
    while True:
        try:
            found = optimize_space(space, constraints, seed, samples)
        except NothingFitsError:
            space = space.restricted({p.name: p.options[:-1] or p.options for p in space.positions})
            continue
        share = f"{found.chosen.share:.1%} of its sampled networks fit"
        return replace(found, reason=f"the space of the supernet of {run}; {share}")


def _require_smallest_fits(space: Space, constraints: Constraints, run: str) -> None:
    smallest = constraints.cost(space.lower(space.smallest()))
    broken = constraints.broken(smallest)
    if broken:
        profile = constraints.profile
        ms = latency(smallest.instructions, profile, constraints.clock_hz).central_ms
        raise NothingFitsError(
            f"no subnet of the supernet of {run} fits: the smallest needs {' and '.join(broken)}; its peak is"
            f" {smallest.peak_bytes:,} B, its flash {smallest.flash_bytes(profile):,} B, its latency"
            f" {ms:,.1f} ms estimated; loosen that limit, or train a supernet for it: search without --from"
        )


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
