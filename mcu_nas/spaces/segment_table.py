"""Costs of an MBConv space's segments, each planned once, gathered by the thousand with numpy.

A network of the space is stem, blocks, head: between them a single activation is live, so a network's peak
is the maximum over its segments and everything else a sum (cost/estimate.py: the same function costs a
segment and a whole network).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from itertools import product
from typing import NamedTuple

import numpy as np

from mcu_nas.compiler.planner import Optimize
from mcu_nas.compiler.target import Target, targets
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


def _either(first: np.ndarray, costs: NetworkCosts, others: NetworkCosts) -> NetworkCosts:
    """The costs where ``first``, the others elsewhere."""
    names = [column.name for column in fields(NetworkCosts)]
    return NetworkCosts(*(np.where(first, getattr(costs, name), getattr(others, name)) for name in names))


class _Kernels(NamedTuple):
    """Which kernels a plan may choose."""

    target: Target
    room_bytes: int


@dataclass
class SegmentTable:
    """Memo of segment costs on one core."""

    profile: CoreProfile
    _costs: dict[tuple[_Kernels, object], Cost] = field(default_factory=dict)
    _shared: list[str] = field(default_factory=list)  # kernels in C by the bit that stands for them

    def costs(self, space: Space, indices: np.ndarray, constraints: Constraints) -> NetworkCosts:
        """Costs of samples (rows of option numbers) of a space with one resolution and one width, as
        ``Constraints.cost`` has them.
        """
        first, *others = targets(self.profile.core)
        costs = self.plan_costs(space, indices, first, constraints.sram_bytes)
        for target in others:
            fits = costs.peak_bytes <= constraints.sram_bytes
            fits &= costs.flash_bytes <= constraints.flash_bytes
            if fits.all():
                break
            costs = _either(fits, costs, self.plan_costs(space, indices, target, constraints.sram_bytes))
        return costs

    def plan_costs(self, space: Space, indices: np.ndarray, target: Target, room_bytes: int) -> NetworkCosts:
        """Costs of samples with a target's fastest kernels in so much memory."""
        kernels = _Kernels(target, room_bytes)
        chosen = {p.name: indices[:, column] for column, p in enumerate(space.positions)}  # option numbers
        (width,) = space.options["width"]
        entry, entered = [mbconv.stem_channels(space.template, width)], np.zeros(len(indices), np.int64)
        gathered = [np.tile(self._row(self._stem(space, entry[0], kernels)), (len(indices), 1))]
        for stage in range(1, len(space.template.stage_channels) + 1):
            channels = [
                mbconv.stage_channels(space.template, stage, width, stage_width)
                for stage_width in space.options[f"stage{stage}.width"]
            ]
            left = chosen[f"stage{stage}.width"]
            depths = np.array(space.options[f"stage{stage}.depth"])[chosen[f"stage{stage}.depth"]]
            for block in range(1, int(depths.max()) + 1):
                if block == 1:
                    pairs, pair = list(product(entry, channels)), entered * len(channels) + left
                else:
                    pairs, pair = [(c, c) for c in channels], left
                name = f"stage{stage}.block{block}"
                rows = self._block_rows(space, stage, block, pairs, kernels)
                costs = rows[pair, chosen[f"{name}.kernel"], chosen[f"{name}.expand"]]
                gathered.append(np.where((depths >= block)[:, None], costs, 0))
            entry, entered = channels, left
        gathered.append(self._head_rows(space, entry, kernels)[entered, chosen["head.ratio"]])
        stacked = np.stack(gathered)  # (segments, networks, 6)
        used = np.bitwise_or.reduce(stacked[:, :, 5], axis=0)
        code = sum(
            (used >> bit & 1) * self.profile.kernel(name).code_bytes for bit, name in enumerate(self._shared)
        )
        return NetworkCosts(
            peak_bytes=stacked[:, :, 0].max(axis=0),
            macs=stacked[:, :, 1].sum(axis=0),
            weights_bytes=stacked[:, :, 2].sum(axis=0),
            flash_bytes=stacked[:, :, 3].sum(axis=0) + code,
            instructions=stacked[:, :, 4].sum(axis=0),
        )

    def _block_rows(
        self, space: Space, stage: int, block: int, pairs: Sequence[tuple[int, int]], kernels: _Kernels
    ) -> np.ndarray:
        """Rows (pairs of channels in and out, kernel sizes, expand ratios, 6) of one block's options."""
        size, stride = mbconv.block_place(space.template, int(space.options["resolution"][0]), stage, block)
        name = f"stage{stage}.block{block}"
        sizes, expands = space.options[f"{name}.kernel"], space.options[f"{name}.expand"]
        rows = [
            self._row(self._block(BlockShape(size, size, *pair, stride, int(k), int(e)), kernels))
            for pair, k, e in product(pairs, sizes, expands)
        ]
        return np.array(rows).reshape(len(pairs), len(sizes), len(expands), -1)

    def _head_rows(self, space: Space, entry: Sequence[int], kernels: _Kernels) -> np.ndarray:
        """Rows (channels in, head ratios, 6)."""
        ratios = space.options["head.ratio"]
        rows = [
            self._row(self._head(space, c, c * int(ratio), kernels)) for c, ratio in product(entry, ratios)
        ]
        return np.array(rows).reshape(len(entry), len(ratios), -1)

    def _block(self, shape: BlockShape, kernels: _Kernels) -> Cost:
        def lower() -> Network:
            builder = NetworkBuilder()
            x = builder.input("in", (1, shape.height, shape.width, shape.channels_in))
            return builder.build(mbconv.add_block(builder, "block", x, shape))

        return self._cost(kernels, shape, lower)

    def _stem(self, space: Space, channels: int, kernels: _Kernels) -> Cost:
        (resolution,) = space.options["resolution"]

        def lower() -> Network:
            builder = NetworkBuilder()
            x = builder.input("pixels", (1, int(resolution), int(resolution), space.image_channels))
            return builder.build(mbconv.add_stem(builder, x, channels))

        return self._cost(kernels, ("stem", resolution, space.image_channels, channels), lower)

    def _head(self, space: Space, channels_in: int, channels: int, kernels: _Kernels) -> Cost:
        size = mbconv.stage_sizes(space.template, int(space.options["resolution"][0]))[-1]

        def lower() -> Network:
            builder = NetworkBuilder()
            x = builder.input("in", (1, size, size, channels_in))
            return builder.build(mbconv.add_head(builder, x, channels, space.classes))

        return self._cost(kernels, ("head", size, channels_in, channels, space.classes), lower)

    def _cost(self, kernels: _Kernels, key: object, lower: Callable[[], Network]) -> Cost:
        """The cost of a segment with the kernels that are chosen for it."""
        if (kernels, key) not in self._costs:
            found = cost(lower(), self.profile, Optimize.BOARD, kernels.target, kernels.room_bytes)
            self._costs[kernels, key] = found
        return self._costs[kernels, key]

    def _row(self, segment: Cost) -> tuple[int, ...]:
        """A segment's numbers, the last a bit for each kernel that it runs."""
        for name in sorted(segment.kernels):
            if name not in self._shared:
                self._shared.append(name)
        bits = sum(1 << self._shared.index(name) for name in segment.kernels)
        return (
            segment.peak_bytes,
            segment.macs,
            segment.weights_bytes,
            segment.layers_bytes,
            segment.instructions,
            bits,
        )
