"""Shared-weight evaluation: a subnet's accuracy with the supernet's weights, batch norm recalibrated.

MCUNet (Lin et al., NeurIPS 2020) and Once-for-All (Cai et al., ICLR 2020): statistics of the full network
do not fit a subnet, so they are estimated anew on training images before it is scored.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from torch.nn import functional as F

from mcu_nas.datasets.images import resize
from mcu_nas.search.history import Score
from mcu_nas.spaces.architecture import Architecture
from mcu_nas.supernet.batch_norm import recalibrate
from mcu_nas.supernet.supernet import Supernet
from mcu_nas.supernet.torch_network import predict


@dataclass
class SharedWeights:
    """Scores subnets of a trained supernet.

    ``recalibration_images`` and ``images`` are uint8 (N, H, W, C) at any size that the space's resolutions
    do not exceed; ``labels`` int64 (N,) belong to ``images``. Each architecture is evaluated once.
    """

    supernet: Supernet
    recalibration_images: np.ndarray = field(repr=False)
    images: np.ndarray = field(repr=False)
    labels: np.ndarray = field(repr=False)
    _scores: dict[Architecture, Score] = field(default_factory=dict, repr=False)
    _resized: dict[int, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict, repr=False)

    def score(self, architecture: Architecture) -> Score:
        """Cross-entropy and accuracy of the subnet on ``images``."""
        if architecture not in self._scores:
            recalibration, images = self._at(architecture.integer("resolution"))
            subnet = self.supernet.subnet(architecture)
            recalibrate(subnet, recalibration)
            logits = predict(subnet, images)
            loss = float(F.cross_entropy(logits, torch.from_numpy(self.labels)))
            self._scores[architecture] = Score(loss, accuracy(logits.argmax(1).numpy(), self.labels))
        return self._scores[architecture]

    def _at(self, resolution: int) -> tuple[np.ndarray, np.ndarray]:
        if resolution not in self._resized:
            pair = (resize(self.recalibration_images, resolution), resize(self.images, resolution))
            self._resized[resolution] = pair
        return self._resized[resolution]


def accuracy(predictions: np.ndarray, labels: np.ndarray) -> float:
    """Share of predictions (N,) that equal the labels (N,)."""
    return float(np.mean(predictions == labels))
