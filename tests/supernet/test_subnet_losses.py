"""What supernet training trains: sandwiches, teachers, positions that become free one after the other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from mcu_nas.spaces.architecture import Architecture
from mcu_nas.spaces.space import Space, mbconv_space
from mcu_nas.supernet.losses import blended_loss
from mcu_nas.supernet.schedule import Schedule, SupernetSchedule
from mcu_nas.supernet.subnet_losses import POOL, SubnetLosses, classifier
from mcu_nas.supernet.supernet import Supernet
from mcu_nas.supernet.training import train_supernet
from tests.fashion import needs_fashion_mnist
from tests.supernet.small_training import digest, small_feed, small_space

SAMPLED = Schedule(steps=100, batch=8, learning_rate=0.1, warmup_steps=2)


class Recorded(Supernet):
    """Remembers the architectures and the image sizes that it is run with."""

    def __init__(self, space: Space) -> None:
        super().__init__(space, seed=1)
        self.seen: list[Architecture] = []
        self.sizes: list[int] = []

    def forward(self, pixels: torch.Tensor, architecture: Architecture) -> torch.Tensor:
        self.seen.append(architecture)
        self.sizes.append(pixels.shape[2])
        return super().forward(pixels, architecture)


def run_step(supernet: Supernet, schedule: SupernetSchedule, step: int = 0) -> list[float]:
    losses = SubnetLosses(supernet, schedule, supernet.space.sample).of_step(step, np.random.default_rng(3))
    largest = int(supernet.space.options["resolution"][-1])
    images = np.random.default_rng(0).integers(0, 256, (4, largest, largest, 1), dtype=np.uint8)
    return [float(loss(images, torch.arange(4)).detach()) for loss in losses]


def test_single_path_trains_one_sampled_subnet_a_share() -> None:
    supernet = Recorded(small_space())
    run_step(supernet, SupernetSchedule(SAMPLED, SAMPLED))
    assert len(supernet.seen) == SAMPLED.shares == len(set(supernet.seen))


def test_sandwich_trains_the_largest_and_the_smallest_of_a_pool_and_others_of_it() -> None:
    supernet, space = Recorded(small_space()), small_space()
    drawn: list[Architecture] = []

    def sample(rng: np.random.Generator) -> Architecture:
        drawn.append(space.sample(rng))
        return drawn[-1]

    schedule = SupernetSchedule(SAMPLED, SAMPLED, sandwich=2)
    losses = SubnetLosses(supernet, schedule, sample).of_step(0, np.random.default_rng(3))
    for share, loss in enumerate(losses):
        loss(np.zeros((4, 12, 12, 1), np.uint8), torch.arange(4))
        pool, trained = drawn[share * POOL : (share + 1) * POOL], supernet.seen[share * 4 : (share + 1) * 4]
        assert supernet.macs(trained[0]) == max(map(supernet.macs, pool))
        assert supernet.macs(trained[1]) == min(map(supernet.macs, pool))
        assert set(trained) <= set(pool)
        assert len(set(trained)) == 4


def test_each_subnet_sees_images_at_its_own_resolution() -> None:
    supernet = Recorded(mbconv_space(28, 1, 10, (12, 16), (0.2,)))
    run_step(supernet, SupernetSchedule(SAMPLED, SAMPLED, sandwich=3))
    assert supernet.sizes == [architecture["resolution"] for architecture in supernet.seen]
    assert set(supernet.sizes) == {12, 16}


def test_teacher_does_not_learn_from_those_it_teaches() -> None:
    space, supernet = small_space(), Supernet(small_space(), seed=1)
    drawn = iter([space.largest(), *[space.smallest()] * (POOL - 1)] * 2)
    schedule = SupernetSchedule(SAMPLED, replace(SAMPLED, distillation=1.0), sandwich=1)
    images, targets = np.zeros((4, 12, 12, 1), np.uint8), torch.arange(4)
    losses = SubnetLosses(supernet, schedule, lambda rng: next(drawn)).of_step(0, np.random.default_rng(0))
    losses[0](images, targets).backward()
    own = torch.nn.functional.cross_entropy(
        classifier(supernet, space.largest())(images), targets, label_smoothing=SAMPLED.label_smoothing
    )
    beyond = [parameter for name, parameter in supernet.named_parameters() if "block3" in name]
    alone = torch.autograd.grad(own / 3, beyond)  # layers that the smallest lacks: three networks are trained
    assert beyond
    for parameter, expected in zip(beyond, alone, strict=True):
        assert torch.allclose(parameter.grad, expected, atol=1e-7)


@pytest.mark.parametrize(
    ("share", "free"),
    [
        (0.1, {"kernel"}),
        (0.3, {"kernel", "depth"}),
        (0.5, {"kernel", "depth", "expand"}),
        (0.7, {"kernel", "depth", "expand", "width", "ratio"}),
    ],
)
def test_positions_become_free_kind_by_kind(share: float, free: set[str]) -> None:
    space = mbconv_space(28, 1, 10, (12,), (0.5,))
    supernet = Recorded(space)
    schedule = SupernetSchedule(SAMPLED, SAMPLED, sandwich=6, progressive=True)
    run_step(supernet, schedule, step=int(share * SAMPLED.steps))
    assert len(supernet.seen) == SAMPLED.shares * POOL
    varied = {
        name.rpartition(".")[2]
        for architecture in supernet.seen
        for name in space.active(architecture)
        if architecture[name] != space.options[name][-1]
    }
    assert varied == free


def test_distillation_weighs_the_teacher_against_the_labels() -> None:
    logits, targets = torch.randn(6, 10), torch.arange(6)
    answers = torch.randn(6, 10).softmax(1)
    losses = [
        float(blended_loss(logits, targets, answers, replace(SAMPLED, distillation=weight)))
        for weight in (0.0, 0.25, 1.0)
    ]
    assert losses[1] == pytest.approx(0.75 * losses[0] + 0.25 * losses[2])


@needs_fashion_mnist
def test_taught_averaged_sandwich_training_is_cut_off_and_resumed_to_the_same_bits(tmp_path: Path) -> None:
    first = Schedule(steps=2, batch=8, learning_rate=0.1, warmup_steps=1, averaging=0.9)
    second = replace(first, steps=4, distillation=1.0, cutout=4, mixup=0.2)
    schedule = SupernetSchedule(first, second, sandwich=1, progressive=True)

    class StoppedError(Exception):
        pass

    def stop_at(limit: int) -> Callable[[int, int, float], None]:
        def progress(step: int, total: int, loss: float) -> None:
            if step == limit:
                raise StoppedError

        return progress

    whole, parts = Supernet(small_space(), seed=1), Supernet(small_space(), seed=1)
    train_supernet(whole, small_feed(), schedule)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mcu_nas.supernet.training.CHECKPOINT_EVERY", 1)
        for limit in (2, 4):
            with pytest.raises(StoppedError):
                train_supernet(
                    parts, small_feed(), schedule, checkpoint=tmp_path / "s.pt", progress=stop_at(limit)
                )
            parts = Supernet(small_space(), seed=1)
        train_supernet(parts, small_feed(), schedule, checkpoint=tmp_path / "s.pt")
    assert digest(parts) == digest(whole)


@needs_fashion_mnist
def test_finished_training_without_a_first_phase_is_loaded_with_its_average(tmp_path: Path) -> None:
    none = Schedule(steps=0, batch=8, learning_rate=0.1)
    schedule = SupernetSchedule(none, replace(none, steps=3, averaging=0.9))
    first, again = Supernet(small_space(), seed=1), Supernet(small_space(), seed=2)
    for supernet in (first, again):
        train_supernet(supernet, small_feed(), schedule, checkpoint=tmp_path / "s.pt")
    assert digest(again) == digest(first)
