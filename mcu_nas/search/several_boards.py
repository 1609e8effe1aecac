"""One supernet for several boards: whose space is trained, and what each board's run is asked then.

A space that stage one chooses for one board may hold nothing for another. So the supernet is that of the
board whose space serves the boards best: for most of them at least MIN_SHARE of its sampled networks fit, or
else at least its smallest; of equals it is the first in the order given.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from mcu_nas.errors import NothingFitsError
from mcu_nas.search.effort import EFFORTS, Effort
from mcu_nas.search.request import SearchRequest
from mcu_nas.search.reuse import supernet_source
from mcu_nas.search.run.board_runs import BoardRuns
from mcu_nas.search.task import SearchTask, task_of
from mcu_nas.spaces.space import Space
from mcu_nas.spaces.stage_one import MIN_SHARE, optimize_space


def choose_trainer(requests: Sequence[SearchRequest], efforts: Mapping[str, Effort] = EFFORTS) -> str:
    """The board whose run is to train the supernet.

    Raises:
        UsageError: a board that is unknown, or that has less than a limit.
        NothingFitsError: no board has a space in which anything fits.
    """
    tasks = [task_of(request, efforts) for request in requests]
    _ = [task.constraints for task in tasks]  # raises at an unknown board before anything takes time
    candidates, refusals = [], []
    for task in tasks:
        try:
            task.check()
            candidates.append(task)
        except NothingFitsError as error:
            refusals.append(f"{task.request.board}: {error}")
    if not candidates:
        raise NothingFitsError("; ".join(refusals))
    served = [[_served(candidate.space, task) for task in tasks] for candidate in candidates]
    counts = [(sum(well for well, _ in row), sum(at_all for _, at_all in row)) for row in served]
    return candidates[counts.index(max(counts))].request.board


def _served(space: Space, task: SearchTask) -> tuple[bool, bool]:
    """Whether enough of a space's sampled networks meet a task's limits, and whether any network does."""
    limits = task.constraints
    try:
        share = optimize_space(space, limits, task.request.seed, task.effort.stage_one_samples).chosen.share
    except NothingFitsError:
        share = 0.0
    return share >= MIN_SHARE, share > 0 or limits.fits(limits.cost(space.lower(space.smallest())))


def request_in(runs: BoardRuns, request: SearchRequest) -> SearchRequest:
    """What a board's run is asked: as its folder says where it was begun, else with the trained supernet."""
    folder = runs.folder(request.board)
    if folder.is_begun():
        return folder.request()
    if runs.trainer in (None, request.board):
        return request
    return replace(request, source=supernet_source(runs.folder(runs.trainer)))
