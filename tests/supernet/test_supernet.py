"""One set of weights: a subnet is its slice, and sorting channels changes nothing that the net computes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mcu_nas.datasets import resize
from mcu_nas.supernet.batch_norm import recalibrate
from mcu_nas.supernet.layers import Layer
from mcu_nas.supernet.supernet import Supernet
from mcu_nas.supernet.torch_network import TorchNetwork, predict, to_pixels
from tests.fashion import fashion, needs_fashion_mnist
from tests.supernet.small_training import small_space


def scrambled_supernet(seed: int = 0) -> Supernet:
    """All parameters and statistics random, so that a wrong slice shows."""
    supernet = Supernet(small_space(), seed)
    generator = torch.Generator().manual_seed(seed)
    for layer in supernet.layers.values():
        assert isinstance(layer, Layer)
        if layer.normalised:
            for values, low in (
                (layer.gain, 0.5),
                (layer.shift, -0.5),
                (layer.mean, -0.5),
                (layer.variance, 0.5),
            ):
                values.data.uniform_(low, low + 1.0, generator=generator)
    return supernet


def pixels(count: int = 8, seed: int = 0) -> torch.Tensor:
    rng = np.random.default_rng(seed)
    return to_pixels(rng.integers(0, 256, (count, 12, 12, 1), dtype=np.uint8))


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("seed", range(4))
def test_subnet_computes_what_the_supernet_computes_for_it(seed: int, training: bool) -> None:
    supernet = scrambled_supernet(seed).train(training)
    architecture = supernet.space.sample(np.random.default_rng(seed))
    expected = supernet(pixels(), architecture)
    assert torch.equal(supernet.subnet(architecture)(pixels()), expected)


def test_subnet_keeps_its_weights_when_the_supernet_trains_on() -> None:
    supernet = scrambled_supernet().eval()
    subnet = supernet.subnet(supernet.space.smallest())
    before = subnet(pixels())
    for parameter in supernet.parameters():
        parameter.data.zero_()
    assert torch.equal(subnet(pixels()), before)


def test_smaller_kernel_is_the_centre_and_fewer_channels_are_the_first() -> None:
    supernet = scrambled_supernet()
    small = supernet.subnet(supernet.space.smallest())
    whole = supernet.layers["stage1/block1/depthwise"].weight
    part = small.layers["stage1/block1/depthwise"].weight
    assert (whole.shape[2], part.shape[2]) == (7, 3)
    assert torch.equal(part, whole[: len(part), :, 2:5, 2:5])


def test_sorting_channels_keeps_the_largest_networks_function() -> None:
    supernet = scrambled_supernet().eval()
    largest = supernet.space.largest()
    before = supernet(pixels(), largest)
    supernet.sort_channels()
    torch.testing.assert_close(supernet(pixels(), largest), before, rtol=1e-4, atol=1e-4)


def test_sorted_channels_descend_in_importance() -> None:
    supernet = scrambled_supernet()
    supernet.sort_channels()
    norms = supernet.layers["stage2/block1/project"].weight.detach().abs().sum((0, 2, 3))
    assert torch.all(norms[:-1] >= norms[1:])


def test_only_the_sampled_slice_gets_gradients() -> None:
    supernet = Supernet(small_space()).train()
    supernet(pixels(), supernet.space.smallest()).sum().backward()
    gradient = supernet.layers["stage1/block1/depthwise"].weight.grad
    assert gradient[:, :, 3, 3].abs().sum() > 0
    assert gradient[:, :, 0].abs().sum() == 0
    assert supernet.layers["stage1/block3/project"].weight.grad is None


def test_statistics_do_not_move_in_training_only_in_recalibration() -> None:
    network = TorchNetwork(small_space().lower(small_space().smallest())).train()
    network(pixels())
    assert torch.all(network.layers["stem"].mean == 0)
    recalibrate(network, np.full((4, 12, 12, 1), 255, np.uint8))
    assert torch.any(network.layers["stem"].mean != 0)


@needs_fashion_mnist
def test_recalibrated_network_computes_in_eval_mode_what_training_mode_does() -> None:
    images = resize(fashion().train_images[:64], 12)
    network = TorchNetwork(small_space().lower(small_space().largest()))
    recalibrate(network, images)
    expected = network.train()(to_pixels(images)).detach()
    # eval mode uses the unbiased variance: within 1/64 of the biased one per layer
    torch.testing.assert_close(network.eval()(to_pixels(images)).detach(), expected, rtol=0.1, atol=0.1)


def test_folded_prediction_equals_eval_mode() -> None:
    network = scrambled_supernet().eval().subnet(small_space().largest())
    images = np.random.default_rng(0).integers(0, 256, (5, 12, 12, 1), dtype=np.uint8)
    expected = network(to_pixels(images)).detach()
    torch.testing.assert_close(predict(network, images, batch=2), expected, rtol=1e-3, atol=1e-3)
