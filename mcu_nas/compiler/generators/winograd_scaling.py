"""From the output transform's values to int8, for Winograd kernels.

The output transform leaves v = odd² 2^p y modulo 2^32 of a channel's sum y of products, p = p_row + p_column.
One MLA gives the whole sum times 2^(1+k), as requantization.py wants it:

    y' = v · c + 2^(1+k) · b,   c = odd^-2 (modulo 2^32) · 2^(1+k-p)

That needs 1 + k >= p for every output: at least 6 for F(4×4), 2 for F(2×2). With k = E - e for a channel
whose factor is m · 2^(-31-e), all channels have one final shift, E = max e + max p - 1. Where a sum times
2^(1+k) would leave 32 bits, all channels take the least k instead: with one final shift and adjusted factors
(requantization.py), or, where those are not exact, each with its own, an ASR more per output.

b = bias - (zero point - zero) · sum of w; zero is the input that the transform takes for 0, -128 where
it adds 128 to each lane, else 0. The lift, added to inputs of a tile in the lower lanes, adds to an output
what any convolution would: lift · sum of the weights of those inputs in its window. b lacks that much there.

Constants of a channel:
  for each distinct power of a row, in order   c for each distinct power of a column, then 2^(1+k) · b
  2^(1+k) · b of the outputs that the lift reaches, row by row
  m, C of requantization.py, then 2^k where ties go away from zero, then E where channels share none
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mcu_nas.compiler.generators.generated import Refusal
from mcu_nas.compiler.generators.requantization import Requantization, Rescaling, rescaling
from mcu_nas.compiler.generators.uniform_rescaling import uniform_rescaling
from mcu_nas.compiler.generators.winograd_layer import WinogradLayer
from mcu_nas.compiler.generators.winograd_transforms import TAPS, Transform

WORD_BYTES = 4
_MODULUS = 1 << 32
_MOST_BITS = 24  # more are refused whatever the sums
_LOWER_LANES = (0, 1)  # of four channels: words hold channels (0, 2) and (1, 3)


@dataclass(frozen=True)
class WinogradScaling:
    """The numbers of the last steps.

    Attributes:
        form: how sums times 2^(1+k) become int8.
        biases: int64 (channels, m, m): 2^(1+k) · b of each output of a tile.
    """

    form: Rescaling
    biases: np.ndarray
    transform: Transform

    @classmethod
    def of(cls, layer: WinogradLayer, transform: Transform) -> WinogradScaling:
        """Raises Refusal where a bound of requantization.py does not hold, or a clamp has no form."""
        asked, largest = layer.requantization, layer.largest_sums()
        least_bits = 2 * max(transform.powers)
        if asked.clamps and not asked.hides_ties:
            raise Refusal("ties away from zero beside a narrow clamp need more registers than there are")
        try:
            form = rescaling(asked, largest, least_bits + _bits_to_one_shift(asked))
        except Refusal:
            form = uniform_rescaling(asked, largest, least_bits) or rescaling(asked, largest, least_bits)
        return cls(form, _biases(layer, transform) << form.scale_bits[:, None, None], transform)

    @property
    def row_words(self) -> int:
        """Words of one row of coefficients with its bias."""
        return len(distinct(self.transform.powers)) + 1

    @property
    def reached_word(self) -> int:
        """Where a channel's biases of reached outputs begin."""
        return len(distinct(self.transform.powers)) * self.row_words

    @property
    def factor_word(self) -> int:
        """Where a channel's m and C are."""
        return self.reached_word + len(reached(self.transform))

    @property
    def channel_words(self) -> int:
        """Words of a channel."""
        return self.factor_word + 2 + self.form.ties_away + (self.form.final_shift is None)

    def words(self, channel: int) -> list[int]:
        """The constants of a channel, modulo 2^32."""
        powers = distinct(self.transform.powers)
        found: list[int] = []
        for row_power in powers:
            found += [self._coefficient(channel, row_power + power) for power in powers]
            found.append(int(self.biases[channel, 0, 0]))
        found += [int(self.biases[channel, row, column]) for row, column in reached(self.transform)]
        found += [int(self.form.multipliers[channel]), int(self.form.constants[channel])]
        if self.form.ties_away:
            found.append(1 << (int(self.form.scale_bits[channel]) - 1))
        if self.form.final_shift is None:
            found.append(int(self.form.final_shifts[channel]))
        return [word % _MODULUS for word in found]

    def _coefficient(self, channel: int, power: int) -> int:
        """c for an output of which the transform left odd² 2^power times its sum."""
        inverse = pow(self.transform.odd**2, -1, _MODULUS)
        return (inverse << (int(self.form.scale_bits[channel]) - power)) % _MODULUS


def _bits_to_one_shift(asked: Requantization) -> np.ndarray:
    """max e - e per channel: int64 (channels,). A factor of 0 gives 0 at any e."""
    used = asked.multipliers != 0
    e = np.where(used, -asked.shifts.astype(np.int64), (-asked.shifts[used]).min(initial=_MOST_BITS))
    return np.minimum(e.max() - e, _MOST_BITS)


def distinct(powers: tuple[int, ...]) -> list[int]:
    """Powers without repetitions, in order."""
    return list(dict.fromkeys(powers))


def reached(transform: Transform) -> list[tuple[int, int]]:
    """(row, column) of a tile's outputs whose windows meet lifted pixels."""
    lines = [
        line
        for line in range(transform.outputs)
        if any(line + tap in transform.lifted for tap in range(TAPS))
    ]
    return [(row, column) for row in lines for column in lines]


def _biases(layer: WinogradLayer, transform: Transform) -> np.ndarray:
    """b: int64 (channels, m, m)."""
    weights = layer.weights.astype(np.int64)
    zero = -128 if transform.lift else 0
    folded = layer.bias.astype(np.int64) - (layer.input_zero_point - zero) * weights.sum(axis=(1, 2, 3))
    lower = weights.reshape(layer.out_channels, TAPS, TAPS, -1, 4)[..., _LOWER_LANES].sum(axis=(3, 4))
    m = transform.outputs
    biases = np.broadcast_to(folded[:, None, None], (layer.out_channels, m, m)).copy()
    for row in range(m):
        for column in range(m):
            rows = [tap for tap in range(TAPS) if row + tap in transform.lifted]
            columns = [tap for tap in range(TAPS) if column + tap in transform.lifted]
            biases[:, row, column] -= transform.lift * lower[:, rows][:, :, columns].sum(axis=(1, 2))
    return biases
