"""Training of supernets and of single networks; resumable to the bit, whatever the number of threads.

Everything random derives from (seed, step): the order of images, their augmentation, the subnets sampled.
A checkpoint therefore holds weights, their average, momentum and the step's number, and nothing else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from mcu_nas.spaces.space import Space
from mcu_nas.supernet.averaging import MovingAverage
from mcu_nas.supernet.checkpoint import load_checkpoint, save_checkpoint
from mcu_nas.supernet.feed import Feed
from mcu_nas.supernet.losses import Classifier, Loss, dealt_out, label_loss, taught_loss
from mcu_nas.supernet.schedule import Schedule, SupernetSchedule
from mcu_nas.supernet.subnet_losses import Sampler, SubnetLosses, classifier
from mcu_nas.supernet.supernet import Supernet
from mcu_nas.supernet.torch_network import TorchNetwork, to_pixels
from mcu_nas.supernet.workers import anchored, map_in_threads

CHECKPOINT_EVERY = 100  # steps
_SUBNETS = 2  # random stream of the sampled subnets, beside those of feed.py

Progress = Callable[[int, int, float], None]  # step done, steps in all, that step's loss
_Losses = Callable[[int], list[Loss]]  # of step number n: one function a share of the batch


def train_supernet(
    supernet: Supernet,
    feed: Feed,
    schedule: SupernetSchedule,
    *,
    checkpoint: Path | None = None,
    sample: Sampler | None = None,
    progress: Progress | None = None,
) -> None:
    """Trains the supernet in place, in the two phases of its schedule.

    The feed's images have the space's largest resolution; each subnet gets them at its own. ``sample`` draws
    the subnets, by default uniformly from the space; it must depend on its generator alone. ``progress`` is
    called after each step. With ``checkpoint`` a run that was cut off goes on where the file stands.

    Raises:
        RunFolderError: the checkpoint is broken or belongs to another training.
    """
    subnets = SubnetLosses(supernet, schedule, sample or supernet.space.sample)
    first, second = schedule.phases
    largest = label_loss(classifier(supernet, supernet.space.largest()), first)

    def largest_losses(step: int) -> list[Loss]:
        return dealt_out(feed, step, first, [largest] * first.shares)

    def sampled_losses(step: int) -> list[Loss]:
        rng = np.random.default_rng((feed.seed, _SUBNETS, step))
        return dealt_out(feed, first.steps + step, second, subnets.of_step(step, rng))

    phases = (
        _Phase(first, 0, largest_losses, supernet.sort_channels),
        _Phase(second, first.steps, sampled_losses, lambda: None),
    )
    identity = supernet_identity(supernet.space, feed, schedule)
    _run(supernet, phases, first.steps + second.steps, identity, checkpoint, progress)


def train_network(
    network: TorchNetwork,
    feed: Feed,
    schedule: Schedule,
    *,
    checkpoint: Path | None = None,
    progress: Progress | None = None,
) -> None:
    """Trains one network in place: from scratch, or on from a supernet's weights.

    Batch-norm statistics are not tracked: recalibrate afterwards.

    Raises:
        RunFolderError: the checkpoint is broken or belongs to another training.
    """
    tensors = network.network.tensors
    train_module(network, "network", tensors, feed, schedule, checkpoint=checkpoint, progress=progress)


def train_module(
    module: nn.Module,
    name: str,
    what: object,
    feed: Feed,
    schedule: Schedule,
    *,
    teacher: Classifier | None = None,
    checkpoint: Path | None = None,
    progress: Progress | None = None,
) -> None:
    """Trains in place whatever maps pixels to logits.

    ``teacher`` answers beside the labels with the schedule's weight of distillation; it is called from
    several threads. ``name`` and ``what`` tell its checkpoint from those of other trainings with this feed
    and schedule.

    Raises:
        RunFolderError: the checkpoint is broken or belongs to another training.
    """

    def network(images: np.ndarray) -> Tensor:
        logits: Tensor = module(to_pixels(images))
        return logits

    loss = label_loss(network, schedule) if teacher is None else taught_loss(network, teacher, schedule)

    def losses(step: int) -> list[Loss]:
        return dealt_out(feed, step, schedule, [loss] * schedule.shares)

    identity = _hashed(f"{name} {schedule} {feed.identity} {what} {teacher is not None}")
    phase = _Phase(schedule, 0, losses, lambda: None)
    _run(module, (phase,), schedule.steps, identity, checkpoint, progress)


def supernet_identity(space: Space, feed: Feed, schedule: SupernetSchedule) -> str:
    """Names the training of a supernet in its checkpoint: all that the weights depend on, hashed."""
    return _hashed(f"supernet {schedule} {feed.identity} {space}")


def _hashed(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


class _Phase(NamedTuple):
    """A stretch of training with its own schedule; ``finish`` changes the weights after it."""

    schedule: Schedule
    begins: int
    losses: _Losses
    finish: Callable[[], None]


def _run(
    model: nn.Module,
    phases: tuple[_Phase, ...],
    total: int,
    identity: str,
    checkpoint: Path | None,
    progress: Progress | None,
) -> None:
    state = load_checkpoint(checkpoint, identity) if checkpoint else None
    done = state["step"] if state else 0
    if state:
        model.load_state_dict(state["model"])
    model.train()
    anchors = anchored(model.parameters())  # until the last step
    for phase in phases:
        ends = phase.begins + phase.schedule.steps
        if done >= ends:
            continue
        optimizer = _optimizer(model, phase.schedule)
        average = MovingAverage(list(model.parameters()), phase.schedule.averaging)
        if state and done > phase.begins:
            optimizer.load_state_dict(state["optimizer"])
            average.load(state["average"])
        while done < ends:
            loss = _step(optimizer, phase, done - phase.begins)
            average.update(done - phase.begins)
            done += 1
            if done == ends:
                average.take_over()
                phase.finish()
            if checkpoint and (done % CHECKPOINT_EVERY == 0 or done == ends):
                contents = {
                    "step": done,
                    "model": model.state_dict(),
                    "optimizer": optimizer.state_dict(),
                    "average": average.values,
                }
                save_checkpoint(checkpoint, identity, contents)
            if progress:
                progress(done, total, loss)
    del anchors
    model.eval()


def _optimizer(model: nn.Module, schedule: Schedule) -> torch.optim.SGD:
    """Weight decay on weights alone, not on batch norms and biases."""
    weights = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim <= 1]
    groups: list[dict[str, Any]] = [
        {"params": weights, "weight_decay": schedule.weight_decay},
        {"params": others},
    ]
    optimizer = torch.optim.SGD(groups, lr=0.0, momentum=schedule.momentum, nesterov=True, fused=True)
    for parameter in (*weights, *others):
        # Fused steps want all or none of these; a block that the first subnets leave out would lack its own.
        optimizer.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
    return optimizer


def _step(optimizer: torch.optim.SGD, phase: _Phase, step: int) -> float:
    """One step; gradients are added up in the order of the shares, so that threads change nothing."""
    parameters = [p for group in optimizer.param_groups for p in group["params"]]

    def gradients(loss_of: Callable[[], Tensor]) -> tuple[float, tuple[Tensor | None, ...]]:
        loss = loss_of()
        return float(loss.detach()), torch.autograd.grad(loss, parameters, allow_unused=True)

    losses, shares = zip(*map_in_threads(gradients, phase.losses(step)), strict=True)
    for parameter, *parts in zip(parameters, *shares, strict=True):
        used = [part for part in parts if part is not None]
        parameter.grad = sum(used[1:], start=used[0]) if used else None
    for group in optimizer.param_groups:
        group["lr"] = phase.schedule.rate(step)
    optimizer.step()
    return sum(losses)
