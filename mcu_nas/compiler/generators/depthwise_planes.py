"""Depthwise convolutions of channel multiplier 1 on int16 planes, ARMv7E-M: SMLAD along the rows.

The input is PLANES (formats.py) whose top left border is the padding before the image, so that the window
of output (0, 0) begins at a plane's first value. The border holds the zero point and values are as they are.
That costs nothing anywhere: the zero point's share is a constant of each channel, folded into its bias, while
a border of 0 would need producers to subtract the zero point from each value. The output is NHWC int8, or
PAIRS for a pointwise consumer, which costs the same: ADD with LSL #22 and STR for two STRB.

Structure: channels, in them output rows, in them steps of neighbouring outputs (depthwise_step.py has the
registers). A row is a number of equal steps, in a loop of a few copies, and one smaller step for what
remains. The size of the equal steps is the one that makes the row shortest.

Rows instead of whole planes
  A kernel computes the output rows that its Planes hold windows of, and knows nothing of an image's height.
  Planes(rows=R, top=0, bottom=0) with R = K describe a band of one output row, K + stride of two, and so on;
  a pipeline expansion -> depthwise -> projection calls the band's kernel once a band and its neighbours in
  between. Nothing is copied and no address wraps, since the band slides: for output row y (one a band) pass
      in = buffer + y * stride * row_bytes,
  with plane_stride of the band for every y. Input row i of channel c then lies at
      buffer + (c * R + i) * row_bytes,
  bordered image rows from 0. A band's new rows of channel c go where channel c + 1 had its oldest rows, dead
  by then: the producer writes row i of all channels after the last band that reads row i - R. The buffer is
  the band's planes and, for the sliding, as many rows of one channel as the image has more than the band:
      (channels * R + image rows - R) * row_bytes.
  The left and right borders stay in place under sliding (every slot has the same columns): fill the whole
  buffer with the zero point once, then write pixels only; rows of the bottom padding are filled like any row.
  ``out`` is wherever the band's outputs go: rows of the output tensor, or a buffer of one band.

Constants, channel by channel, in the order of the reads:
    for the window's rows in the order of Step.row_order: weight words (window_row.py), int16 halves w 2^s
        after the first row's: the start value (bias - zero point * sum of weights) 2^s
    multiplier, C, and where the requantization has them final shift, clamp bytes (requantization.py)
  s, the scale bits, is 1 + k of the requantization: with E the layer's final shift, k = E - e for each
  channel, so that one final shift serves channels of different factors; 10 in layers whose factors allow it,
  so that they share code. Where no s in 1..8 does that, channels keep their own final shift, in a register.

Exactness: a scaled weight is within int16 as s <= 8 and |w| <= 128 (-128 * 2^8 = -32768, 127 * 2^8 < 32768).
Sums are modulo 2^32, and requantization.py refuses a channel whose (|start value| + 128 sum |w|) 2^s reaches
2^31. Products of halves are below 2^22, their sum of two below 2^31.

in: 4-byte aligned (LDRD). out: NHWC any alignment, PAIRS 4-byte aligned. constants: 4-byte aligned. The
output must not overlap the input: each channel writes bytes all over the output's rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np

from mcu_nas.compiler.generators.depthwise_loops import Loops, RowPlan
from mcu_nas.compiler.generators.depthwise_step import Extras, Registers, Step
from mcu_nas.compiler.generators.formats import Format, Planes
from mcu_nas.compiler.generators.function_text import assembly_file, function
from mcu_nas.compiler.generators.generated import GeneratedKernel, Refusal
from mcu_nas.compiler.generators.immediates import add_constant
from mcu_nas.compiler.generators.requantization import Requantization, Rescaling, largest_sums, rescaling
from mcu_nas.compiler.generators.window_row import WindowRow

TAPS = (3, 5, 7)
_MOST_SCALE_BITS = 8
_COMMON_SHIFT = 10  # of all layers where scale bits permit it: e of most is 5 to 10
_MOST_OUTPUTS = 8  # of a step: for more there are no registers
_PAIR_BYTES = 4  # of a word of PAIRS


@dataclass(frozen=True)
class DepthwiseLayer:
    """A depthwise convolution of channel multiplier 1.

    Attributes:
        planes: of the input, with the border that the windows need; its zero point is the input's.
        weights: int8 (rows, columns, channels), TFLite's layout without its leading 1.
        bias: int (channels,), the input's zero point not folded in.
        stride: of both axes, 1 or 2.
        requantization: of the output.
        output: NHWC or PAIRS.
    """

    planes: Planes
    weights: np.ndarray
    bias: np.ndarray
    stride: int
    requantization: Requantization
    output: Format = Format.NHWC

    @property
    def output_rows(self) -> int:
        """Windows that the planes hold, one below the other."""
        return (self.planes.height - self.weights.shape[0]) // self.stride + 1

    @property
    def output_columns(self) -> int:
        """Windows side by side."""
        width = self.planes.left + self.planes.columns + self.planes.right
        return (width - self.weights.shape[1]) // self.stride + 1

    @property
    def start_values(self) -> np.ndarray:
        """The bias with the zero point folded in, int64 (channels,)."""
        sums = self.weights.sum(axis=(0, 1), dtype=np.int64)
        return self.bias.astype(np.int64) - self.planes.zero_point * sums


def depthwise_planes(layer: DepthwiseLayer, symbol: str) -> GeneratedKernel:
    """The kernel of one layer, or of a band of its rows, without scratch.

    Raises:
        Refusal: a shape beyond the module's, a PAIRS output of odd width, or a broken bound of the
            requantization.
    """
    loops = depthwise_loops(layer)
    constants = depthwise_constants(layer, loops.step)
    entry = add_constant("r3", "r2", constants.nbytes)
    return GeneratedKernel(
        symbol=symbol,
        assembly=assembly_file(
            describe(layer, loops), function(symbol, [*entry, *loops.lines()], is_global=True)
        ),
        constants=constants,
        scratch_bytes=0,
        stack_bytes=loops.stack_bytes,
    )


def depthwise_loops(layer: DepthwiseLayer) -> Loops:
    """The code of any number of the layer's channels, whose constants end at r3.

    Raises:
        Refusal: as depthwise_planes.
    """
    _check_shape(layer)
    step, plan = _shortest_row(layer, _rescaling(layer))
    return Loops(
        step=step,
        plan=plan,
        rows=layer.output_rows,
        columns=layer.output_columns,
        plane_bytes=2 * layer.planes.plane_stride,
        channel_bytes=1 if layer.output is Format.NHWC else _PAIR_BYTES,
    )


def describe(layer: DepthwiseLayer, loops: Loops) -> list[str]:
    """What the code computes, for its first lines."""
    (rows, columns, channels), plan = layer.weights.shape, loops.plan
    return [
        f"Depthwise {rows}x{columns}, stride {layer.stride}, {channels} channels, on int16 planes with rows",
        f"of {loops.step.row_bytes} bytes; {loops.rows}x{loops.columns} outputs, {layer.output.name}.",
        f"A row is {plan.loops} x {plan.copies} + {plan.peeled} steps of {plan.outputs} outputs,"
        f" then one of {plan.rest}.",
        "r0 in, r1 out, r2 constants. Written by depthwise_planes.py; depthwise_step.py has the registers.",
    ]


def _check_shape(layer: DepthwiseLayer) -> None:
    rows, columns, _ = layer.weights.shape
    if rows not in TAPS or columns not in TAPS or layer.stride not in (1, 2):
        raise Refusal(f"a {rows}x{columns} window of stride {layer.stride}: only 3, 5, 7 taps, strides 1, 2")
    if layer.output_rows < 1 or layer.output_columns < 1:
        raise Refusal("the planes hold no whole window")
    if layer.output is Format.PAIRS and layer.output_columns % 2:
        raise Refusal(f"PAIRS of rows of {layer.output_columns} pixels: a pair would lie in two rows")


def _rescaling(layer: DepthwiseLayer) -> Rescaling:
    """Scale bits that give all channels one final shift, as far as weights in int16 allow it.

    Sums scaled by 2 have another form (SMMLAR) than sums scaled by more: either all have it, or none.
    """
    need = layer.requantization
    by_channel = layer.weights.reshape(-1, layer.weights.shape[2]).T
    largest = largest_sums(by_channel, layer.start_values)
    used = need.multipliers != 0
    least = -need.shifts[used].max() if used.any() else 1
    exponents = np.where(used, -need.shifts, least)  # as rescaling takes those of factors that are 0
    headroom = 31 - np.array([int(bound).bit_length() for bound in largest])  # bits s: bound * 2^s < 2^31
    most = np.minimum(headroom, _MOST_SCALE_BITS)
    if not need.hides_ties or most.min() < 2:
        return rescaling(need, largest, 1)
    for final in (max(_COMMON_SHIFT, exponents.max() + 1), exponents.max() + 1):
        scale_bits = final - exponents + 1
        if (scale_bits <= most).all():
            return rescaling(need, largest, scale_bits)
    one_shift = (exponents == least).all()
    return rescaling(need, largest, 1 if one_shift else np.minimum(scale_bits, most))


def _shortest_row(layer: DepthwiseLayer, form: Rescaling) -> tuple[Step, RowPlan]:
    """Of all sizes of a step, with ``out`` in a register or on the stack, the one whose row is shortest."""
    row = WindowRow(layer.weights.shape[1], layer.stride)
    channels = layer.weights.shape[2]
    found = []
    for keep_out, outputs in product((True, False), range(_MOST_OUTPUTS, 0, -1)):
        registers = Registers.plan(outputs, len(row.weight_words()), Extras.of(form), keep_out=keep_out)
        if registers is None:
            continue
        step = Step(
            registers=registers,
            rows=layer.weights.shape[0],
            row=row,
            row_bytes=2 * layer.planes.row_stride,
            format=layer.output,
            pixel_bytes=channels if layer.output is Format.NHWC else _PAIR_BYTES * channels,
            form=form,
        )
        if plan := RowPlan.of(step, layer.output_columns):
            found.append((step, plan))
    if not found:
        raise Refusal(f"{channels} channels: neighbouring outputs lie too far apart")
    return min(found, key=lambda way: way[1].cost(way[0]))


def depthwise_constants(layer: DepthwiseLayer, step: Step) -> np.ndarray:
    """All channels' constants, in the order of the reads: uint32 (channels * step.constant_words,)."""
    form, extras = step.form, Extras.of(step.form)
    words: list[int] = []
    for channel, start in enumerate(layer.start_values):
        scale = 1 << int(form.scale_bits[channel])
        weights = layer.weights[:, :, channel].astype(np.int64) * scale
        for row in step.row_order:
            for low, high in step.row.weight_words():
                upper = 0 if high is None else int(weights[row, high])
                words.append(int(weights[row, low]) % (1 << 16) + (upper % (1 << 16) << 16))
            if row == step.row_order[0]:
                words.append(int(start) * scale)
        words += [int(form.multipliers[channel]), int(form.constants[channel])]
        words += [int(form.final_shifts[channel])] if extras.final else []
        words += [bound for bound in (form.low, form.high) if bound]
    return np.array([word % (1 << 32) for word in words], np.uint32)
