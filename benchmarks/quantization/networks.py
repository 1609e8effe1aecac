"""The networks of the study: narrow ones, where a channel's rounding weighs most, and one of 50 KB."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from mcu_nas.network import Network
from mcu_nas.operators import Activation
from mcu_nas.spaces.builder import NetworkBuilder

PX, CLASSES = 28, 10

_RELU, _RELU6, _NONE = Activation.RELU, Activation.RELU6, Activation.NONE


def mobile(stem: int, stages: tuple[tuple[int, int], ...], head: int, activation: Activation) -> Network:
    """Two MBConv blocks a stage, of kernel 3 and expand ratio 4; ``stages``: (channels, stride)."""
    builder = NetworkBuilder()
    x = builder.conv("stem", builder.input("pixels", (1, PX, PX, 1)), stem, 3, 2, activation)
    width = stem
    for stage, (channels, stride) in enumerate(stages):
        for block in range(2):
            name, source = f"stage{stage}.block{block}", x
            y = builder.conv(f"{name}.expand", x, 4 * width, 1, 1, activation)
            y = builder.depthwise(f"{name}.depthwise", y, 3, stride if block == 0 else 1, activation)
            x = builder.conv(f"{name}.project", y, channels, 1, 1, _NONE)
            if block == 1:
                x = builder.add(f"{name}.sum", source, x)
            width = channels
    return _classified(builder, builder.conv("head", x, head, 1, 1, activation))


def separable(stem: int, layers: tuple[tuple[int, int], ...], activation: Activation) -> Network:
    """Depthwise-separable convolutions without shortcuts; ``layers``: (channels, stride)."""
    builder = NetworkBuilder()
    x = builder.conv("stem", builder.input("pixels", (1, PX, PX, 1)), stem, 3, 2, activation)
    for layer, (channels, stride) in enumerate(layers):
        x = builder.depthwise(f"layer{layer}.depthwise", x, 3, stride, activation)
        x = builder.conv(f"layer{layer}.pointwise", x, channels, 1, 1, activation)
    return _classified(builder, x)


def _classified(builder: NetworkBuilder, x: int) -> Network:
    return builder.build(builder.fully_connected("classifier", builder.mean("mean", x), CLASSES))


_LAYERS = ((16, 1), (24, 2), (32, 1), (48, 2), (64, 1))
NETWORKS: Mapping[str, Callable[[], Network]] = {
    "mobile-5k-relu": lambda: mobile(4, ((4, 1), (8, 2), (12, 2)), 32, _RELU),
    "separable-8k-relu": lambda: separable(12, _LAYERS, _RELU),
    "mobile-13k-relu6": lambda: mobile(8, ((8, 1), (12, 2), (20, 2)), 64, _RELU6),
    "mobile-50k-relu6": lambda: mobile(8, ((16, 1), (24, 2), (40, 2)), 128, _RELU6),
}
