"""From a sum to its int8 output in two to four instructions, exactly as TensorFlow Lite Micro rounds.

TFLM (firmware/kernels/requantize.h), for a sum y and a factor m * 2^(-31 - e) with m in [2^30, 2^31) or 0:

    high = floor(y m / 2^31 + 1/2)                                   doubling high multiply, ties up
    r    = high                                                      e = 0
         = floor((high - [high < 0] + 2^(e-1)) / 2^e)                e > 0: ties away from zero
    out  = clamp(saturate(r + zero point), min, max)

Sums arrive times 2^(1+k), which costs a kernel nothing where it scales its weights, or shifts a lane out of a
register. Two forms compute ``out``; both end in SSAT #8 with ASR #E, E = k + e.

Half up, for layers with min >= zero point: SMMLA t, y', m, C
    [high < 0] cannot be seen: it matters at ties of a negative high only, where r <= 0 either way and
    r + zero point <= min. Since floor(floor(a) / n) = floor(a / n),
        out = floor((y m 2^k / 2^31 + 2^(k-1) + [e > 0] 2^(k+e-1)) / 2^(k+e)) + zero point,
    and SMMLA's t = floor(y 2^(1+k) m / 2^32) + C with
        C = 2^(k-1) + [e > 0] 2^(k+e-1) + zero point * 2^(k+e).
    k = 0: SMMLAR, which adds the half itself, and C without its first term.

Ties away, for any layer, k = 0: SMMLAR t, y', m, C; ADD t, t, y', ASR #31 (where e > 0)
    SMMLAR gives high + C with C = 2^(e-1) + zero point * 2^e. ADD takes [y < 0] for [high < 0]: they differ
    where high = 0 > y, and there floor((-1 + 2^(e-1)) / 2^e) = 0 as well.
Where k > 0 that one is 2^k: AND s, u, y', ASR #31 with u = 2^k; SMMLA t, y', m, C with the half-up form's C;
    SUB t, t, s.

One final shift for all channels lets them share code: uniform_rescaling.py finds other m and C for it.

Clamps narrower than int8 follow SSAT, on the lowest byte of a word: QSUB8 then QADD8 of min + 128, QADD8 then
QSUB8 of 127 - max. They need min < 0 <= max, which keeps the word sign-extended.

Bounds, from real weights and inputs in [-128, 127]: |y| 2^(1+k) < 2^31, and |t| < 2^31.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mcu_nas.compiler.generators.generated import Refusal

INT8_MIN, INT8_MAX = -128, 127
_LONGEST_SHIFT = 31  # of ASR #n in SSAT


@dataclass(frozen=True)
class Requantization:
    """What a layer asks for, per output channel and for its output.

    Attributes:
        multipliers: int (channels,), 0 or in [2^30, 2^31).
        shifts: int (channels,): the factor is multiplier * 2^(shift - 31); e of this module is -shift.
        zero_point, minimum, maximum: of the output; minimum and maximum lie within int8.
    """

    multipliers: np.ndarray
    shifts: np.ndarray
    zero_point: int
    minimum: int = INT8_MIN
    maximum: int = INT8_MAX

    @property
    def hides_ties(self) -> bool:
        """Whether the clamp hides how negative ties round, so that the half-up form is exact."""
        return self.minimum >= self.zero_point

    @property
    def clamps(self) -> bool:
        """Whether saturation to int8 is not all the clamping there is."""
        return (self.minimum, self.maximum) != (INT8_MIN, INT8_MAX)


@dataclass(frozen=True)
class Rescaling:
    """How a layer's sums are scaled: int64 arrays (channels,) of numbers that the instructions use.

    Attributes:
        scale_bits: 1 + k: sums arrive times 2^scale_bits.
        multipliers, constants: m and C, both within int32.
        final_shifts: E.
        ties_away: the form; False: half up.
        low, high: the clamp's bytes, min + 128 and 127 - max; 0: this side needs none.
    """

    scale_bits: np.ndarray
    multipliers: np.ndarray
    constants: np.ndarray
    final_shifts: np.ndarray
    ties_away: bool
    low: int = 0
    high: int = 0

    @property
    def final_shift(self) -> int | None:
        """E where all channels share it, else None: a register must hold each channel's."""
        first = int(self.final_shifts[0])
        return first if (self.final_shifts == first).all() else None

    @property
    def rounds(self) -> bool:
        """Whether the high multiply is SMMLAR (k = 0), not SMMLA. Both in one layer are refused."""
        return bool(self.scale_bits[0] == 1)


def largest_sums(weights: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """Bound of |sum| per output channel, int64 (channels,): |bias| + 128 sum |w|.

    weights: int8 (channels, ...). bias: (channels,), the input's zero point folded in.
    """
    flat = np.abs(weights.reshape(len(weights), -1).astype(np.int64))
    return np.abs(bias.astype(np.int64)) + 128 * flat.sum(axis=1)


def rescaling(layer: Requantization, largest: np.ndarray, scale_bits: np.ndarray | int) -> Rescaling:
    """The cheapest exact form where sums arrive times 2^scale_bits, each channel with its own final shift.

    largest: bound of |sum| per channel (largest_sums). scale_bits: per channel or for all; 1 is cheaper for
    layers that do not hide ties.

    Raises:
        Refusal: a factor above 1, a bound that does not hold, or a clamp or mixture without a form.
    """
    e, bits = exponents(layer), np.broadcast_to(np.int64(scale_bits), layer.shifts.shape)
    k = bits - 1
    if len(set((k == 0).tolist())) > 1:
        raise Refusal("sums scaled by 2 beside sums scaled by more: two forms in one layer")
    ties_away = not layer.hides_ties and bool(e.any())
    if ties_away and not e.all():
        refuse(e == 0, "a factor of 1/2 or more beside smaller ones, whose ties round away from zero")
    refuse(k + e > _LONGEST_SHIFT, "the final shift is longer than 31")
    constants = constants_of(k, e, layer.zero_point)
    low, high = clamp(layer)
    found = Rescaling(bits, layer.multipliers.astype(np.int64), constants, k + e, ties_away, low, high)
    check_bounds(found, largest)
    return found


def rescaled(form: Rescaling, sums: np.ndarray) -> np.ndarray:
    """What the instructions compute: int64 sums (..., channels) as int8 outputs, as int64.

    Sums are as they are, not scaled: the kernel's scaling by 2^scale_bits is part of the model.
    """
    scaled = (sums << form.scale_bits).astype(np.int32).astype(np.int64)
    half = 1 << 31 if form.rounds else 0
    high = (scaled * form.multipliers + (form.constants << 32) + half) >> 32
    if form.ties_away:
        high = high + ((scaled >> 31) << (form.scale_bits - 1))
    out = np.clip(high.astype(np.int32).astype(np.int64) >> form.final_shifts, INT8_MIN, INT8_MAX)
    out = np.clip(out - form.low, INT8_MIN, None) + form.low
    return np.clip(out + form.high, None, INT8_MAX) - form.high


def instructions(
    form: Rescaling,
    sum_register: str,
    multiplier: str,
    constant: str,
    *,
    temporary: str = "",
    final: str = "",
    low: str = "",
    high: str = "",
    sign_unit: str = "",
) -> list[str]:
    """The instructions of one output, in place in ``sum_register``, sign-extended at the end.

    temporary: needed by ties_away (t must not overwrite the sum). final, low, high: registers with E and the
    clamp's bytes, where the form has no uniform E, or clamps. sign_unit: with 2^k, for ties_away with k > 0.
    """
    if form.ties_away and not form.rounds:
        taken_off = f"and {temporary}, {sign_unit}, {sum_register}, asr #31"
        multiply = f"smmla {sum_register}, {sum_register}, {multiplier}, {constant}"
        lines = [taken_off, multiply, f"sub {sum_register}, {sum_register}, {temporary}"]
        return lines + narrowed(form, sum_register, final, low, high)
    target = temporary if form.ties_away else sum_register
    multiply = "smmlar" if form.rounds else "smmla"
    lines = [f"{multiply} {target}, {sum_register}, {multiplier}, {constant}"]
    if form.ties_away:
        lines.append(f"add {sum_register}, {target}, {sum_register}, asr #31")
    return lines + narrowed(form, sum_register, final, low, high)


def narrowed(form: Rescaling, sum_register: str, final: str, low: str, high: str) -> list[str]:
    """From t to the clamped output."""
    if final:
        lines = [f"asr {sum_register}, {sum_register}, {final}", f"ssat {sum_register}, #8, {sum_register}"]
    else:
        shift = form.final_shift
        lines = [f"ssat {sum_register}, #8, {sum_register}" + (f", asr #{shift}" if shift else "")]
    if form.low:
        lines += [f"{op} {sum_register}, {sum_register}, {low}" for op in ("qsub8", "qadd8")]
    if form.high:
        lines += [f"{op} {sum_register}, {sum_register}, {high}" for op in ("qadd8", "qsub8")]
    return lines


def exponents(layer: Requantization) -> np.ndarray:
    """e per channel. A channel whose factor is 0 gives the zero point at any e: the layer's least."""
    e = -layer.shifts.astype(np.int64)
    used = layer.multipliers != 0
    if not used.any():
        return np.ones_like(e)
    e = np.where(used, e, e[used].min())
    refuse(e < 0, "a factor of 1 or more")
    return e


def constants_of(k: np.ndarray, e: np.ndarray, zero_point: int) -> np.ndarray:
    """C of both forms."""
    return half(k) + np.where(e > 0, half(k + e), 0) + (zero_point << (k + e))


def half(shift: np.ndarray) -> np.ndarray:
    """2^(shift-1), 0 for no shift."""
    return np.where(shift > 0, 1 << np.maximum(shift - 1, 0), 0)


def clamp(layer: Requantization) -> tuple[int, int]:
    """The clamp's bytes, as Rescaling's low and high."""
    if not layer.minimum < 0 <= layer.maximum:
        raise Refusal(f"outputs clamped to [{layer.minimum}, {layer.maximum}], which 0 does not divide")
    return layer.minimum - INT8_MIN, INT8_MAX - layer.maximum


def check_bounds(form: Rescaling, largest: np.ndarray) -> None:
    """Refuses a channel whose numbers may leave 32 bits."""
    refuse(largest << form.scale_bits >= 2**31, "the scaled sum may leave 32 bits")
    sign_unit = np.where(form.ties_away, 1 << (form.scale_bits - 1), 0)
    high = ((largest << form.scale_bits) * form.multipliers >> 32) + 2 + sign_unit + np.abs(form.constants)
    refuse(high >= 2**31, "the sum times its multiplier may leave 32 bits")


def refuse(broken: np.ndarray, reason: str) -> None:
    """Refuses the layer where ``broken``, bool (channels,), holds of any channel."""
    if broken.any():
        raise Refusal(f"output channel {int(broken.argmax())}: {reason}")
