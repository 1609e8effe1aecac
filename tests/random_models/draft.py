"""A model in the making, and its dice: GraphMaker with random choices of tensors, scales and constants."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from mcu_nas.graph import Quantization
from mcu_nas.operators import Activation
from tests.graphs import GraphMaker

T = TypeVar("T")
Shape = tuple[int, ...]

LARGEST_TENSOR = 6000  # bytes, so that thousands of models run in minutes


class Draft(GraphMaker):
    """``made`` has all activations so far, ``inputs`` those of the model. ``boldness`` is the chance that
    an operator gets scales, zero points or constants far from usual ones.
    """

    def __init__(self, seed: int, boldness: float) -> None:
        super().__init__(seed)
        self.rng = np.random.default_rng([seed, 1])
        self.boldness = boldness
        self.inputs: list[int] = []
        self.made: list[int] = []

    def integer(self, least: int, most: int) -> int:
        """A number from ``least`` to ``most``."""
        return int(self.rng.integers(least, most + 1))

    def chance(self, probability: float) -> bool:
        """True so often."""
        return bool(self.rng.random() < probability)

    def bold(self) -> bool:
        """Whether to leave what is usual."""
        return self.chance(self.boldness)

    def one_of(self, choices: Sequence[T]) -> T:
        """One of the choices."""
        return choices[self.integer(0, len(choices) - 1)]

    def pair(self, least: int, most: int) -> tuple[int, int]:
        """Two numbers from ``least`` to ``most``."""
        return self.integer(least, most), self.integer(least, most)

    def fused(self) -> Activation:
        """An activation to fuse into an operator."""
        return self.one_of([Activation.NONE, *Activation])

    def source(self, rank: int | None = None, largest: int = LARGEST_TENSOR) -> int | None:
        """An activation of a rank and at most so many bytes, often the latest one; None if there is none."""
        fitting = [x for x in self.made if rank in (None, len(self.shape(x))) and self.size(x) <= largest]
        if not fitting:
            return None
        return fitting[-1] if self.chance(0.6) else self.one_of(fitting)

    def new_input(self, shape: Shape, like: int | None = None) -> int:
        """A further input of the model."""
        x = self.activation(f"input{len(self.inputs)}", shape, like)
        if like is None and self.bold():
            self.quantization[x] = self.any_quantization()
        self.inputs.append(x)
        self.made.append(x)
        return x

    def any_quantization(self, around: float = 0.05, octaves: float = 8) -> Quantization:
        """A scale within so many octaves of another, and any zero point, the extreme ones often."""
        zero_point = self.one_of([-128, 127, 0, self.integer(-128, 127)])
        scale = around * 2.0 ** self.rng.uniform(-octaves, octaves)
        return Quantization((float(np.float32(np.clip(scale, 1e-30, 1e30))),), (zero_point,))

    def quantize_output(self, x: int, around: float, octaves: float = 1) -> None:
        """Scale and zero point of an operator's result; far from ``around`` where bold, at times in a simple
        ratio to it: such factors give ties, where the last bit of their computation decides.
        """
        far = self.one_of([8, 24, 40])
        if self.chance(0.25):
            around, octaves, far = around * self.one_of([1 / 3, 2 / 3, 1, 2, 3, 5, 6, 7]), 0, 0
        self.quantization[x] = self.any_quantization(around, far if self.bold() else octaves)

    def scale(self, x: int) -> float:
        """The scale of an activation."""
        return self.quantization[x].scale

    def shape(self, x: int) -> Shape:
        """The shape of a tensor."""
        return self.tensors[x].shape

    def size(self, x: int) -> int:
        """Bytes of an activation."""
        return math.prod(self.shape(x))
