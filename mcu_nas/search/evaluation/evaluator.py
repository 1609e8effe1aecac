"""Shared-weight evaluation: a subnet's accuracy with the supernet's weights, batch norm recalibrated.

MCUNet (Lin et al., NeurIPS 2020) and Once-for-All (Cai et al., ICLR 2020): statistics of the full network
do not fit a subnet, so they are estimated anew on training images before it is scored; before that it may
adapt its copy of the weights (adaptation.py). A subnet that races a rival is scored part by part, and no
further than shows that it cannot win (early_rejection.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from torch.nn import functional as F

from mcu_nas.datasets.images import resize
from mcu_nas.search.evaluation.adaptation import Adaptation
from mcu_nas.search.evaluation.early_rejection import EarlyRejection
from mcu_nas.search.exploration.history import Score
from mcu_nas.spaces.architecture import Architecture
from mcu_nas.supernet.batch_norm import recalibrate
from mcu_nas.supernet.supernet import Supernet
from mcu_nas.supernet.torch_network import TorchNetwork, predict

# What is scored, and the rival that it races (early_rejection.py).
Race = tuple[Architecture, Architecture | None]
# Scores in the order of the races, each as soon as it is there.
Scores = Callable[[Sequence[Race]], Iterable[Score]]


class _Outcome(NamedTuple):
    """Image by image, of the first n: cross-entropy float64 (n,), and whether the answer was right, 0.0 or
    1.0 (n,)."""

    losses: np.ndarray
    right: np.ndarray


@dataclass
class SharedWeights:
    """Scores subnets of a trained supernet.

    ``recalibration_images`` and ``images`` are uint8 (N, H, W, C) at any size that the space's resolutions
    do not exceed; ``labels`` int64 (N,) belong to ``images``, whose order is random and each part of which
    holds the classes in proportion, as a split's do (datasets/splits.py): early rejection looks at the
    first ones first. What was found of an architecture is kept; ``images_seen`` counts what was computed.
    """

    supernet: Supernet
    recalibration_images: np.ndarray = field(repr=False)
    images: np.ndarray = field(repr=False)
    labels: np.ndarray = field(repr=False)
    adaptation: Adaptation | None = None
    early_rejection: EarlyRejection = field(default_factory=EarlyRejection)
    images_seen: int = 0
    _latest: tuple[Architecture, TorchNetwork] | None = field(default=None, repr=False)
    _outcomes: dict[Architecture, _Outcome] = field(default_factory=dict, repr=False)
    _resized: dict[int, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict, repr=False)

    def score(self, architecture: Architecture, against: Architecture | None = None) -> Score:
        """Cross-entropy and accuracy of the subnet on ``images``.

        A subnet that is shown to be worse than a rival ``against`` gets a partial score: the rival's figures
        plus the mean differences on the images so far, which is an estimate for all of them. It depends on
        the two architectures alone, not on what was scored before.
        """
        if against is None or against == architecture:
            return _score(self._seen(architecture, len(self.images)))
        theirs = self._seen(against, len(self.images))
        for count in self.early_rejection.looks(len(self.images)):
            own = self._seen(architecture, count)
            differences = own.losses[:count] - theirs.losses[:count]
            if self.early_rejection.rejects(differences, len(self.images)):
                gained = float((own.right[:count] - theirs.right[:count]).mean())
                return Score(
                    loss=float(theirs.losses.mean() + differences.mean()),
                    accuracy=min(max(float(theirs.right.mean()) + gained, 0.0), 1.0),
                    partial=True,
                )
        return _score(self._seen(architecture, len(self.images)))

    def scores(self, races: Sequence[Race]) -> Iterator[Score]:
        """The scores of several, one after the other."""
        return (self.score(architecture, against=rival) for architecture, rival in races)

    def _seen(self, architecture: Architecture, count: int) -> _Outcome:
        """What is known of an architecture once it has seen at least the first ``count`` images."""
        known = self._outcomes.get(architecture, _Outcome(np.empty(0), np.empty(0)))
        seen = len(known.losses)
        if seen < count:
            recalibration, images = self._at(architecture.integer("resolution"))
            subnet = self._recalibrated(architecture, recalibration)
            new = _outcome(predict(subnet, images[seen:count]), self.labels[seen:count])
            known = _Outcome(*(np.concatenate(pair) for pair in zip(known, new, strict=True)))
            self._outcomes[architecture] = known
            self.images_seen += count - seen
        return known

    def _recalibrated(self, architecture: Architecture, images: np.ndarray) -> TorchNetwork:
        """The subnet, ready to be scored; the latest one is kept for its next images."""
        if self._latest is None or self._latest[0] != architecture:
            subnet = self.supernet.subnet(architecture)
            if self.adaptation:
                self.adaptation.adapt(subnet, architecture.integer("resolution"))
            recalibrate(subnet, images)
            self._latest = architecture, subnet
        return self._latest[1]

    def _at(self, resolution: int) -> tuple[np.ndarray, np.ndarray]:
        if resolution not in self._resized:
            pair = (resize(self.recalibration_images, resolution), resize(self.images, resolution))
            self._resized[resolution] = pair
        return self._resized[resolution]


def _outcome(logits: torch.Tensor, labels: np.ndarray) -> _Outcome:
    """Of logits (n, classes) and labels int64 (n,)."""
    losses = F.cross_entropy(logits, torch.from_numpy(labels), reduction="none")
    return _Outcome(losses.double().numpy(), (logits.argmax(1).numpy() == labels).astype(float))


def _score(outcome: _Outcome) -> Score:
    return Score(float(outcome.losses.mean()), float(outcome.right.mean()))


def accuracy(predictions: np.ndarray, labels: np.ndarray) -> float:
    """Share of predictions (N,) that equal the labels (N,)."""
    return float(np.mean(predictions == labels))
