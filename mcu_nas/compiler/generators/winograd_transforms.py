"""The transforms of Winograd's convolution F(m×m, 3×3) in integers: their matrices and their instructions.

With Lavin and Gray's matrices (arXiv:1509.09308) a tile Y of m×m outputs of a 3×3 filter g over a tile d of
(m+2)×(m+2) inputs is Aᵀ[(G g Gᵀ) ⊙ (Bᵀ d B)]A. G and A hold fractions. Here each row of G is multiplied by
its denominator and the columns of Aᵀ are divided by the same, then each row of Aᵀ is multiplied by its own
denominator: all three are integers, and the last step leaves ``odd² 2^(p_row + p_column)`` times each output.

    F(4×4): weights, rows of G   1 0 0 | 1 1 1 | 1 -1 1 | 1 2 4 | 1 -2 4 | 0 0 1       (|U| <= 49 · 128)
            outputs, rows of Aᵀ  6 -4 -4 1 1 0   = 3 · 2^3 times the first output
                                 0 -2 2 1 -1 0   = 3 · 2^2 times the second
                                 0 -1 -1 1 1 0   = 3 · 2   times the third
                                 0 -1 1 2 -2 6   = 3 · 2   times the fourth
    F(2×2): weights, rows of G   1 0 0 | 1 1 1 | 1 -1 1 | 0 0 1                        (|U| <= 9 · 128)
            outputs, rows of Aᵀ  2 1 1 0 | 0 1 -1 -2, both 2 times the output

Everything is exact modulo 2^32, and 9 has an inverse there.

Two channels travel in one register, the second in its upper half, through the input transform. F(2×2) stays
within ±512 and adds lanes apart (SADD16). F(4×4) needs shifted operands, which only the ordinary additions
have; so its lanes must not borrow from each other. They hold x + 128 >= 0, and ``lift`` is added to the lower
lane in the pixels whose row and column are both in ``lifted``: Bᵀ of (0 0 0 0 1 1)ᵀ is (1 1 1 1 1 1)ᵀ, so
that each of the 36 values gains exactly ``lift``. Of x + 128 in [0, 255] the values are at least
-50 · 255 = -12,750 and at most 68 · 255 = 17,340: with 12,800 the lower lane stays within [50, 30,140], an
int16 that is never negative.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

Step = Callable[[Sequence[str], str], tuple[list[str], list[str]]]

TAPS = 3
DATA = ("r2", "r3", "r4", "r5", "r6", "r7", "r8", "r9", "r10", "r11", "r12", "lr")  # in LDM's order


@dataclass(frozen=True, eq=False)
class Transform:
    """One of the two tile sizes, F4 and F2.

    Attributes:
        outputs: m, outputs of a tile along one side.
        window: m + 2, inputs of a tile along one side.
        g, bt, at: the integer matrices of weights (window, 3), inputs (window, window), outputs (m, window).
        odd, powers: row r of ``at`` gives odd · 2^powers[r] times output r.
        input_step, output_step: one transform along one axis in registers, in place: lines, and the registers
            of the results in order. They take a register that they may spoil; F(2×2)'s input step returns it.
        lift, lifted: see the module's docstring; no lift: lanes are signed and added apart.
    """

    outputs: int
    g: np.ndarray = field(repr=False)
    bt: np.ndarray = field(repr=False)
    at: np.ndarray = field(repr=False)
    odd: int
    powers: tuple[int, ...]
    input_step: Step = field(repr=False)
    output_step: Step = field(repr=False)
    lift: int
    lifted: tuple[int, ...]

    @property
    def window(self) -> int:
        """Inputs of a tile along one side."""
        return self.outputs + TAPS - 1

    @property
    def positions(self) -> int:
        """Values of a transformed tile, hence small matrix products."""
        return self.window**2

    @property
    def pairs(self) -> tuple[str, ...]:
        """Registers that hold one row of two interleaved vectors."""
        return DATA[: 2 * self.window]

    def weights(self, weights: np.ndarray) -> np.ndarray:
        """int8 (outputs, 3, 3, inputs) transformed: int64 (positions, outputs, inputs), column by column."""
        transformed = np.einsum("ia,nabc,jb->jinc", self.g, weights.astype(np.int64), self.g)
        return transformed.reshape(self.positions, *transformed.shape[2:])


def _input_step_4(x: Sequence[str], spoiled: str) -> tuple[list[str], list[str]]:
    """12 instructions. Rows of Bᵀ: 4 0 -5 0 1 0 | 0 -4 -4 1 1 0 | 0 4 -4 -1 1 0 | 0 -2 -1 2 1 0 |
    0 2 -1 -2 1 0 | 0 4 0 -5 0 1."""
    x0, x1, x2, x3, x4, x5 = x
    t = spoiled
    lines = [
        f"sub {x0}, {x0}, {x2}",
        f"sub {x5}, {x5}, {x3}",
        f"sub {t}, {x4}, {x2}",
        f"sub {x4}, {x4}, {x2}, lsl #2",
        f"sub {x2}, {x3}, {x1}",
        f"sub {x3}, {x3}, {x1}, lsl #2",
        f"add {x0}, {t}, {x0}, lsl #2",  # 4 x0 - 5 x2 + x4
        f"sub {x5}, {x5}, {x2}, lsl #2",  # 4 x1 - 5 x3 + x5
        f"add {x1}, {x4}, {x3}",  # x4 - 4 x2 + x3 - 4 x1
        f"sub {x4}, {x4}, {x3}",  # x4 - 4 x2 - x3 + 4 x1
        f"add {x3}, {t}, {x2}, lsl #1",  # x4 - x2 + 2 x3 - 2 x1
        f"sub {x2}, {t}, {x2}, lsl #1",  # x4 - x2 - 2 x3 + 2 x1
    ]
    return lines, [x0, x1, x4, x3, x2, x5]


def _output_step_4(m: Sequence[str], spoiled: str) -> tuple[list[str], list[str]]:
    """12 instructions for the four rows of Aᵀ."""
    m0, m1, m2, m3, m4, m5 = m
    t = spoiled
    lines = [
        f"add {t}, {m1}, {m2}",
        f"sub {m1}, {m1}, {m2}",
        f"add {m2}, {m3}, {m4}",
        f"sub {m3}, {m3}, {m4}",
        f"add {m0}, {m0}, {m0}, lsl #1",
        f"add {m0}, {m2}, {m0}, lsl #1",
        f"sub {m0}, {m0}, {t}, lsl #2",  # 6 m0 - 4 (m1 + m2) + m3 + m4
        f"sub {m2}, {m2}, {t}",  # m3 + m4 - m1 - m2
        f"sub {m4}, {m3}, {m1}, lsl #1",  # m3 - m4 - 2 (m1 - m2)
        f"add {m5}, {m5}, {m5}, lsl #1",
        f"rsb {t}, {m1}, {m3}, lsl #1",
        f"add {m5}, {t}, {m5}, lsl #1",  # 2 (m3 - m4) - (m1 - m2) + 6 m5
    ]
    return lines, [m0, m4, m2, m5]


def _input_step_2(x: Sequence[str], spoiled: str) -> tuple[list[str], list[str]]:
    """4 instructions. Rows of Bᵀ: 1 0 -1 0 | 0 1 1 0 | 0 -1 1 0 | 0 1 0 -1."""
    x0, x1, x2, x3 = x
    lines = [
        f"ssub16 {x0}, {x0}, {x2}",
        f"ssub16 {x3}, {x1}, {x3}",
        f"sadd16 {spoiled}, {x1}, {x2}",
        f"ssub16 {x2}, {x2}, {x1}",
    ]
    return lines, [x0, spoiled, x2, x3]


def _output_step_2(m: Sequence[str], spoiled: str) -> tuple[list[str], list[str]]:
    """4 instructions for the two rows of Aᵀ."""
    m0, m1, m2, m3 = m
    lines = [
        f"sub {spoiled}, {m1}, {m2}",
        f"add {m1}, {m1}, {m2}",
        f"add {m0}, {m1}, {m0}, lsl #1",  # 2 m0 + m1 + m2
        f"sub {m3}, {spoiled}, {m3}, lsl #1",  # m1 - m2 - 2 m3
    ]
    return lines, [m0, m3]


F4 = Transform(
    outputs=4,
    g=np.array([[1, 0, 0], [1, 1, 1], [1, -1, 1], [1, 2, 4], [1, -2, 4], [0, 0, 1]]),
    bt=np.array(
        [
            [4, 0, -5, 0, 1, 0],
            [0, -4, -4, 1, 1, 0],
            [0, 4, -4, -1, 1, 0],
            [0, -2, -1, 2, 1, 0],
            [0, 2, -1, -2, 1, 0],
            [0, 4, 0, -5, 0, 1],
        ]
    ),
    at=np.array([[6, -4, -4, 1, 1, 0], [0, -2, 2, 1, -1, 0], [0, -1, -1, 1, 1, 0], [0, -1, 1, 2, -2, 6]]),
    odd=3,
    powers=(3, 2, 1, 1),
    input_step=_input_step_4,
    output_step=_output_step_4,
    lift=12_800,
    lifted=(4, 5),
)

F2 = Transform(
    outputs=2,
    g=np.array([[1, 0, 0], [1, 1, 1], [1, -1, 1], [0, 0, 1]]),
    bt=np.array([[1, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, 1, 0, -1]]),
    at=np.array([[2, 1, 1, 0], [0, 1, -1, -2]]),
    odd=1,
    powers=(1, 1),
    input_step=_input_step_2,
    output_step=_output_step_2,
    lift=0,
    lifted=(),
)


def both_steps(
    step: Step, interleaved: Sequence[str], spoiled: tuple[str, str]
) -> tuple[list[str], list[tuple[str, str]]]:
    """A step on the vectors in even and in odd places of ``interleaved``: lines, result pairs in order."""
    even_lines, even = step(interleaved[0::2], spoiled[0])
    odd_lines, odd = step(interleaved[1::2], spoiled[1])
    return even_lines + odd_lines, list(zip(even, odd, strict=True))
