"""Which subnets a step of supernet training trains, and on what.

Single path: each share of the batch trains one sampled subnet (TinyNAS, MCUNet, NeurIPS 2020). Sandwich:
each share trains a large, a small and some other subnets, the large one teaching the others (BigNAS, Yu et
al., ECCV 2020). There, the large one is the space's largest; here it is the largest of POOL sampled ones:
where limits bind, the space's largest is many times what fits, and would take most of the computation to
train what is never used. What was measured is in benchmarks/supernet_training.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from torch import Tensor
from torch.nn import functional as F

from mcu_nas.datasets.images import resize
from mcu_nas.spaces.architecture import Architecture
from mcu_nas.supernet.losses import BatchLoss, Classifier, blended_loss, label_loss
from mcu_nas.supernet.schedule import SupernetSchedule
from mcu_nas.supernet.supernet import Supernet
from mcu_nas.supernet.torch_network import to_pixels

Sampler = Callable[[np.random.Generator], Architecture]

POOL = 8  # subnets that a sandwich's largest and smallest are taken from

# Progressive shrinking (Once-for-All, Cai et al., ICLR 2020, section 3.3): the share of the phase after which
# the positions of a kind are free; before, they take their largest option.
_FREE_AFTER = {"kernel": 0.0, "depth": 0.2, "expand": 0.4, "width": 0.6, "ratio": 0.6}


def classifier(supernet: Supernet, architecture: Architecture) -> Classifier:
    """A subnet as a function of images, which it gets at its own resolution."""
    resolution = architecture.integer("resolution")

    def logits(images: np.ndarray) -> Tensor:
        found: Tensor = supernet(to_pixels(resize(images, resolution)), architecture)
        return found

    return logits


@dataclass(frozen=True)
class SubnetLosses:
    """The losses of the steps of a schedule's second phase."""

    supernet: Supernet
    schedule: SupernetSchedule
    sample: Sampler

    def of_step(self, step: int, rng: np.random.Generator) -> list[BatchLoss]:
        """One loss a share of the batch; ``rng`` is the step's own."""
        rule = self._sandwich if self.schedule.sandwich else self._single
        return [rule(step, rng) for _ in range(self.schedule.sampled.shares)]

    def _single(self, step: int, rng: np.random.Generator) -> BatchLoss:
        return label_loss(classifier(self.supernet, self.draw(step, rng)), self.schedule.sampled)

    def _sandwich(self, step: int, rng: np.random.Generator) -> BatchLoss:
        schedule = self.schedule.sampled
        pool = [self.draw(step, rng) for _ in range(POOL)]

        def loss(images: np.ndarray, targets: Tensor) -> Tensor:
            by_macs = sorted(range(POOL), key=lambda number: self.supernet.macs(pool[number]))
            # The first that were drawn, hence at random.
            middle = sorted(by_macs[1:-1])[: self.schedule.sandwich]
            largest = classifier(self.supernet, pool[by_macs[-1]])
            others = [classifier(self.supernet, pool[number]) for number in (by_macs[0], *middle)]
            logits = largest(images)
            total = F.cross_entropy(logits, targets, label_smoothing=schedule.label_smoothing)
            answers = logits.detach().softmax(1)
            for network in others:
                total = total + blended_loss(network(images), targets, answers, schedule)
            return total / (1 + len(others))

        return loss

    def draw(self, step: int, rng: np.random.Generator) -> Architecture:
        """A sampled subnet; with progressive shrinking, the positions that are not free yet at their
        largest."""
        drawn = self.sample(rng)
        if not self.schedule.progressive:
            return drawn
        done, space = step / max(1, self.schedule.sampled.steps), self.supernet.space
        fixed = {
            position.name: position.options[-1]
            for position in space.positions
            if done < _FREE_AFTER.get(position.name.rpartition(".")[2], 0.0)
        }
        return space.canonical({**dict(drawn.choices), **fixed})
