"""From a trained PyTorch module to int8: the same decisions, and a file that others run."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from mcu_nas.compiler.export import load_program
from mcu_nas.datasets.images import real_pixels
from mcu_nas.devices.host import HostModel
from mcu_nas.graph import PIXELS, PROBABILITIES, Graph
from mcu_nas.operators import Concatenation, Logistic, Quantize, Tanh
from mcu_nas.quantize.quantize import quantize_float_network
from mcu_nas.quantize.torch_import import import_module, module_outputs
from mcu_nas.tflite.litert import litert_outputs
from mcu_nas.tflite.writer import serialize_tflite
from tests.fashion import fashion, needs_fashion_mnist
from tests.quantize.modules import ARCHITECTURES, MobileNetV3Like, ResNet, made
from tests.reference import reference_outputs


def quantized(module: nn.Module, images: np.ndarray) -> Graph:
    network = import_module(module, images.shape[1:]).network
    return quantize_float_network(network, images)


@lru_cache(maxsize=1)
def trained() -> nn.Module:
    """A small residual network after a few seconds of training."""
    torch.manual_seed(0)
    module = ResNet()
    images = torch.from_numpy(real_pixels(fashion().train_images[:4000])).permute(0, 3, 1, 2).contiguous()
    labels = torch.from_numpy(fashion().train_labels[:4000])
    optimizer = torch.optim.Adam(module.parameters(), 0.02)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, total_iters=150)
    module.train()
    for step in range(150):
        chosen = torch.arange(step * 64, step * 64 + 64) % len(images)
        optimizer.zero_grad()
        F.cross_entropy(module(images[chosen]), labels[chosen]).backward()
        optimizer.step()
        schedule.step()
    return module.eval()


@needs_fashion_mnist
def test_int8_module_decides_as_the_float_module_does(tmp_path: Path) -> None:
    graph = quantized(trained(), fashion().train_images[:300])
    model = tmp_path / "trained.tflite"
    model.write_bytes(serialize_tflite(graph))
    images, labels = fashion().test_images[:1000], fashion().test_labels[:1000]
    expected = module_outputs(trained(), images, 1.0).argmax(1)
    found = HostModel(load_program(model)).run((images ^ 0x80).view(np.int8)).argmax(1)
    assert (expected == labels).mean() > 0.6
    assert (found == expected).mean() > 0.9
    assert abs((found == labels).mean() - (expected == labels).mean()) < 0.03


def random_images(count: int) -> np.ndarray:
    """Smooth random images: white noise would make every mean alike."""
    coarse = np.random.default_rng(2).integers(0, 256, (count, 7, 7, 1), np.uint8)
    return coarse.repeat(4, 1).repeat(4, 2)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_litert_computes_nearly_what_torch_does(architecture: type[nn.Module]) -> None:
    module, images = made(architecture), random_images(64)
    graph = quantized(module, images)
    expected = module_outputs(module, images, 1.0)
    found = litert_outputs(serialize_tflite(graph), architecture.__name__, real_pixels(images))
    assert np.abs(found - expected).mean() < 0.25 * expected.std(0).mean() + 1 / 256


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_generated_c_equals_tflite_micro(architecture: type[nn.Module], tmp_path: Path) -> None:
    graph = quantized(made(architecture), random_images(16))
    model = tmp_path / "m.tflite"
    model.write_bytes(serialize_tflite(graph))
    pixels = (random_images(16) ^ 0x80).view(np.int8)
    np.testing.assert_array_equal(
        HostModel(load_program(model)).run(pixels), reference_outputs(graph, pixels)
    )


def test_pixels_from_0_to_255_scale_the_input_alone() -> None:
    module = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)
    )
    images = random_images(8)
    network = import_module(module.eval(), (28, 28, 1), white=255.0).network
    graph = quantize_float_network(network, images)
    source = graph.quantization[graph.network.inputs[0]]
    assert (source.scale, source.zero_point) == (1.0, -128)


class JoinsFixedScales(nn.Module):
    """The pixels, a sigmoid and a tanh in one tensor."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat((x, torch.sigmoid(x), torch.tanh(3 * x)), 1).mean((2, 3))


def test_concatenated_tensors_share_a_scale_and_fixed_ones_are_requantized() -> None:
    graph = quantized(JoinsFixedScales(), random_images(8))
    (joined,) = (op for op in graph.network.ops if isinstance(op, Concatenation))
    scales = {graph.quantization[tensor] for tensor in (*joined.inputs, *joined.outputs)}
    assert len(scales) == 1
    assert sum(isinstance(op, Quantize) for op in graph.network.ops) == 3
    assert graph.quantization[graph.network.inputs[0]] == PIXELS
    for op in graph.network.ops:
        if isinstance(op, Logistic):
            assert graph.quantization[op.outputs[0]] == PROBABILITIES
        if isinstance(op, Tanh):
            found = graph.quantization[op.outputs[0]]
            assert (found.scale, found.zero_point) == (1 / 128, 0)


def test_what_moves_values_keeps_their_scale() -> None:
    graph = quantized(made(MobileNetV3Like), random_images(16))
    for op in graph.network.ops:
        if op.tflite_name in ("PAD", "RESHAPE", "AVERAGE_POOL_2D"):
            assert graph.quantization[op.inputs[0]] == graph.quantization[op.outputs[0]]
