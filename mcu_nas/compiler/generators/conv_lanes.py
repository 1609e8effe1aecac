"""Convolutions of any window and stride, ARMv7E-M, as a pointwise product of gathered windows.

For each two neighbouring outputs their windows are gathered into scratch (window_gather.py), 4 bytes for each
of rows × columns × inputs values; then all triples of output channels are computed by three_lanes.py, three
products an SMLAL. Constants, exactness and the order of triples are those of lane_plan.py and
lanes_by_pairs.py with packed weights, 8 bytes for 3.

Floor: 0.458 instructions a multiplication. Gathering adds 13 / 8 / outputs, or 0.10 for 16 outputs; splitting
lanes, bias, requantization and stores 41 / 6 / (rows × columns × inputs).

Descending, outputs run in the order of the image reversed: the second of a pair lies before the first, and
the last of an odd number, which is paired with itself, is output 0. Either order reads a pair's windows
before it writes the pair.

Slot of the stack frame beside lanes_by_pairs.py's: the next window's origin (window_gather.py).
"""

from __future__ import annotations

from collections.abc import Iterator

from mcu_nas.compiler.generators.conv_layer import ConvLayer
from mcu_nas.compiler.generators.function_text import assembly_file, function
from mcu_nas.compiler.generators.generated import GeneratedKernel, Refusal
from mcu_nas.compiler.generators.immediates import load_constant
from mcu_nas.compiler.generators.lane_plan import FARTHEST_STORE, STREAM, LanePlan, lane_plan
from mcu_nas.compiler.generators.lane_segments import LANES
from mcu_nas.compiler.generators.lanes_by_pairs import (
    CONSTANTS,
    INPUT,
    PIXELS_LEFT,
    first_outputs,
    outputs_of_pair,
    triples_of_pair,
)
from mcu_nas.compiler.generators.pointwise_layer import PointwiseLayer
from mcu_nas.compiler.generators.window_gather import (
    STACK_BYTES,
    origin_word,
    origins,
    window_pair,
    zero_point_bytes,
)

_ORIGIN = 8  # slot
_SAVED_BYTES = 36  # r4-r11, lr
_LONGEST_SIDE = 1 << 15  # origins are int16


def conv_lanes(layer: ConvLayer, symbol: str, *, descending: bool = False) -> GeneratedKernel:
    """The kernel of one layer; its outputs run in ascending or descending order.

    in, out: int8 NHWC, any alignment; out may overlap in at a distance of overlaps.py's ``group_lag``.
    constants, scratch: 4-byte aligned.

    Raises:
        Refusal: fewer than two output pixels or three output channels, sizes beyond an instruction's reach,
            or no exact requantization.
    """
    check_shape(layer)
    plan = lane_plan(as_pointwise(layer, descending))
    lines = function(symbol, _all_pairs(layer, plan), is_global=True)
    return GeneratedKernel(
        symbol=symbol,
        assembly=assembly_file(_comment(layer), lines),
        constants=plan.all_constants,
        scratch_bytes=plan.scratch_bytes + zero_point_bytes(layer),
        stack_bytes=_SAVED_BYTES + plan.frame_bytes + STACK_BYTES,
    )


def check_shape(layer: ConvLayer) -> None:
    """Raises Refusal where the shape has no code."""
    if layer.pixels < 2 or layer.out_channels < LANES:
        raise Refusal("two pixels and three output channels are the least that fill the lanes")
    if layer.out_channels > FARTHEST_STORE or max(layer.image) >= _LONGEST_SIDE:
        raise Refusal("outputs or rows lie farther apart than an instruction reaches")


def as_pointwise(layer: ConvLayer, descending: bool) -> PointwiseLayer:
    """The product of gathered windows and weights."""
    asked = layer.requantization
    return PointwiseLayer(
        pixels=layer.pixels,
        weights=layer.weights.reshape(layer.out_channels, -1),
        bias=layer.bias,
        input_zero_point=layer.input_zero_point,
        multipliers=asked.multipliers,
        shifts=asked.shifts,
        output_zero_point=asked.zero_point,
        output_min=asked.minimum,
        output_max=asked.maximum,
        descending=descending,
    )


def _all_pairs(layer: ConvLayer, plan: LanePlan) -> Iterator[str]:
    yield from ("push {r4-r11, lr}", f"sub sp, #{plan.frame_bytes}")
    step = plan.layer.step
    yield from (f"str r0, {plan.slot(INPUT)}", *first_outputs(plan))
    yield from (f"str r2, {plan.slot(CONSTANTS)}", f"str r3, {plan.slot(STREAM)}")
    yield from (*load_constant("r12", layer.pixels), f"str r12, {plan.slot(PIXELS_LEFT)}")
    yield from (*load_constant("r4", origin_word(layer, plan.layer.first)), f"str r4, {plan.slot(_ORIGIN)}")
    yield "1:  @ a pair of outputs"
    yield from origins(layer, plan.slot(_ORIGIN), step)
    if layer.pixels % 2:
        yield "@ the last of an odd number is paired with itself"
        yield from (f"ldr r12, {plan.slot(PIXELS_LEFT)}", "cmp r12, #1", "itt eq")
        yield from ("moveq r6, r4", "moveq r7, r5")
    yield f"ldr r1, {plan.slot(STREAM)}"
    yield from window_pair(layer, plan.layer.inputs, plan.slot(INPUT), step)
    yield from outputs_of_pair(plan)
    yield from triples_of_pair(plan)
    yield from (f"ldr r6, {plan.slot(PIXELS_LEFT)}", "subs r6, #2", f"str r6, {plan.slot(PIXELS_LEFT)}")
    yield from ("bgt.w 1b", f"add sp, #{plan.frame_bytes}", "pop {r4-r11, pc}")


def _comment(layer: ConvLayer) -> list[str]:
    shapes = ("×".join(map(str, sizes)) for sizes in ((*layer.image, layer.in_channels), layer.weights.shape))
    return [
        "Convolution, input {}, weights {}, stride {}×{}.".format(*shapes, *layer.stride),
        "r0 in, r1 out, r2 constants, r3 scratch. conv_lanes.py explains it.",
    ]
