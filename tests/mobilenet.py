"""MobileNetV2 (arXiv 1801.04381, table 2): the network whose published figures pin our counting."""

from __future__ import annotations

from mcu_nas.network import Network
from mcu_nas.operators import Activation
from mcu_nas.spaces.builder import NetworkBuilder

# expansion, channels, blocks, stride of the first block
_STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


def mobilenet_v2(resolution: int = 224, classes: int = 1000) -> Network:
    """MobileNetV2 at width 1.0."""
    builder = NetworkBuilder()
    pixels = builder.input("pixels", (1, resolution, resolution, 3))
    x, channels = builder.conv("stem", pixels, 32, 3, 2, Activation.RELU6), 32
    for stage, (expansion, out_channels, blocks, first_stride) in enumerate(_STAGES, start=1):
        for block in range(blocks):
            stride = first_stride if block == 0 else 1
            layer = f"stage{stage}.block{block + 1}"
            x = _block(builder, layer, x, channels, expansion, out_channels, stride)
            channels = out_channels
    x = builder.conv("head", x, 1280, 1, 1, Activation.RELU6)
    return builder.build(builder.fully_connected("classifier", builder.mean("mean", x), classes))


def _block(
    builder: NetworkBuilder, layer: str, source: int, channels: int, expansion: int, out: int, stride: int
) -> int:
    x = source
    if expansion > 1:
        x = builder.conv(f"{layer}.expand", x, channels * expansion, 1, 1, Activation.RELU6)
    x = builder.depthwise(f"{layer}.depthwise", x, 3, stride, Activation.RELU6)
    x = builder.conv(f"{layer}.project", x, out, 1, 1, Activation.NONE)
    return builder.add(f"{layer}.add", source, x) if stride == 1 and channels == out else x
