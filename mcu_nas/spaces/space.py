"""Space: a search space as a list of positions, with everything a strategy may do in it.

``sample``, ``mutate``, ``crossover``, ``encode`` and ``count`` all come from the one list of positions.
Choices of blocks that a depth leaves out are set to their first option, so that two architectures that
mean one network are equal.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.random import Generator

from mcu_nas.network import Network
from mcu_nas.spaces import mbconv
from mcu_nas.spaces.architecture import Architecture, Choice, Position
from mcu_nas.spaces.mbconv import Template


@dataclass(frozen=True)
class Space:
    """An MBConv search space over images of given channels, with logits for ``classes``."""

    template: Template
    image_channels: int
    classes: int
    positions: tuple[Position, ...]

    @cached_property
    def options(self) -> Mapping[str, tuple[Choice, ...]]:
        """Options by position name."""
        return {position.name: position.options for position in self.positions}

    def restricted(self, allowed: Mapping[str, Sequence[Choice]]) -> Space:
        """The same space with fewer options at the named positions."""
        return replace(
            self,
            positions=tuple(
                Position(p.name, tuple(o for o in p.options if o in allowed.get(p.name, p.options)))
                for p in self.positions
            ),
        )

    def without_equal_widths(self) -> Space:
        """A space of one width multiplier, without stage widths that round to a smaller one's channels."""
        (width,) = self.options["width"]
        allowed: dict[str, list[Choice]] = {}
        for stage in range(1, len(self.template.stage_channels) + 1):
            name = f"stage{stage}.width"
            # Of options with equal channels the last one seen, hence the smallest, stays.
            by_channels = {
                mbconv.stage_channels(self.template, stage, width, option): option
                for option in reversed(self.options[name])
            }
            allowed[name] = list(by_channels.values())
        return self.restricted(allowed)

    def sample(self, rng: Generator) -> Architecture:
        """Each position drawn uniformly from its options."""
        return self.at(self.sample_indices(rng, 1)[0])

    def sample_indices(self, rng: Generator, count: int) -> np.ndarray:
        """``count`` samples as option numbers: int64 (count, positions)."""
        return rng.integers(0, [len(p.options) for p in self.positions], size=(count, len(self.positions)))

    def at(self, indices: np.ndarray) -> Architecture:
        """The architecture of one row of option numbers."""
        return self.canonical(
            {p.name: p.options[index] for p, index in zip(self.positions, indices, strict=True)}
        )

    def mutate(self, parent: Architecture, rng: Generator, probability: float) -> Architecture:
        """Each position redrawn with a probability; depths and operators alike."""
        choices = dict(parent.choices)
        for p in self.positions:
            if rng.random() < probability:
                choices[p.name] = p.options[rng.integers(len(p.options))]
        return self.canonical(choices)

    def crossover(self, one: Architecture, other: Architecture, rng: Generator) -> Architecture:
        """Each position from either parent with equal probability."""
        take = rng.random(len(self.positions)) < 0.5
        return self.canonical(
            {p.name: (one if first else other)[p.name] for p, first in zip(self.positions, take, strict=True)}
        )

    def canonical(self, choices: Mapping[str, Choice]) -> Architecture:
        """An Architecture in which blocks beyond a stage's depth have their first options."""
        return Architecture(
            tuple(
                (p.name, choices[p.name] if _is_active(p.name, choices) else p.options[0])
                for p in self.positions
            )
        )

    def largest(self) -> Architecture:
        """The last (largest) option at each position."""
        return self.canonical({p.name: p.options[-1] for p in self.positions})

    def smallest(self) -> Architecture:
        """The first (smallest) option at each position."""
        return self.canonical({p.name: p.options[0] for p in self.positions})

    def __contains__(self, architecture: Architecture) -> bool:
        names = tuple(name for name, _ in architecture.choices)
        return names == tuple(self.options) and all(c in self.options[n] for n, c in architecture.choices)

    def active(self, architecture: Architecture) -> list[str]:
        """The positions that mean something under an architecture's depths."""
        choices = dict(architecture.choices)
        return [p.name for p in self.positions if _is_active(p.name, choices)]

    def encode(self, architecture: Architecture) -> np.ndarray:
        """One-hot float32 vector; positions that the depth leaves out are all zero."""
        active = set(self.active(architecture))
        parts = [
            [float(p.name in active and option == architecture[p.name]) for option in p.options]
            for p in self.positions
        ]
        return np.array([value for part in parts for value in part], dtype=np.float32)

    def count(self) -> int:
        """The exact number of distinct architectures; 2.18e19 for one resolution and width of the paper's."""
        total = math.prod(len(self.options[name]) for name in ("resolution", "width", "head.ratio"))
        for stage in range(1, len(self.template.stage_channels) + 1):
            depths = self.options[f"stage{stage}.depth"]
            total *= len(self.options[f"stage{stage}.width"])
            total *= sum(self._stage_count(stage, int(depth)) for depth in depths)
        return total

    def lower(self, architecture: Architecture) -> Network:
        """The Network that an architecture stands for."""
        return mbconv.lower(self.template, architecture, self.image_channels, self.classes)

    def _stage_count(self, stage: int, depth: int) -> int:
        count = 1
        for block in range(1, depth + 1):
            name = f"stage{stage}.block{block}"
            count *= len(self.options[f"{name}.kernel"]) * len(self.options[f"{name}.expand"])
        return count


def _is_active(position: str, choices: Mapping[str, Choice]) -> bool:
    """Whether a position means anything under the depths chosen: ``stage2.block4.kernel`` needs depth 4."""
    stage, _, rest = position.partition(".")
    if not rest.startswith("block"):
        return True
    return int(rest.removeprefix("block").partition(".")[0]) <= choices[f"{stage}.depth"]


def mbconv_space(
    image_px: int,
    image_channels: int,
    classes: int,
    resolutions: Sequence[int] | None = None,
    widths: Sequence[float] = mbconv.WIDTHS,
) -> Space:
    """The MBConv space for images of ``image_px``; by default all resolutions that they can fill."""
    template = mbconv.template_for(image_px)
    chosen = tuple(sorted(resolutions)) if resolutions else mbconv.usable_resolutions(image_px)
    positions = mbconv.positions(template, chosen, tuple(sorted(widths)))
    return Space(template, image_channels, classes, positions)
