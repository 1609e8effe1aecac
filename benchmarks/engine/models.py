"""The models of the engine's benchmark: published ones where they are at hand, else networks of their classes
with random weights, drawn as training leaves them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.search_quality.mobilenet import MobileNetV2
from benchmarks.trained_weights import with_trained_weights
from mcu_nas.graph import Graph
from mcu_nas.network import Network
from mcu_nas.operators import Activation
from mcu_nas.quantize.synthetic import random_graph
from mcu_nas.spaces.builder import NetworkBuilder
from mcu_nas.tflite.reader import parse_tflite, read_tflite
from mcu_nas.tflite.writer import serialize_tflite

REFERENCE_MODELS = Path(__file__).parents[2] / ".." / "shared" / "reference_models"
_V1_BLOCKS = (  # channels and stride, Howard et al., arXiv 1704.04861, table 1
    (64, 1),
    (128, 2),
    (128, 1),
    (256, 2),
    (256, 1),
    (512, 2),
    *((512, 1),) * 5,
    (1024, 2),
    (1024, 1),
)


@dataclass(frozen=True)
class BenchmarkModel:
    """A model, and the bars of its class: instructions for each MAC with weights stored wide and in bytes."""

    name: str
    graph: Callable[[], Graph]
    per_mac: tuple[float, float]


def models() -> Iterator[BenchmarkModel]:
    """All models that can be made here."""
    for name, (file, per_mac) in _PUBLISHED.items():
        path = REFERENCE_MODELS / file
        if path.exists():
            yield BenchmarkModel(name, lambda path=path: read_tflite(path), per_mac)
    for name, (network, per_mac) in _MADE.items():
        yield BenchmarkModel(name, lambda network=network: _weighted(network()), per_mac)


def mobilenet_v1(width: float, resolution: int, classes: int) -> Network:
    """MobileNetV1, arXiv 1704.04861, with all channels scaled."""
    builder = NetworkBuilder()
    x = builder.input("pixels", (1, resolution, resolution, 3))
    x = builder.conv("stem", x, round(32 * width), 3, 2, Activation.RELU6)
    for number, (channels, stride) in enumerate(_V1_BLOCKS):
        x = builder.depthwise(f"block{number}.depthwise", x, 3, stride, Activation.RELU6)
        x = builder.conv(f"block{number}.pointwise", x, round(channels * width), 1, 1, Activation.RELU6)
    return builder.build(builder.fully_connected("classifier", builder.mean("mean", x), classes))


def mobilenet_v2(width: float, resolution: int) -> Network:
    """MobileNetV2 with two classes."""
    return MobileNetV2(width, resolution).lower(3, 2)


def fully_connected(*features: int) -> Network:
    """Layers of so many features, the first of which are inputs."""
    first, *others = features
    builder = NetworkBuilder()
    x = builder.input("values", (1, first))
    for number, count in enumerate(others):
        x = builder.fully_connected(f"layer{number}", x, count)
    return builder.build(x)


def _weighted(network: Network) -> Graph:
    """With random weights, through a .tflite file."""
    rng = np.random.default_rng(1)
    graph = with_trained_weights(random_graph(network, rng), rng)
    return parse_tflite(serialize_tflite(graph), "model.tflite")


_V1, _V2, _V2_NARROW, _FC = (0.75, 0.85), (0.85, 0.95), (1.0, 1.1), (0.80, 1.0)
_PUBLISHED: Mapping[str, tuple[str, tuple[float, float]]] = {
    "ResNet-8, MLPerf Tiny": ("pretrainedResnet_quant.tflite", (6.5e6 / 12_501_632, 9.0e6 / 12_501_632)),
    "DS-CNN, MLPerf Tiny": ("kws_ref_model.tflite", (2.2e6 / 2_656_768, 2.3e6 / 2_656_768)),
}
_MADE: Mapping[str, tuple[Callable[[], Network], tuple[float, float]]] = {
    "MobileNetV1 0.25, 96 px": (lambda: mobilenet_v1(0.25, 96, 2), _V1),
    "MobileNetV1 0.25, 160 px": (lambda: mobilenet_v1(0.25, 160, 2), _V1),
    "MobileNetV1 0.5, 96 px": (lambda: mobilenet_v1(0.5, 96, 2), _V1),
    "MobileNetV1 0.5, 128 px": (lambda: mobilenet_v1(0.5, 128, 10), _V1),
    "MobileNetV1 0.625, 48 px": (lambda: mobilenet_v1(0.625, 48, 10), _V1),
    "MobileNetV2 0.35, 96 px": (lambda: mobilenet_v2(0.35, 96), _V2_NARROW),
    "MobileNetV2 0.35, 144 px": (lambda: mobilenet_v2(0.35, 144), _V2_NARROW),
    "MobileNetV2 0.5, 96 px": (lambda: mobilenet_v2(0.5, 96), _V2),
    "MobileNetV2 0.5, 160 px": (lambda: mobilenet_v2(0.5, 160), _V2),
    "autoencoder 640-128": (
        lambda: fully_connected(640, 128, 128, 128, 128, 8, 128, 128, 128, 128, 640),
        _FC,
    ),
    "classifier 256-256-128": (lambda: fully_connected(256, 256, 256, 128, 10), _FC),
}
