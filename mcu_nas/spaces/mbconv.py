"""The MBConv macro space of MCUNet/TinyNAS (Lin et al., NeurIPS 2020, §3.1) as data.

A template fixes stem, stages and the options of their blocks; a space adds those of resolution and width
multiplier. Positions: resolution, width, the head's ratio, per stage its width (relative to the template's)
and depth, per block the kernel size and the expand ratio. Sampling, mutation, crossover, encoding and
counting are generic over the list of positions (space.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mcu_nas.network import Network
from mcu_nas.operators import Activation
from mcu_nas.spaces.architecture import Architecture, Position
from mcu_nas.spaces.builder import NetworkBuilder

WIDTHS = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
PAPER_RESOLUTIONS = (48, 64, 80, 96, 112, 128, 144, 160, 176, 192, 208, 224)
SMALL_UP_TO_PX = 64


@dataclass(frozen=True)
class Template:
    """Base widths and strides, before the width multiplier, and the options of each stage and block.

    ``head_ratios``: channels of the head's 1×1 convolution over those of the last stage. ``divisor``: what
    all channel numbers are multiples of.
    """

    name: str
    stem_channels: int
    stage_channels: tuple[int, ...]
    stage_strides: tuple[int, ...]
    head_ratios: tuple[int, ...] = (4,)
    stage_widths: tuple[float, ...] = (1.0,)
    depths: tuple[int, ...] = (2, 3, 4)
    kernels: tuple[int, ...] = (3, 5, 7)
    expands: tuple[int, ...] = (3, 4, 6)
    divisor: int = 8


LARGE = Template("large", 16, (24, 40, 80, 96, 192), (2, 2, 2, 1, 2))  # the paper's space
# Three stages, where the large template has five: trained as briefly as a search of minutes can afford,
# 14 narrow blocks end at 91.2 % of Fashion-MNIST's test set, 9 wider ones of the same latency at 91.8 %
# (benchmarks/small_template.py). Images this small leave memory and weights as the limits that bind, so that
# each stage has widths of its own: the search spends them where they bring most.
SMALL = Template(
    "small",
    16,
    (24, 48, 96),
    (1, 2, 2),
    head_ratios=(1, 2, 4),
    stage_widths=(0.5, 0.75, 1.0),
    depths=(1, 2, 3, 4),
    expands=(2, 3, 4, 6),
    divisor=4,
)


@dataclass(frozen=True, slots=True)
class BlockShape:
    """All that the cost of one MBConv block depends on."""

    height: int
    width: int
    channels_in: int
    channels_out: int
    stride: int
    kernel: int
    expand: int

    @property
    def residual(self) -> bool:
        """Whether the block's input is added to its output."""
        return self.stride == 1 and self.channels_in == self.channels_out


def make_divisible(channels: float, divisor: int = 8) -> int:
    """Round to a multiple of ``divisor``, at least one, never more than 10 % down (MobileNetV2)."""
    rounded = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * channels else rounded


def template_for(image_px: int) -> Template:
    """The template that suits images of this size."""
    return SMALL if image_px <= SMALL_UP_TO_PX else LARGE


def usable_resolutions(image_px: int) -> tuple[int, ...]:
    """Resolutions that images of ``image_px`` can fill: n, ¾n, ⅝n, ½n to a multiple of 4, and the paper's
    grid as far as it goes for larger images."""
    own = {max(8, 4 * round(image_px * share / 4)) for share in (1.0, 0.75, 0.625, 0.5)}
    grid = {r for r in PAPER_RESOLUTIONS if r <= image_px} if image_px > SMALL_UP_TO_PX else set()
    return tuple(sorted({r for r in own if r <= image_px} | grid))


def positions(
    template: Template, resolutions: tuple[int, ...], widths: tuple[float, ...] = WIDTHS
) -> tuple[Position, ...]:
    """The decisions of the space, in the order in which an Architecture holds them."""
    found = [
        Position("resolution", resolutions),
        Position("width", widths),
        Position("head.ratio", template.head_ratios),
    ]
    for stage in range(1, len(template.stage_channels) + 1):
        found.append(Position(f"stage{stage}.width", template.stage_widths))
        found.append(Position(f"stage{stage}.depth", template.depths))
        for block in range(1, max(template.depths) + 1):
            found.append(Position(f"stage{stage}.block{block}.kernel", template.kernels))
            found.append(Position(f"stage{stage}.block{block}.expand", template.expands))
    return tuple(found)


def stem_channels(template: Template, width: float) -> int:
    """Channels of the stem under a width multiplier."""
    return make_divisible(template.stem_channels * width, template.divisor)


def stage_channels(template: Template, stage: int, width: float, stage_width: float) -> int:
    """Channels of stage number ``stage``, from 1, under the width multiplier and the stage's own."""
    channels = template.stage_channels[stage - 1] * width * stage_width
    return make_divisible(channels, template.divisor)


def stage_sizes(template: Template, resolution: int) -> tuple[int, ...]:
    """Height (= width) at the input of each stage, then at the output of the last."""
    sizes = [-(-resolution // 2)]
    for stride in template.stage_strides:
        sizes.append(-(-sizes[-1] // stride))
    return tuple(sizes)


def block_place(template: Template, resolution: int, stage: int, block: int) -> tuple[int, int]:
    """(height = width of its input, stride) of a block; stages and blocks are counted from 1."""
    sizes = stage_sizes(template, resolution)
    return (sizes[stage - 1], template.stage_strides[stage - 1]) if block == 1 else (sizes[stage], 1)


def blocks(template: Template, architecture: Architecture) -> Iterator[tuple[str, BlockShape]]:
    """The blocks that an architecture has, as (``stage1.block2``, shape)."""
    width, resolution = architecture["width"], architecture.integer("resolution")
    channels_in = stem_channels(template, width)
    for stage in range(1, len(template.stage_channels) + 1):
        channels_out = stage_channels(template, stage, width, architecture[f"stage{stage}.width"])
        for block in range(1, architecture.integer(f"stage{stage}.depth") + 1):
            name = f"stage{stage}.block{block}"
            size, stride = block_place(template, resolution, stage, block)
            kernel, expand = architecture.integer(f"{name}.kernel"), architecture.integer(f"{name}.expand")
            yield name, BlockShape(size, size, channels_in, channels_out, stride, kernel, expand)
            channels_in = channels_out


def lower(template: Template, architecture: Architecture, image_channels: int, classes: int) -> Network:
    """The Network of an architecture: pixels (1, r, r, image_channels) in, logits (1, classes) out."""
    builder = NetworkBuilder()
    resolution = architecture.integer("resolution")
    x = builder.input("pixels", (1, resolution, resolution, image_channels))
    x = add_stem(builder, x, stem_channels(template, architecture["width"]))
    for name, shape in blocks(template, architecture):
        x = add_block(builder, name, x, shape)
    head_channels = builder.shape(x)[3] * architecture.integer("head.ratio")
    return builder.build(add_head(builder, x, head_channels, classes))


def add_stem(builder: NetworkBuilder, x: int, channels: int) -> int:
    """3×3 convolution of stride 2."""
    return builder.conv("stem", x, channels, 3, 2, Activation.RELU6)


def add_block(builder: NetworkBuilder, name: str, x: int, shape: BlockShape) -> int:
    """Inverted bottleneck: expand 1×1, depthwise k×k, project 1×1, and the residual sum where it fits."""
    expanded = shape.channels_in * shape.expand
    y = builder.conv(f"{name}.expand", x, expanded, 1, 1, Activation.RELU6)
    y = builder.depthwise(f"{name}.depthwise", y, shape.kernel, shape.stride, Activation.RELU6)
    y = builder.conv(f"{name}.project", y, shape.channels_out, 1, 1, Activation.NONE)
    return builder.add(f"{name}.add", x, y) if shape.residual else y


def add_head(builder: NetworkBuilder, x: int, channels: int, classes: int) -> int:
    """1×1 convolution, mean over the plane, fully connected to logits."""
    x = builder.conv("head", x, channels, 1, 1, Activation.RELU6)
    x = builder.mean("mean", x)
    return builder.fully_connected("classifier", x, classes)
