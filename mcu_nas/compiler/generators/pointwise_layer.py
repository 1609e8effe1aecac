"""A pointwise (1x1, stride 1) convolution, as the generators of its kernels take it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mcu_nas.compiler.generators.formats import Format, Planes
from mcu_nas.compiler.target import WeightStorage


@dataclass(frozen=True)
class PointwiseLayer:
    """A pointwise convolution.

    Attributes:
        pixels: of the input and the output.
        weights: int8 (outputs, inputs).
        bias: int (outputs,), the input's zero point not folded in.
        multipliers, shifts: int (outputs,), the factor multiplier * 2^(shift - 31).
        source, target: formats of input and output; the source is not PLANES.
        planes: of the output, where the target is PLANES.
        descending: pixels run from the last to the first.
    """

    pixels: int
    weights: np.ndarray
    bias: np.ndarray
    input_zero_point: int
    multipliers: np.ndarray
    shifts: np.ndarray
    output_zero_point: int
    output_min: int = -128
    output_max: int = 127
    source: Format = Format.NHWC
    target: Format = Format.NHWC
    weight_storage: WeightStorage = WeightStorage.WIDE
    descending: bool = False
    planes: Planes | None = None

    @property
    def first(self) -> int:
        """The pixel that is computed first."""
        return self.pixels - 1 if self.descending else 0

    @property
    def step(self) -> int:
        """Pixels from one to the next in running order."""
        return -1 if self.descending else 1

    @property
    def to_next(self) -> int:
        """Pixels from the end of one to the begin of the next in running order."""
        return -2 if self.descending else 0

    @property
    def inputs(self) -> int:
        return int(self.weights.shape[1])

    @property
    def outputs(self) -> int:
        return int(self.weights.shape[0])

    @property
    def folded_bias(self) -> np.ndarray:
        """int64 (outputs,): what the sums of raw inputs times weights begin with."""
        return self.bias.astype(np.int64) - self.input_zero_point * self.weights.sum(axis=1, dtype=np.int64)
