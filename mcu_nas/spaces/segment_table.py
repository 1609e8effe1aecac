"""Costs of an MBConv space's segments, each planned once, gathered by the thousand with numpy.

A network of the space is stem, blocks, head: between them a single activation is live, so a network's peak
is the maximum over its segments and everything else a sum (cost/estimate.py: the same function costs a
segment and a whole network).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace

import numpy as np

from mcu_nas.compiler.planner import Optimize
from mcu_nas.cost.constraints import Constraints
from mcu_nas.cost.core_profile import CoreProfile
from mcu_nas.cost.estimate import Cost, cost
from mcu_nas.network import Network
from mcu_nas.spaces import mbconv
from mcu_nas.spaces.builder import NetworkBuilder
from mcu_nas.spaces.mbconv import BlockShape
from mcu_nas.spaces.space import Space


@dataclass(frozen=True)
class NetworkCosts:
    """Costs of many networks: int64 arrays of one length."""

    peak_bytes: np.ndarray
    macs: np.ndarray
    weights_bytes: np.ndarray
    flash_bytes: np.ndarray
    instructions: np.ndarray


@dataclass
class SegmentTable:
    """Memo of segment costs on one core."""

    profile: CoreProfile
    _costs: dict[tuple[Optimize, object], Cost] = field(default_factory=dict)
    _kernels: list[str] = field(default_factory=list)  # by the bit that stands for them

    def costs(self, space: Space, indices: np.ndarray, constraints: Constraints) -> NetworkCosts:
        """Costs of samples (rows of option numbers) of a space with one resolution and one width, each of its
        speed plan where that fits the constraints' SRAM and flash, else of its memory plan.
        """
        fast = self.plan_costs(space, indices, Optimize.SPEED)
        fits = (fast.peak_bytes <= constraints.sram_bytes) & (fast.flash_bytes <= constraints.flash_bytes)
        if fits.all():
            return fast
        small = self.plan_costs(space, indices, Optimize.MEMORY)
        names = [column.name for column in fields(NetworkCosts)]
        return NetworkCosts(*(np.where(fits, getattr(fast, name), getattr(small, name)) for name in names))

    def plan_costs(self, space: Space, indices: np.ndarray, optimize: Optimize) -> NetworkCosts:
        """Costs of samples under one of their plans."""
        (resolution,), (width,) = space.options["resolution"], space.options["width"]
        stem_channels, stages, head_channels = mbconv.stage_widths(space.template, width)
        sizes = mbconv.stage_sizes(space.template, int(resolution))
        ends = [
            self._stem(int(resolution), space.image_channels, stem_channels, optimize),
            self._head(sizes[-1], stages[-1], head_channels, space.classes, optimize),
        ]
        gathered = [np.tile(self._row(end), (len(indices), 1)) for end in ends]
        column = {position.name: number for number, position in enumerate(space.positions)}
        channels_in = stem_channels
        for stage, (channels, stride) in enumerate(zip(stages, space.template.stage_strides, strict=True), 1):
            depths = np.array(space.options[f"stage{stage}.depth"])[indices[:, column[f"stage{stage}.depth"]]]
            for block in range(1, int(depths.max()) + 1):
                size, block_stride = (sizes[stage - 1], stride) if block == 1 else (sizes[stage], 1)
                name = f"stage{stage}.block{block}"
                fixed = BlockShape(size, size, channels_in, channels, block_stride, 0, 0)
                rows = self._choices(space, name, fixed, optimize)
                chosen = rows[indices[:, column[f"{name}.kernel"]], indices[:, column[f"{name}.expand"]]]
                gathered.append(np.where((depths >= block)[:, None], chosen, 0))
                channels_in = channels
        stacked = np.stack(gathered)  # (segments, networks, 6)
        used = np.bitwise_or.reduce(stacked[:, :, 5], axis=0)
        code = sum(
            (used >> bit & 1) * self.profile.kernel(name).code_bytes for bit, name in enumerate(self._kernels)
        )
        return NetworkCosts(
            peak_bytes=stacked[:, :, 0].max(axis=0),
            macs=stacked[:, :, 1].sum(axis=0),
            weights_bytes=stacked[:, :, 2].sum(axis=0),
            flash_bytes=stacked[:, :, 3].sum(axis=0) + code,
            instructions=stacked[:, :, 4].sum(axis=0),
        )

    def _choices(self, space: Space, name: str, fixed: BlockShape, optimize: Optimize) -> np.ndarray:
        """Rows (kernel sizes, expand ratios, 6) of one block's options."""
        table = [
            [
                self._row(self._block(replace(fixed, kernel=int(k), expand=int(e)), optimize))
                for e in space.options[f"{name}.expand"]
            ]
            for k in space.options[f"{name}.kernel"]
        ]
        return np.array(table)

    def _block(self, shape: BlockShape, optimize: Optimize) -> Cost:
        def lower() -> Network:
            builder = NetworkBuilder()
            x = builder.input("in", (1, shape.height, shape.width, shape.channels_in))
            return builder.build(mbconv.add_block(builder, "block", x, shape))

        return self._cost(optimize, shape, lower)

    def _stem(self, resolution: int, image_channels: int, channels: int, optimize: Optimize) -> Cost:
        def lower() -> Network:
            builder = NetworkBuilder()
            x = builder.input("pixels", (1, resolution, resolution, image_channels))
            return builder.build(mbconv.add_stem(builder, x, channels))

        return self._cost(optimize, ("stem", resolution, image_channels, channels), lower)

    def _head(self, size: int, channels_in: int, channels: int, classes: int, optimize: Optimize) -> Cost:
        def lower() -> Network:
            builder = NetworkBuilder()
            x = builder.input("in", (1, size, size, channels_in))
            return builder.build(mbconv.add_head(builder, x, channels, classes))

        return self._cost(optimize, ("head", size, channels_in, channels, classes), lower)

    def _cost(self, optimize: Optimize, key: object, lower: Callable[[], Network]) -> Cost:
        """The cost of a segment under one of its plans."""
        if (optimize, key) not in self._costs:
            self._costs[optimize, key] = cost(lower(), self.profile, optimize)
        return self._costs[optimize, key]

    def _row(self, segment: Cost) -> tuple[int, ...]:
        """A segment's numbers, the last a bit for each kernel that it runs."""
        for name in sorted(segment.kernels):
            if name not in self._kernels:
                self._kernels.append(name)
        bits = sum(1 << self._kernels.index(name) for name in segment.kernels)
        return (
            segment.peak_bytes,
            segment.macs,
            segment.weights_bytes,
            segment.layers_bytes,
            segment.instructions,
            bits,
        )
