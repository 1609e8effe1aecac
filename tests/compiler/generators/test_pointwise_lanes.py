"""The three-lane pointwise kernel equals the portable one, on a simulated Cortex-M7, in all its forms."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from benchmarks.kernels.arm_function import ArmFunction, Call
from mcu_nas.compiler.generators.formats import PAIR_SHIFT, Format, Planes, pairs_from_nhwc
from mcu_nas.compiler.generators.generated import GeneratedKernel, Refusal
from mcu_nas.compiler.generators.lane_segments import segments, triples
from mcu_nas.compiler.generators.one_lane import has_tail
from mcu_nas.compiler.generators.pointwise_lanes import pointwise_lanes
from mcu_nas.compiler.generators.pointwise_layer import PointwiseLayer
from mcu_nas.compiler.overlaps import group_lag
from mcu_nas.compiler.target import WeightStorage
from mcu_nas.network import WindowAxis
from tests.compiler.generators.in_place import run_in_place
from tests.compiler.generators.portable_pointwise import portable_pointwise

BY_PIXELS = (Format.NHWC, Format.PAIRS)
FORMATS = [
    (source, target, weights) for source in BY_PIXELS for target in BY_PIXELS for weights in WeightStorage
]


def layer_of(
    pixels: int, inputs: int, outputs: int, shifts: tuple[int, ...] = (6,), zero_point: int = -128
) -> PointwiseLayer:
    """A layer with a ReLU's output whose random weights reach -127 and 127, and whose ties are frequent."""
    rng = np.random.default_rng([pixels, inputs, outputs])
    weights = rng.integers(-127, 128, (outputs, inputs)).astype(np.int8)
    multipliers = rng.integers(2**30, 2**31, outputs)
    multipliers[::2] = 2**30 + (rng.integers(0, 4, len(multipliers[::2])) << 27)
    bias = rng.integers(-3000, 3000, outputs)
    return PointwiseLayer(
        pixels=pixels,
        weights=weights,
        bias=bias,
        input_zero_point=-7,
        multipliers=multipliers,
        shifts=-rng.choice(shifts, outputs),
        output_zero_point=zero_point,
    )


def image_of(layer: PointwiseLayer) -> np.ndarray:
    rng = np.random.default_rng(layer.inputs)
    return rng.integers(-128, 128, (layer.pixels, layer.inputs)).astype(np.int8)


def call(
    layer: PointwiseLayer, image: np.ndarray, align: tuple[int, ...] = ()
) -> tuple[GeneratedKernel, Call]:
    kernel = pointwise_lanes(layer, "kernel")
    source = image if layer.source is Format.NHWC else pairs_from_nhwc(image)
    pairs = np.zeros((-(-layer.pixels // 2), layer.outputs), np.int32)
    out = np.zeros((layer.pixels, layer.outputs), np.int8) if layer.target is Format.NHWC else pairs
    scratch = np.zeros(kernel.scratch_bytes, np.uint8)
    return kernel, ArmFunction(kernel.assembly, "kernel")(source, out, kernel.constants, scratch, align=align)


def nhwc(layer: PointwiseLayer, out: np.ndarray) -> np.ndarray:
    if layer.target is Format.NHWC:
        return out
    above = 32 - PAIR_SHIFT
    first = (out << above) >> above
    second = (out - first) >> PAIR_SHIFT
    assert second.min() >= -128, "the last pixel's partner is not an int8"
    assert second.max() <= 127, "the last pixel's partner is not an int8"
    return np.stack([first, second], 1).reshape(-1, layer.outputs)[: layer.pixels]


def assert_equals_portable(
    layer: PointwiseLayer, image: np.ndarray | None = None, align: tuple[int, ...] = ()
) -> None:
    image = image_of(layer) if image is None else image
    kernel, done = call(layer, image, align)
    expected, got = portable_pointwise(layer, image), nhwc(layer, done.arrays[1])
    wrong = np.argwhere(got != expected)
    if wrong.size:
        pixel, channel = wrong[0]
        pytest.fail(
            f"pixel {pixel}, channel {channel}: {got[pixel, channel]}, not {expected[pixel, channel]}"
        )
    assert done.stack_bytes == kernel.stack_bytes


@pytest.mark.parametrize(("source", "target", "weight_storage"), FORMATS)
@pytest.mark.parametrize("pixels", [2, 3, 4, 5])
def test_pixels_near_pairs(
    pixels: int, source: Format, target: Format, weight_storage: WeightStorage
) -> None:
    layer = layer_of(pixels, 6, 4)
    assert_equals_portable(replace(layer, source=source, target=target, weight_storage=weight_storage))


@pytest.mark.parametrize("weight_storage", WeightStorage)
@pytest.mark.parametrize("inputs", [1, 2, 3, 4, 5, 7, 8, 15, 16, 17, 31, 32, 39, 48])
def test_inputs_near_quads_and_turns_of_the_gather(inputs: int, weight_storage: WeightStorage) -> None:
    assert_equals_portable(replace(layer_of(3, inputs, 3), weight_storage=weight_storage))


@pytest.mark.parametrize(("source", "target", "weight_storage"), FORMATS)
@pytest.mark.parametrize("outputs", [3, 4, 5, 6, 7, 8, 127, 128])
def test_outputs_near_triples_and_the_reach_of_a_store(
    outputs: int, source: Format, target: Format, weight_storage: WeightStorage
) -> None:
    layer = layer_of(3, 4, outputs)
    assert_equals_portable(replace(layer, source=source, target=target, weight_storage=weight_storage))


@pytest.mark.parametrize("weight_storage", WeightStorage)
@pytest.mark.parametrize("inputs", [15, 16, 17, 31, 32, 33, 47, 48, 49, 127, 128, 129])
def test_inputs_near_turns_of_the_channel_alone(inputs: int, weight_storage: WeightStorage) -> None:
    assert_equals_portable(replace(layer_of(3, inputs, 4, shifts=(9,)), weight_storage=weight_storage))


@pytest.mark.parametrize("inputs", [128, 129])
def test_the_largest_weights_of_the_channel_alone(inputs: int) -> None:
    layer = layer_of(2, inputs, 4, shifts=(11,))
    weights = np.concatenate([layer.weights[:3], np.full((1, inputs), -128, np.int8)])
    for value in (-128, 127):
        image = np.full((2, inputs), value, np.int8)
        assert_equals_portable(replace(layer, weights=weights), image)


@pytest.mark.parametrize("weight_storage", WeightStorage)
@pytest.mark.parametrize("outputs", [3, 4])
@pytest.mark.parametrize(("shifts", "zero_point"), [((9,), -128), ((9, 10), 5)])
@pytest.mark.parametrize("inputs", [72, 73, 96, 100, 132, 133, 256, 300])
def test_many_inputs_are_cut(
    inputs: int, shifts: tuple[int, ...], zero_point: int, outputs: int, weight_storage: WeightStorage
) -> None:
    layer = layer_of(2, inputs, outputs, shifts, zero_point)
    assert not segments(layer.weights).is_whole
    assert_equals_portable(replace(layer, weight_storage=weight_storage))


@pytest.mark.parametrize("zero_point", [-128, 5])
@pytest.mark.parametrize("inputs", [128, 500, 640])
def test_lanes_are_full_after_every_piece_and_segment(inputs: int, zero_point: int) -> None:
    """Products of the largest values, of one sign in each channel."""
    layer = replace(layer_of(4, inputs, 6, (12,), zero_point), bias=np.array([5, -7, 0, 3, 1, -1]))
    layer = replace(layer, weights=np.tile(np.int8([[127], [-127], [-128], [126], [-1], [127]]), inputs))
    assert segments(layer.weights).count > 1
    assert segments(layer.weights).piece < segments(layer.weights).length
    pixels = np.int8([-128, 127, 127, -128])
    assert_equals_portable(layer, np.tile(pixels[:, None], inputs))


@pytest.mark.parametrize("inputs", [8, 68])
@pytest.mark.parametrize("weight_storage", WeightStorage)
@pytest.mark.parametrize(
    ("shifts", "zero_point", "minimum", "maximum"),
    [
        ((6, 7), -128, -128, 127),
        ((2, 12), -128, -128, 127),
        ((6,), 5, -128, 127),
        ((4, 6, 7), -9, -128, 127),
        ((0,), 3, -128, 127),
        ((6,), -100, -100, 127),
        ((6,), -128, -128, 50),
        ((5, 7), 4, -20, 33),
    ],
)
def test_every_requantization(
    shifts: tuple[int, ...],
    zero_point: int,
    minimum: int,
    maximum: int,
    weight_storage: WeightStorage,
    inputs: int,
) -> None:
    layer = layer_of(4, inputs, 7, shifts, zero_point)
    assert_equals_portable(
        replace(layer, output_min=minimum, output_max=maximum, weight_storage=weight_storage)
    )


@pytest.mark.parametrize("weight_storage", WeightStorage)
@pytest.mark.parametrize("offset", [1, 2])
def test_nhwc_needs_no_alignment(offset: int, weight_storage: WeightStorage) -> None:
    assert_equals_portable(replace(layer_of(3, 9, 5), weight_storage=weight_storage), align=(offset, offset))


def layer_at_the_bound() -> PointwiseLayer:
    """Sums of |w| of 12288, 4095 and 4095: each as large as one segment may hold."""
    weights = np.zeros((3, 96), np.int8)
    weights[0] = -128
    weights[1:, :31], weights[1:, 31] = -128, 127
    return replace(layer_of(4, 96, 3, shifts=(14,)), weights=weights, bias=np.array([-5, 7, 0]))


def test_lanes_at_their_bound_do_not_meet() -> None:
    layer = layer_at_the_bound()
    assert segments(layer.weights).is_whole
    largest = np.where(layer.weights[1] < 0, -128, 127).astype(np.int8)
    smallest = -1 - largest
    for first, second in [(largest, largest), (largest, smallest), (smallest, largest), (smallest, smallest)]:
        assert_equals_portable(layer, np.stack([first, second, second, first]))


def layer_at_the_bound_of_a_segment() -> PointwiseLayer:
    """Sums of |w| of 8192, 8191 and 8192: what the middle lanes of a segment may hold, in several pieces."""
    weights = np.full((3, 64), -128, np.int8)
    weights[1, 63] = 127
    return replace(layer_of(4, 64, 3, shifts=(14,)), weights=weights, bias=np.array([-5, 7, 0]))


@pytest.mark.parametrize("zero_point", [-128, 5])
def test_pieces_of_a_segment_at_its_bound(zero_point: int) -> None:
    layer = replace(layer_at_the_bound_of_a_segment(), output_zero_point=zero_point)
    assert segments(layer.weights).count == 1
    assert segments(layer.weights).piece < 64
    largest = np.where(layer.weights[1] < 0, -128, 127).astype(np.int8)
    smallest = -1 - largest
    assert_equals_portable(layer, np.stack([largest, largest, largest, smallest]))
    assert_equals_portable(layer, np.stack([smallest, largest, smallest, smallest]))


@pytest.mark.parametrize("channel", range(3))
def test_one_beyond_the_bound_of_middle_lanes_needs_another_segment(channel: int) -> None:
    weights = layer_at_the_bound_of_a_segment().weights
    weights = np.concatenate([weights, np.zeros((3, 1), np.int8)], axis=1)
    weights[channel, 64] = 1
    assert segments(weights).count > 1


@pytest.mark.parametrize("channel", [1, 2])
def test_one_beyond_the_bound_of_the_highest_lanes_needs_another_piece(channel: int) -> None:
    weights = layer_at_the_bound().weights
    weights[0, 95] = 0
    assert segments(weights).is_whole
    weights[channel, 95] = 1
    assert segments(weights).count == 1
    assert segments(weights).piece < 96


def layer_with_a_last_channel_at_its_bound() -> PointwiseLayer:
    """A sum of |w| of 16383 beside three channels of small weights."""
    weights = np.ones((4, 128), np.int8)
    weights[3, :127], weights[3, 127] = -128, 127
    return replace(layer_of(2, 128, 4, shifts=(14,)), weights=weights)


def test_the_last_channel_alone_at_its_bound() -> None:
    layer = layer_with_a_last_channel_at_its_bound()
    assert segments(layer.weights).count == 1
    largest = np.where(layer.weights[3] < 0, -128, 127).astype(np.int8)
    for first, second in [(largest, -1 - largest), (-1 - largest, largest)]:
        assert_equals_portable(layer, np.stack([first, second]))


def test_one_beyond_the_bound_of_the_last_channel_needs_another_segment() -> None:
    weights = layer_with_a_last_channel_at_its_bound().weights
    weights[3, 127] = -128
    assert segments(weights).count > 1


@pytest.mark.parametrize("source", BY_PIXELS)
def test_zeros_and_single_ones(source: Format) -> None:
    layer = replace(layer_of(4, 6, 4, shifts=(3,)), source=source)
    image = np.zeros((4, 6), np.int8)
    assert_equals_portable(layer, image)
    for pixel in range(4):
        one = image.copy()
        one[pixel, pixel] = 1
        assert_equals_portable(layer, one)


def test_a_large_bias_leaves_the_lanes_out() -> None:
    layer = layer_of(2, 8, 3, shifts=(14,))
    assert_equals_portable(replace(layer, bias=np.array([1 << 20, -(1 << 20), 1 << 24])))


def test_a_bias_beyond_any_form_is_refused() -> None:
    layer = replace(layer_of(2, 8, 3), bias=np.array([0, 1 << 30, 0]))
    with pytest.raises(Refusal, match="output channel 1: the scaled sum"):
        pointwise_lanes(layer, "kernel")


@pytest.mark.parametrize(("pixels", "outputs"), [(1, 3), (2, 2)])
def test_what_does_not_fill_the_lanes_is_refused(pixels: int, outputs: int) -> None:
    with pytest.raises(Refusal, match="fill the lanes"):
        pointwise_lanes(layer_of(pixels, 4, outputs), "kernel")


@pytest.mark.parametrize("outputs", range(3, 12))
def test_triples_cover_every_output_but_one_alone_in_ascending_order(outputs: int) -> None:
    found, alone = triples(outputs), int(has_tail(outputs))
    assert sorted({channel for triple in found for channel in triple}) == list(range(outputs - alone))
    assert len(found) + alone == -(-outputs // 3)


@pytest.mark.parametrize("inputs", [40, 64, 100, 144, 256, 1000])
def test_segments_cover_the_inputs_once(inputs: int) -> None:
    weights = np.random.default_rng(inputs).integers(-127, 128, (7, inputs)).astype(np.int8)
    cut = segments(weights)
    covered = [index for begin, size in cut.ranges for index in range(begin, begin + size)]
    assert covered == list(range(inputs))


@pytest.mark.parametrize("weight_storage", WeightStorage)
@pytest.mark.parametrize("pixels", [2, 3, 4, 5])
@pytest.mark.parametrize("channels", [(6, 4), (4, 127), (4, 128)])
def test_descending_order_computes_the_same(
    pixels: int, channels: tuple[int, int], weight_storage: WeightStorage
) -> None:
    assert_equals_portable(
        replace(layer_of(pixels, *channels), weight_storage=weight_storage, descending=True)
    )


@pytest.mark.parametrize(("source", "target"), [(Format.PAIRS, Format.NHWC), (Format.NHWC, Format.PAIRS)])
def test_pairs_in_descending_order_are_refused(source: Format, target: Format) -> None:
    with pytest.raises(Refusal, match="ascending order"):
        pointwise_lanes(replace(layer_of(4, 4, 3), source=source, target=target, descending=True), "kernel")


def assert_planes_equal_portable(layer: PointwiseLayer, planes: Planes) -> None:
    layer = replace(layer, target=Format.PLANES, planes=replace(planes, channels=layer.outputs))
    image = image_of(layer)
    kernel = pointwise_lanes(layer, "kernel")
    source = image if layer.source is Format.NHWC else pairs_from_nhwc(image)
    expected = portable_pointwise(layer, image).reshape(planes.rows, planes.columns, layer.outputs)
    want = layer.planes.from_nhwc(expected)
    out = np.full_like(want, 0x5A5A)
    done = ArmFunction(kernel.assembly, "kernel")(
        source,
        out,
        kernel.constants,
        np.zeros(kernel.scratch_bytes, np.uint8),
        align=(1 if layer.source is Format.NHWC else 4, 4),
    )
    wrong = np.argwhere(done.arrays[1] != want)
    assert not wrong.size, f"channel, row, column {wrong[0]}"
    assert done.stack_bytes == kernel.stack_bytes


@pytest.mark.parametrize("source", BY_PIXELS)
@pytest.mark.parametrize("weight_storage", WeightStorage)
@pytest.mark.parametrize("outputs", [3, 4, 5, 6, 32])
@pytest.mark.parametrize("border", [(0, 0, 0, 0), (1, 1, 1, 1), (0, 0, 1, 1), (2, 3, 2, 2)])
def test_planes_hold_pixels_within_their_border(
    border: tuple[int, int, int, int], outputs: int, weight_storage: WeightStorage, source: Format
) -> None:
    for rows, columns in ((1, 2), (3, 6), (4, 4)):
        layer = replace(layer_of(rows * columns, 6, outputs), source=source, weight_storage=weight_storage)
        assert_planes_equal_portable(layer, Planes(outputs, rows, columns, *border, zero_point=-128))


@pytest.mark.parametrize("weight_storage", WeightStorage)
@pytest.mark.parametrize("zero_point", [-128, 0, 7])
def test_planes_as_large_as_a_store_reaches(zero_point: int, weight_storage: WeightStorage) -> None:
    layer = replace(layer_of(29 * 32, 8, 5, (6, 7), zero_point), weight_storage=weight_storage)
    assert_planes_equal_portable(layer, Planes(5, 29, 32, 1, 1, 0, 1, zero_point))
    beyond = Planes(5, 29, 32, 1, 1, 1, 1, zero_point)
    with pytest.raises(Refusal, match="too far apart"):
        pointwise_lanes(replace(layer, target=Format.PLANES, planes=beyond), "kernel")


def test_planes_of_odd_rows_and_in_descending_order_are_refused() -> None:
    planes = Planes(3, 2, 3, 1, 1, 1, 1, zero_point=-128)
    layer = replace(layer_of(6, 4, 3), target=Format.PLANES, planes=planes)
    with pytest.raises(Refusal, match="a pair would lie in two rows"):
        pointwise_lanes(layer, "kernel")
    with pytest.raises(Refusal, match="ascending order"):
        pointwise_lanes(replace(layer, descending=True), "kernel")


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 9), st.integers(1, 20), st.integers(3, 20))
@example(5, 8, 8)
@example(5, 4, 8)
@example(4, 8, 4)
def test_output_may_overlap_its_input_at_the_lag_in_both_orders(
    pixels: int, inputs: int, outputs: int
) -> None:
    layer = layer_of(pixels, inputs, outputs)
    image = image_of(layer)
    want = portable_pointwise(layer, image).reshape(-1)
    counts = []
    for descending in (False, True):
        kernel = pointwise_lanes(replace(layer, descending=descending), "kernel")
        got, call = run_in_place(kernel, image, lag_of(layer), want.size, descending=descending)
        assert np.array_equal(got, want), f"descending: {descending}"
        counts.append(call.instructions)
    assert counts[1] <= counts[0] + 3 * pixels + 6  # in both pointers at most three more a pair


def test_descending_order_takes_as_many_instructions_but_for_one_in_a_hundred() -> None:
    layer = layer_of(16, 16, 16)
    counts = [
        call(replace(layer, descending=descending), image_of(layer))[1].instructions
        for descending in (False, True)
    ]
    assert counts[1] == pytest.approx(counts[0], rel=0.01)


def lag_of(layer: PointwiseLayer) -> int:
    row = WindowAxis(layer.pixels, 1, 1, 1, 0, 0)
    return group_lag(WindowAxis(1, 1, 1, 1, 0, 0), row, layer.inputs, layer.outputs)
