"""What a training step minimises: the loss of each share of a batch, from labels and from a teacher."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from mcu_nas.supernet.device import compute_device
from mcu_nas.supernet.feed import Feed
from mcu_nas.supernet.schedule import Schedule

Classifier = Callable[[np.ndarray], Tensor]  # uint8 images (N, H, W, C) to logits (N, classes)
Loss = Callable[[], Tensor]
BatchLoss = Callable[[np.ndarray, Tensor], Tensor]  # of images and their targets, see Feed.batch


def label_loss(network: Classifier, schedule: Schedule) -> BatchLoss:
    """Cross-entropy with the targets, smoothed."""

    def loss(images: np.ndarray, targets: Tensor) -> Tensor:
        return F.cross_entropy(network(images), targets, label_smoothing=schedule.label_smoothing)

    return loss


def taught_loss(network: Classifier, teacher: Classifier, schedule: Schedule) -> BatchLoss:
    """The same, and with weight ``distillation`` instead of it the cross-entropy with the teacher's answers
    (Hinton et al., arXiv 1503.02531, temperature 1). The teacher does not learn."""

    def loss(images: np.ndarray, targets: Tensor) -> Tensor:
        with torch.no_grad():
            answers = teacher(images).softmax(1)
        return blended_loss(network(images), targets, answers, schedule)

    return loss


def blended_loss(logits: Tensor, targets: Tensor, answers: Tensor, schedule: Schedule) -> Tensor:
    """Of logits (N, classes), against the targets and a teacher's probabilities (N, classes)."""
    taught = F.cross_entropy(logits, answers)
    if schedule.distillation == 1.0:
        return taught
    labelled = F.cross_entropy(logits, targets, label_smoothing=schedule.label_smoothing)
    return torch.lerp(labelled, taught, schedule.distillation)


def dealt_out(feed: Feed, step: int, schedule: Schedule, losses: Sequence[BatchLoss]) -> list[Loss]:
    """Step number ``step``'s batch in equal shares: per loss, a function that computes it on its share,
    divided by their number."""
    images, targets = feed.batch(step, schedule)
    targets = targets.to(compute_device())
    parts = zip(losses, np.array_split(images, len(losses)), targets.tensor_split(len(losses)), strict=True)
    return [partial(_share, loss, x, y, len(losses)) for loss, x, y in parts]


def _share(loss: BatchLoss, images: np.ndarray, targets: Tensor, shares: int) -> Tensor:
    return loss(images, targets) / shares
