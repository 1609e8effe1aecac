"""A pick: a network of a run's log other than its winner, taken to firmware as the winner was.

It gets a run folder of its own inside the run's, ``RUN/picks/<number in the log>``, which every command takes
that takes a run. Its weights are the supernet's, fine-tuned with the run's own schedule; its test accuracy is
looked at once, as the winner's was.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict

import torch

from mcu_nas.search.effort import EFFORTS, Effort
from mcu_nas.search.exploration.history import read_log
from mcu_nas.search.exploration.pareto import Numbered, picked
from mcu_nas.search.finishing import Finishing, winner_record
from mcu_nas.search.listener import Listener
from mcu_nas.search.pipeline import trained_supernet
from mcu_nas.search.reuse import supernet_source
from mcu_nas.search.run.run_folder import RunFolder
from mcu_nas.search.run.versions import versions
from mcu_nas.search.task import task_of
from mcu_nas.spaces.architecture import Architecture


def pick_from(run: RunFolder, pick: str) -> Numbered:
    """The evaluation of a finished search that a pick names, with its number in the log.

    Raises:
        RunFolderError: the search has not ended.
        UsageError: the pick names nothing.
    """
    run.section("winner")
    return picked(read_log(run.search_log), pick)


def is_winner(run: RunFolder, architecture: Architecture) -> bool:
    """Whether an architecture is the one that the run itself took to firmware."""
    return bool(run.section("winner")["architecture"] == dict(architecture.choices))


def pick_folder(run: RunFolder, number: int) -> RunFolder:
    """Where the evaluation of that number goes."""
    return RunFolder(run.path / "picks" / str(number))


def finish_pick(
    run: RunFolder, chosen: Numbered, listener: Listener, efforts: Mapping[str, Effort] = EFFORTS
) -> RunFolder:
    """Takes an evaluation to firmware; goes on where an earlier call was cut off, to the same result.

    Raises:
        RunFolderError: the run's supernet is gone; the folder is in use.
    """
    number, evaluation = chosen
    folder, task = pick_folder(run, number), task_of(run.request(), efforts)
    supernet_source(run)  # raises where there is none: it is never trained anew for a pick
    task.check()
    if not (folder.path / "run.json").exists():
        RunFolder.create(folder.path, task.request.to_record())
    with folder.locked():
        if "finished" in folder.read():
            return folder
        torch.set_num_threads(task.request.threads)
        folder.record("pick", {"number": number})
        folder.record("versions", versions())
        folder.record("effort", asdict(task.effort))
        folder.record("data", task.dataset.to_record())
        folder.record("winner", winner_record(task, evaluation))
        supernet = trained_supernet(run, task, listener)
        Finishing(folder, task, listener).run(supernet, evaluation.architecture)
        folder.record("finished", True)
    return folder
