"""Evaluating on Ray: subnets of a generation at once, each on one core of this computer or of a cluster.

The answers come in the order of asking, and are those that one process gives: no score depends on what was
scored before it or on the number of threads (supernet/workers.py). That holds among computers of one kind;
another processor may round differently, as it may without Ray.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import ray
import torch
from ray.util import ActorPool

from mcu_nas.errors import JobError, UsageError
from mcu_nas.search.evaluation.adaptation import Adaptation
from mcu_nas.search.evaluation.early_rejection import EarlyRejection
from mcu_nas.search.evaluation.evaluator import Race, SharedWeights
from mcu_nas.search.exploration.history import Score
from mcu_nas.search.run.versions import versions
from mcu_nas.spaces.space import Space
from mcu_nas.supernet.supernet import Supernet

_CLIENT_PORT = 10001  # Ray's own default
_CONNECT_SECONDS = 10.0


class _Worker:
    """One process, one core, a copy of the supernet."""

    def __init__(
        self,
        space: Space,
        weights: Mapping[str, torch.Tensor],
        images: tuple[np.ndarray, np.ndarray],
        labels: np.ndarray,
        adaptation: Adaptation | None,
        early_rejection: EarlyRejection,
    ) -> None:
        torch.set_num_threads(1)
        supernet = Supernet(space)
        supernet.load_state_dict(dict(weights))
        supernet.eval()
        # Ray shares arrays among processes, so that nobody may write to them; torch wants its own.
        self._evaluator = SharedWeights(supernet, *images, np.array(labels), adaptation, early_rejection)

    def versions(self) -> dict[str, str]:
        """What a score depends on besides its arguments."""
        return versions()

    def score(self, race: Race) -> Score:
        """The score of the first, racing the second."""
        architecture, rival = race
        return self._evaluator.score(architecture, against=rival)


class RayWorkers:
    """Workers that know a supernet and the validation images of an evaluator."""

    def __init__(self, evaluator: SharedWeights, count: int) -> None:
        """Starts ``count`` of them in the Ray session at hand.

        Raises:
            UsageError: they run other versions of what scores depend on.
        """
        shared = (
            evaluator.supernet.space,
            evaluator.supernet.state_dict(),
            (evaluator.recalibration_images, evaluator.images),
            evaluator.labels,
            evaluator.adaptation,
            evaluator.early_rejection,
        )
        arguments = [ray.put(argument) for argument in shared]
        worker: Any = ray.remote(num_cpus=1)(_Worker)
        self._workers = [worker.remote(*arguments) for _ in range(count)]
        for found in _answers(ray.get, [each.versions.remote() for each in self._workers]):
            require_own_versions(found)
        self._pool = ActorPool(self._workers)

    def scores(self, races: Sequence[Race]) -> Iterator[Score]:
        """Scores in the order of the races, each as soon as those before it are there.

        Raises:
            JobError: a worker died.
        """
        try:
            yield from self._pool.map(lambda worker, race: worker.score.remote(race), list(races))
        except ray.exceptions.RayError as error:
            raise JobError(_failure(error)) from error


def require_cluster(address: str) -> None:
    """Before a supernet is trained for what evaluates at its end: that somebody listens at a ``ray://``
    address. Whether that is a cluster of the right versions is found out by ``ray_workers``.

    Raises:
        UsageError: nobody does.
    """
    try:
        place = urlsplit(address)
        host, port = place.hostname or "", place.port or _CLIENT_PORT
        socket.create_connection((host, port), timeout=_CONNECT_SECONDS).close()
    except (OSError, ValueError) as error:  # a port that is no number is a ValueError
        raise UsageError(f"--workers {address}: no Ray cluster answers: {_first_line(error)}") from None


@contextmanager
def ray_workers(evaluator: SharedWeights, workers: int | str) -> Iterator[RayWorkers]:
    """So many workers on this computer, or one for each core of the cluster at a ``ray://`` address.

    Raises:
        UsageError: there is no cluster at the address, or it has other versions of what scores depend on.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    try:
        if isinstance(workers, int):
            ray.init(address="local", num_cpus=workers, include_dashboard=False, **quiet)
            count = workers
        else:
            ray.init(address=workers, **quiet)
            count = max(1, int(ray.cluster_resources().get("CPU", 1)))
    except (ConnectionError, ValueError) as error:
        raise UsageError(f"--workers {workers}: no Ray cluster answers: {_first_line(error)}") from None
    try:
        yield RayWorkers(evaluator, count)
    finally:
        ray.shutdown()


def _answers(ask: Any, references: Sequence[Any]) -> Any:
    try:
        return ask(references)
    except ray.exceptions.RayError as error:
        raise JobError(_failure(error)) from error


def require_own_versions(found: Mapping[str, str]) -> None:
    """That a worker has the versions of this computer.

    Raises:
        UsageError: it has others.
    """
    for name, own in versions().items():
        if found[name] != own:
            raise UsageError(
                f"--workers: a worker has {name} {found[name]}, this computer {own}: install the same there"
            )


def _failure(error: Exception) -> str:
    return f"an evaluation on Ray failed: {_first_line(error)}: `mcu-nas search --resume` goes on"


def _first_line(error: Exception) -> str:
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
