"""One row of a sliding window on int16 values: which words hold which taps, and how they are multiplied.

Two neighbouring values x[2i], x[2i+1] share a word, low half first, and so do two weights. An output whose
window begins at an even value multiplies whole words by (w0, w1), (w2, w3), ... with SMLAD and, where the
taps are odd in number, the low half of one more word by the last weight. A window that begins at an odd value
takes the high half of its first word by w0, then whole words by (w1, w2), (w3, w4), ... Nothing is ever
shifted or packed: with both sets of weight words at hand, an odd number K of taps takes (K + 1) / 2
multiplications an output.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

HALVES = "bt"  # of a word, as SMLABB, SMLABT, SMLATB and SMLATT name them


@dataclass(frozen=True)
class Product:
    """One multiplication: of a whole word of values by two weights, or of one half of it by one.

    Attributes:
        word: which word of the row, from the step's first value.
        half: 0 low, 1 high, None both.
        tap: the (first) weight's column.
    """

    word: int
    half: int | None
    tap: int


@dataclass(frozen=True)
class WindowRow:
    """A row of ``taps`` weights that moves by ``stride`` values."""

    taps: int
    stride: int

    def weight_words(self) -> tuple[tuple[int, int | None], ...]:
        """The taps in the low and the high half of each weight word; None: 0. With an even stride all
        windows begin at even values, which need no (w1, w2), (w3, w4), ..."""
        last_pair = self.taps - 1
        even: list[tuple[int, int | None]] = [(tap, tap + 1) for tap in range(0, last_pair, 2)]
        odd: list[tuple[int, int | None]] = [(tap, tap + 1) for tap in range(1, last_pair, 2)]
        alone: list[tuple[int, int | None]] = [(last_pair, None)] if self.taps % 2 else []
        if self.stride % 2 and odd:
            return (*even, *odd)
        return (*even, *alone)

    def products(self, output: int) -> tuple[Product, ...]:
        """The products of the output with that number, counted from the step's first."""
        found = []
        tap = 0
        while tap < self.taps:
            value = output * self.stride + tap
            paired = value % 2 == 0 and tap + 1 < self.taps
            found.append(Product(value // 2, None if paired else value % 2, tap))
            tap += 2 if paired else 1
        return tuple(found)

    def value_words(self, outputs: int) -> int:
        """Words of values that so many outputs read."""
        return 1 + max(product.word for product in self.products(outputs - 1))

    def multiply(
        self, product: Product, total: str, value: str, weights: Mapping[int, str], start: str
    ) -> str:
        """The instruction ``total = start + product``, with the value's word in register ``value`` and the
        weight words of this row in registers ``weights``, by their place in weight_words."""
        for place, taps in enumerate(self.weight_words()):
            if product.half is None and taps == (product.tap, product.tap + 1):
                return f"smlad {total}, {value}, {weights[place]}, {start}"
            if product.half is not None and product.tap in taps:
                half = HALVES[taps.index(product.tap)]
                return f"smla{HALVES[product.half]}{half} {total}, {value}, {weights[place]}, {start}"
        raise AssertionError(f"no weight word for {product} of {self}")
