"""Costs of an MBConv space's segments, each planned once, gathered by the thousand with numpy.

A network of the space is stem, blocks, head: between them a single activation is live, so a network's peak
is the maximum over its segments and everything else a sum (cost/estimate.py: the same function costs a
segment and a whole network).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

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
    flash_bytes: np.ndarray
    instructions: np.ndarray


@dataclass
class SegmentTable:
    """Memo of segment costs on one core."""

    profile: CoreProfile
    _costs: dict[object, Cost] = field(default_factory=dict)

    def costs(self, space: Space, indices: np.ndarray) -> NetworkCosts:
        """Costs of samples (rows of option numbers) of a space with one resolution and one width."""
        (resolution,), (width,) = space.options["resolution"], space.options["width"]
        stem_channels, stages, head_channels = mbconv.stage_widths(space.template, width)
        sizes = mbconv.stage_sizes(space.template, int(resolution))
        ends = [
            self._stem(int(resolution), space.image_channels, stem_channels),
            self._head(sizes[-1], stages[-1], head_channels, space.classes),
        ]
        gathered = [np.tile(_row(end), (len(indices), 1)) for end in ends]
        kernels = frozenset[str]().union(*(end.kernels for end in ends))
        column = {position.name: number for number, position in enumerate(space.positions)}
        channels_in = stem_channels
        for stage, (channels, stride) in enumerate(zip(stages, space.template.stage_strides, strict=True), 1):
            depths = np.array(space.options[f"stage{stage}.depth"])[indices[:, column[f"stage{stage}.depth"]]]
            for block in range(1, int(depths.max()) + 1):
                size, block_stride = (sizes[stage - 1], stride) if block == 1 else (sizes[stage], 1)
                name = f"stage{stage}.block{block}"
                fixed = BlockShape(size, size, channels_in, channels, block_stride, 0, 0)
                rows, used = self._choices(space, name, fixed)
                chosen = rows[indices[:, column[f"{name}.kernel"]], indices[:, column[f"{name}.expand"]]]
                gathered.append(np.where((depths >= block)[:, None], chosen, 0))
                kernels |= used
                channels_in = channels
        stacked = np.stack(gathered)  # (segments, networks, 4)
        code = sum(self.profile.kernel(name).code_bytes for name in kernels)
        return NetworkCosts(
            peak_bytes=stacked[:, :, 0].max(axis=0),
            macs=stacked[:, :, 1].sum(axis=0),
            flash_bytes=stacked[:, :, 2].sum(axis=0) + code,
            instructions=stacked[:, :, 3].sum(axis=0),
        )

    def _choices(self, space: Space, name: str, fixed: BlockShape) -> tuple[np.ndarray, frozenset[str]]:
        """Rows (kernels, expands, 4) of one block's options, and the kernels that they run."""
        table = [
            [
                self._block(replace(fixed, kernel=int(k), expand=int(e)))
                for e in space.options[f"{name}.expand"]
            ]
            for k in space.options[f"{name}.kernel"]
        ]
        used = frozenset[str]().union(*(entry.kernels for line in table for entry in line))
        return np.array([[_row(entry) for entry in line] for line in table]), used

    def _block(self, shape: BlockShape) -> Cost:
        if shape not in self._costs:
            builder = NetworkBuilder()
            x = builder.input("in", (1, shape.height, shape.width, shape.channels_in))
            self._costs[shape] = self._cost(builder.build(mbconv.add_block(builder, "block", x, shape)))
        return self._costs[shape]

    def _stem(self, resolution: int, image_channels: int, channels: int) -> Cost:
        key = ("stem", resolution, image_channels, channels)
        if key not in self._costs:
            builder = NetworkBuilder()
            x = builder.input("pixels", (1, resolution, resolution, image_channels))
            self._costs[key] = self._cost(builder.build(mbconv.add_stem(builder, x, channels)))
        return self._costs[key]

    def _head(self, size: int, channels_in: int, channels: int, classes: int) -> Cost:
        key = ("head", size, channels_in, channels, classes)
        if key not in self._costs:
            builder = NetworkBuilder()
            x = builder.input("in", (1, size, size, channels_in))
            self._costs[key] = self._cost(builder.build(mbconv.add_head(builder, x, channels, classes)))
        return self._costs[key]

    def _cost(self, network: Network) -> Cost:
        return cost(network, self.profile)


def _row(segment: Cost) -> tuple[int, int, int, int]:
    return (segment.peak_bytes, segment.macs, segment.layers_bytes, segment.instructions)
