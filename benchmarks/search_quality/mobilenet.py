"""MobileNetV2 scaled down: what one would take without a search.

Sandler et al., arXiv 1801.04381, table 2: expansions, channels, repeats and strides. Scaled by a width
multiplier over everything, stem and last convolution included (with its published 1,280 channels nothing
would fit; the paper scales it only upwards), or by EfficientNet's compound coefficient (Tan and Le,
arXiv 1905.11946, section 3.3), here downwards.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from mcu_nas.network import Network
from mcu_nas.operators import Activation
from mcu_nas.spaces.builder import NetworkBuilder
from mcu_nas.spaces.mbconv import make_divisible

STEM, LAST = 32, 1280
STAGES = (  # expansion, channels, blocks, stride of the first block
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
PUBLISHED_STRIDES = (2, 2)  # of the stem and of the second stage; small images are often given (1, 1)
PUBLISHED_PX = 224
ALPHA, BETA, GAMMA = 1.2, 1.1, 1.15  # compound scaling of depth, width, resolution


@dataclass(frozen=True)
class MobileNetV2:
    """A scaled MobileNetV2. ``depth`` multiplies the blocks of each stage, rounded up; channels are
    multiples of ``divisor``; ``strides`` are those of the stem and of the second stage."""

    width: float
    resolution: int
    depth: float = 1.0
    divisor: int = 8
    strides: tuple[int, int] = PUBLISHED_STRIDES

    @staticmethod
    def compound(phi: float, largest_px: int, divisor: int, strides: tuple[int, int]) -> MobileNetV2:
        """Depth, width and resolution together by EfficientNet's coefficients, from the published network at
        ``phi`` = 0 downwards; where images have fewer pixels than that leaves, all that they have."""
        px = min(largest_px, 4 * round(PUBLISHED_PX * GAMMA**phi / 4))
        return MobileNetV2(BETA**phi, px, ALPHA**phi, divisor, strides)

    def __str__(self) -> str:
        stem, second = self.strides
        return (
            f"w {self.width:.3f}, d {self.depth:.2f}, {self.resolution} px, strides {stem} {second},"
            f" divisor {self.divisor}"
        )

    def channels(self, published: int) -> int:
        """A layer's channels under the width multiplier."""
        return make_divisible(published * self.width, self.divisor)

    def lower(self, image_channels: int, classes: int) -> Network:
        """Pixels (1, r, r, image_channels) in, logits (1, classes) out."""
        builder = NetworkBuilder()
        pixels = builder.input("pixels", (1, self.resolution, self.resolution, image_channels))
        x = builder.conv("stem", pixels, self.channels(STEM), 3, self.strides[0], Activation.RELU6)
        for stage, (expansion, channels, blocks, published_stride) in enumerate(STAGES, start=1):
            first_stride = self.strides[1] if stage == 2 else published_stride
            for block in range(math.ceil(blocks * self.depth)):
                stride = first_stride if block == 0 else 1
                name = f"stage{stage}.block{block + 1}"
                x = _block(builder, name, x, expansion, self.channels(channels), stride)
        x = builder.conv("head", x, self.channels(LAST), 1, 1, Activation.RELU6)
        return builder.build(builder.fully_connected("classifier", builder.mean("mean", x), classes))


def _block(
    builder: NetworkBuilder, name: str, source: int, expansion: int, channels: int, stride: int
) -> int:
    x, before = source, builder.shape(source)[3]
    if expansion > 1:
        x = builder.conv(f"{name}.expand", x, before * expansion, 1, 1, Activation.RELU6)
    x = builder.depthwise(f"{name}.depthwise", x, 3, stride, Activation.RELU6)
    x = builder.conv(f"{name}.project", x, channels, 1, 1, Activation.NONE)
    return builder.add(f"{name}.add", source, x) if stride == 1 and before == channels else x
