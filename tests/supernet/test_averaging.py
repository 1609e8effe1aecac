"""The moving average that a training may end with."""

from __future__ import annotations

import torch

from mcu_nas.supernet.averaging import MovingAverage


def test_average_follows_quickly_at_first_then_with_its_decay() -> None:
    weight = torch.zeros(1)
    average = MovingAverage([weight], decay=0.5)
    expected = 0.0
    for step in range(12):
        weight.fill_(float(step))
        average.update(step)
        decay = min(0.5, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * step
    average.take_over()
    assert torch.allclose(weight, torch.tensor([expected]))


def test_average_of_noise_around_a_value_is_nearer_to_it_than_the_last_weights() -> None:
    generator, weight = torch.Generator().manual_seed(0), torch.zeros(1000)
    average = MovingAverage([weight], decay=0.98)
    for step in range(400):
        weight.copy_(3.0 + torch.randn(1000, generator=generator))
        average.update(step)
    last = (weight - 3.0).square().mean()
    average.take_over()
    assert (weight - 3.0).square().mean() < last / 20


def test_without_decay_the_weights_stay_as_they_are() -> None:
    weight = torch.ones(3)
    average = MovingAverage([weight], decay=0.0)
    average.update(0)
    weight.fill_(2.0)
    average.take_over()
    assert weight.tolist() == [2.0, 2.0, 2.0]
