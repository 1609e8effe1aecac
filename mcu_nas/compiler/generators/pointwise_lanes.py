"""Pointwise (1x1) convolutions, ARMv7E-M: blocks of 2 pixels x 3 output channels, three products an SMLAL.

three_lanes.py has the arithmetic of a block, its registers and its exactness. What remains is the order of
the blocks, which follows from how the constants hold a weight:

WIDE    8 bytes for 3 weights, as SMLAL reads them (lanes_by_pairs.py). For each pair of pixels all triples
        of channels, the constants read through. NHWC input: one pair at a time is gathered into scratch,
        4 bytes an input channel.
BYTES   1 byte a weight (lanes_by_channels.py). For each triple its weights are unpacked into scratch, then
        used for all pairs of pixels. NHWC input is gathered into scratch as a whole, 2 bytes a value.

Of 3n + 1 outputs the last is computed alone (one_lane.py). Of 3n + 2 the last triple overlaps the one before:
an output is written twice.
The last pixel of an odd number is paired with itself (NHWC), or with what its word holds (PAIRS). Its outputs
as a second pixel are written first and then overwritten, because both output pointers are the same.
Descending, pixels run in the order of the image reversed: the second of a pair lies before the first, and
the last of an odd number is pixel 0. PAIRS run ascending only, as their words hold the lower pixel first.
PLANES are filled with zero points, for their borders, then pixels are stored as int16. Both of a pair lie in
one row of an even number of columns. They run ascending only.

Alignment  NHWC: none. PAIRS, PLANES: 4 bytes.
Overlap    A pair is read before it is written. WIDE from NHWC to NHWC: the output may overlap its input at
           a distance of overlaps.py's ``group_lag``. BYTES from NHWC reads everything first: any overlap.
           From PAIRS, or to PLANES: none.
"""

from __future__ import annotations

from mcu_nas.compiler.generators.formats import Format
from mcu_nas.compiler.generators.function_text import assembly_file, function
from mcu_nas.compiler.generators.generated import GeneratedKernel, Refusal
from mcu_nas.compiler.generators.lane_plan import FARTHEST_STORE, LanePlan, lane_plan
from mcu_nas.compiler.generators.lane_segments import LANES
from mcu_nas.compiler.generators.lanes_by_channels import by_channels
from mcu_nas.compiler.generators.lanes_by_pairs import by_pairs
from mcu_nas.compiler.generators.pointwise_layer import PointwiseLayer
from mcu_nas.compiler.target import WeightStorage

_SAVED_BYTES = 36  # r4-r11, lr


def pointwise_lanes(layer: PointwiseLayer, symbol: str) -> GeneratedKernel:
    """The kernel of one layer.

    Raises:
        Refusal: fewer than two pixels or three outputs, outputs too far apart for a store, PAIRS or PLANES
            in descending order, PLANES of an odd number of columns, or no exact requantization.
    """
    if layer.pixels < 2 or layer.outputs < LANES:
        raise Refusal("two pixels and three output channels are the least that fill the lanes")
    if layer.target is Format.NHWC and layer.outputs > FARTHEST_STORE:
        raise Refusal(f"{layer.outputs} outputs of a pixel lie farther apart than an instruction reaches")
    if layer.descending and (layer.source, layer.target) != (Format.NHWC, Format.NHWC):
        raise Refusal("pairs of pixels run in ascending order")
    if layer.planes is not None and layer.planes.columns % 2:
        raise Refusal(f"planes of {layer.planes.columns} columns: a pair would lie in two rows")
    if layer.planes is not None and 4 * layer.planes.plane_stride + 2 > FARTHEST_STORE:
        raise Refusal(f"planes of {layer.planes.plane_stride} values: a triple's lie too far apart")
    plan = lane_plan(layer)
    order = by_channels if layer.weight_storage is WeightStorage.BYTES else by_pairs
    return GeneratedKernel(
        symbol=symbol,
        assembly=assembly_file(_comment(plan), function(symbol, order(plan), is_global=True)),
        constants=plan.all_constants,
        scratch_bytes=plan.scratch_bytes,
        stack_bytes=_SAVED_BYTES + plan.frame_bytes,
    )


def _comment(plan: LanePlan) -> list[str]:
    layer = plan.layer
    return [
        f"Pointwise convolution, {layer.pixels} pixels x {layer.inputs} inputs x {layer.outputs} outputs,",
        f"{layer.source.value} to {layer.target.value}, weights {layer.weight_storage.value}.",
        "r0 in, r1 out, r2 constants, r3 scratch. pointwise_lanes.py and three_lanes.py explain it.",
    ]
