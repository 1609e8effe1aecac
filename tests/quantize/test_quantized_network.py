"""Quantization-aware training: the arithmetic is the device's, the export is what was trained."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from mcu_nas.compiler.int8_arithmetic import requantized as kernels_requantized
from mcu_nas.compiler.requantize import quantize_multiplier
from mcu_nas.errors import RunFolderError
from mcu_nas.graph import Graph, Quantization
from mcu_nas.network import Network, Tensor
from mcu_nas.operators import Activation, AveragePool2D, Padding, Weighted
from mcu_nas.quantize.quantize import quantize_network
from mcu_nas.quantize.quantized_network import QuantizedNetwork, train_quantized
from mcu_nas.quantize.rounding import clamped_and_rounded, factor_of, requantized
from mcu_nas.spaces.builder import NetworkBuilder
from mcu_nas.supernet import training
from mcu_nas.supernet.batch_norm import recalibrate
from mcu_nas.supernet.schedule import Schedule
from mcu_nas.supernet.torch_network import TorchNetwork, to_pixels
from tests.fashion import fashion, needs_fashion_mnist
from tests.quantize.trained_network import calibration_images, feed, images, trained
from tests.reference import reference_outputs
from tests.supernet.small_training import digest

pytestmark = needs_fashion_mnist

SCHEDULE = Schedule(
    steps=30, batch=64, learning_rate=0.02, warmup_steps=3, label_smoothing=0.0, averaging=0.8
)


def reference(graph: Graph, pixels: np.ndarray) -> np.ndarray:
    """tflite-micro's int8 outputs for uint8 images."""
    return reference_outputs(graph, (pixels ^ 0x80).view(np.int8))


def assert_within_one_step(found: np.ndarray, expected: np.ndarray) -> None:
    """Within 1 on 99 % of the values, equal on nearly as many."""
    apart = np.abs(found.astype(np.int16) - expected)
    assert (apart <= 1).mean() >= 0.99
    assert (apart == 0).mean() >= 0.95


def trained_on(schedule: Schedule, checkpoint: Path | None = None, **options: object) -> QuantizedNetwork:
    network = QuantizedNetwork(trained(), calibration_images())
    train_quantized(network, feed(), schedule, checkpoint=checkpoint, **options)  # type: ignore[arg-type]
    return network


@lru_cache(maxsize=1)
def after_training() -> QuantizedNetwork:
    return trained_on(SCHEDULE)


def test_before_training_it_is_the_network_that_calibration_alone_gives() -> None:
    found = QuantizedNetwork(trained(), calibration_images()).graph()
    expected = quantize_network(trained(), calibration_images())
    assert found.quantization == expected.quantization
    for tensor, values in expected.constants.items():
        np.testing.assert_array_equal(found.constants[tensor], values)


def test_forward_pass_agrees_with_tflite_micro_after_training() -> None:
    network = after_training()
    assert_within_one_step(network.outputs(images(400)), reference(network.graph(), images(400)))


def test_export_keeps_the_scales_of_the_training() -> None:
    before = QuantizedNetwork(trained(), calibration_images()).graph()
    after = after_training().graph()
    for tensor in (op.outputs[0] for op in after.network.ops):
        assert after.quantization[tensor] == before.quantization[tensor]
    weights = [op.inputs[1] for op in after.network.ops if isinstance(op, Weighted)]
    assert all(np.any(after.constants[tensor] != before.constants[tensor]) for tensor in weights)


def test_training_lowers_the_loss_of_the_int8_model() -> None:
    pixels, labels = to_pixels(calibration_images(1000)), torch.from_numpy(fashion().train_labels[:1000])
    with torch.no_grad():
        before = F.cross_entropy(QuantizedNetwork(trained(), calibration_images())(pixels), labels)
        after = F.cross_entropy(after_training()(pixels), labels)
    assert after < before - 0.02


class CutOffError(Exception):
    """Ends a training early."""


def test_training_that_was_cut_off_ends_with_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "CHECKPOINT_EVERY", 10)

    def cut(done: int, total: int, loss: float) -> None:
        if done == 17:
            raise CutOffError

    with pytest.raises(CutOffError):
        trained_on(SCHEDULE, tmp_path / "q.pt", progress=cut)
    assert digest(trained_on(SCHEDULE, tmp_path / "q.pt")) == digest(after_training())


def test_checkpoint_of_float_training_is_refused(tmp_path: Path) -> None:
    network = TorchNetwork(trained().network)
    training.train_network(network, feed(), Schedule(1, 64, 0.1), checkpoint=tmp_path / "w.pt")
    with pytest.raises(RunFolderError, match="belongs to a training with other settings"):
        trained_on(Schedule(1, 64, 0.1), tmp_path / "w.pt")


def pooled(activation: Activation, window: int, size: int, padding: Padding) -> Network:
    """A convolution with its activation, a residual sum, an average pool, a mean and a classifier."""
    builder = NetworkBuilder()
    x = builder.conv("stem", builder.input("pixels", (1, 12, 12, 1)), 8, 3, 1, activation)
    y = builder.conv("branch", builder.depthwise("depthwise", x, 5, 1, activation), 8, 1, 1, Activation.NONE)
    x = builder.add("sum", x, y)
    x = builder.append(
        lambda out: AveragePool2D((x,), (out,), (window, window), (2, 2), padding),
        Tensor("pool.out", (1, size, size, 8)),
    )
    return builder.build(builder.fully_connected("classifier", builder.mean("mean", x), 10))


@pytest.mark.parametrize("activation", [Activation.RELU, Activation.RELU6, Activation.NONE])
@pytest.mark.parametrize(("window", "size", "padding"), [(2, 6, Padding.VALID), (3, 6, Padding.SAME)])
def test_each_operator_agrees_with_tflite_micro(
    activation: Activation, window: int, size: int, padding: Padding
) -> None:
    network = TorchNetwork(pooled(activation, window, size, padding))
    recalibrate(network, images(64))
    found = QuantizedNetwork(network, calibration_images())
    assert_within_one_step(found.outputs(images(200)), reference(found.graph(), images(200)))


@pytest.mark.parametrize("channels", [4, 8, 19])
@pytest.mark.parametrize("plane", [(), (9, 11)])
def test_requantization_is_that_of_the_kernels(channels: int, plane: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    sums = rng.integers(-30_000, 30_000, (7, channels, *plane))
    bias = rng.integers(-3_000, 3_000, channels)
    whole = rng.uniform(0.001, 1.5, channels).astype(np.float32)
    output, factors = Quantization((1.0,), (0,)), [quantize_multiplier(float(factor)) for factor in whole]
    tensors = [torch.from_numpy(values.astype(np.float32)) for values in (sums, bias)]
    found = requantized(tensors[0], tensors[1], factor_of(torch.from_numpy(whole)), -128, 127).numpy()
    for image, channel in np.ndindex(7, channels):
        accumulators = np.atleast_1d(sums[image, channel]).ravel() + bias[channel]
        expected = kernels_requantized(
            accumulators, [factors[channel]] * len(accumulators), output, Activation.NONE
        )
        assert np.mean(found[image, channel].ravel() != expected) <= 0.01


@pytest.mark.parametrize("channels", [4, 8, 19])
def test_gradients_are_those_of_the_clamp_without_the_rounding(channels: int) -> None:
    generator = torch.Generator().manual_seed(0)
    sums = torch.randint(-4000, 4000, (6, channels, 9, 11), generator=generator).double().requires_grad_()
    bias = torch.randint(-300, 300, (channels,), generator=generator).double().requires_grad_()
    factor = factor_of(torch.linspace(0.01, 0.2, channels, dtype=torch.double))
    upstream = torch.randn(sums.shape, generator=generator, dtype=torch.double)
    smooth = (sums + bias.reshape(-1, 1, 1)) * factor.whole.reshape(-1, 1, 1)
    inside = (smooth > -127.5) & (smooth < 126.5)  # what is rounded twice may end at a bound
    outside = (smooth < -128.5) | (smooth > 127.5)
    upstream = torch.where(inside | outside, upstream, 0.0)
    expected = torch.autograd.grad((smooth.clamp(-128, 127) * upstream).sum(), (sums, bias))
    stepped = requantized(sums, bias, factor, -128, 127)
    assert torch.equal(stepped, stepped.round())
    found = torch.autograd.grad((stepped * upstream).sum(), (sums, bias))
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other)


def test_ties_are_rounded_away_from_zero() -> None:
    ties = torch.tensor([-127.5, -2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 126.5])
    expected = torch.tensor([-128.0, -3.0, -2.0, -1.0, 1.0, 2.0, 3.0, 127.0])
    assert torch.equal(clamped_and_rounded(ties, -128, 127), expected)
