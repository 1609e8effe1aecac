"""Operators that move values equal tflite-micro byte for byte: every axis, negative positions, sizes of 1.

Many operators share a file, each with an output of its own, so that one build checks them all.
"""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcu_nas.compiler.catalogue import choose
from mcu_nas.compiler.emit_model_data import emit_model_data
from mcu_nas.compiler.kernel_calls import kernel_call
from mcu_nas.compiler.program import compile_graph
from mcu_nas.cost.flash import constants_bytes
from mcu_nas.devices.host import HostModel
from mcu_nas.graph import Graph
from mcu_nas.operators import Activation, Padding
from mcu_nas.tflite import reference
from mcu_nas.tflite.reader import parse_tflite
from tests.graphs import GraphMaker
from tests.movement import FileMaker, concatenation, constant_like, pad, part, resize, transpose
from tests.reference import assert_same_outputs, joined, reference_outputs, sample_inputs

SOME = settings(max_examples=5, deadline=None)
OPERATORS = 12  # in one file; the search for their order grows with their number
PIXELS = (1, 6, 5, 4)


def check(graph: Graph, count: int = 4) -> None:
    """The graph's outputs, sanitized and poisoned, equal tflite-micro's; flash is as the cost model says."""
    inputs = sample_inputs(graph, count, seed=1)
    program = compile_graph(graph, "model", "0" * 16)
    expected = reference_outputs(graph, *inputs)
    assert_same_outputs(HostModel(program, sanitize=True).run(*inputs), expected, *inputs)
    assert_same_outputs(HostModel(program, poison=True).run(*inputs), expected, *inputs)
    assert program.constants_bytes == sum(constants_bytes(program.graph.network, program.plan))


def check_file(data: bytes) -> None:
    """A file's outputs in tflite-micro equal those of the C that its graph becomes."""
    graph = parse_tflite(data, "m.tflite")
    inputs = sample_inputs(graph, 2, seed=1)
    got = HostModel(compile_graph(graph, "model", "0" * 16), sanitize=True).run(*inputs)
    assert_same_outputs(got, joined(reference.reference_outputs(data, *inputs)), *inputs)


def many(maker: GraphMaker, source: int, outputs: list[int]) -> Graph:
    return maker.graph((source,), tuple(dict.fromkeys(outputs)))


def slices_of(size: int) -> list[tuple[int, int, int, bool, bool, int]]:
    """(begin, end, stride, begin masked, end masked, length) of slices of an axis that are not empty."""
    positions = range(-size - 2, size + 3)
    found = []
    for begin, end, stride in itertools.product(positions, positions, (1, 2, 3, -1, -2, -7)):
        for no_begin, no_end in itertools.product((False, True), repeat=2):
            taken = range(size)[None if no_begin else begin : None if no_end else end : stride]
            if len(taken):
                found.append((begin, end, stride, no_begin, no_end, len(taken)))
    return found


AXIS_SLICES = {size: slices_of(size) for size in (1, 4, 5, 6)}


@st.composite
def strided_slices(draw: st.DrawFn) -> tuple[list[list[int]], dict[str, int], tuple[int, ...]]:
    """begin, end and strides; masks; the output's shape, for a slice of PIXELS."""
    axes = [draw(st.sampled_from(AXIS_SLICES[size])) for size in PIXELS]
    dropped = [axis for axis in (1, 2, 3) if draw(st.integers(0, 4)) == 0][:2]
    for axis in dropped:
        begin = draw(st.integers(-PIXELS[axis], PIXELS[axis] - 1))
        axes[axis] = (begin, draw(st.integers(-9, 9)), draw(st.integers(1, 3)), False, False, 1)
    masks = {
        "beginMask": sum(1 << axis for axis, chosen in enumerate(axes) if chosen[3]),
        "endMask": sum(1 << axis for axis, chosen in enumerate(axes) if chosen[4]),
        "shrinkAxisMask": sum(1 << axis for axis in dropped),
    }
    shape = tuple(chosen[5] for axis, chosen in enumerate(axes) if axis not in dropped)
    return [[chosen[i] for chosen in axes] for i in range(3)], masks, shape


@given(st.lists(strided_slices(), min_size=OPERATORS, max_size=OPERATORS))
@SOME
def test_strided_slices_equal_the_reference(slices):
    file = FileMaker(PIXELS)
    for bounds, masks, shape in slices:
        file.operator("STRIDED_SLICE", ["x", *bounds], [shape], **masks)
    check_file(file.file())


def test_slices_equal_the_reference():
    file = FileMaker(PIXELS)
    for begin, size, shape in [
        ((0, 1, 2, 3), (1, 4, 3, 1), (1, 4, 3, 1)),
        ((0, 0, 0, 1), (-1, -1, 2, -1), (1, 6, 2, 3)),
        ((0, 5, 4, 3), (1, 1, 1, 1), (1, 1, 1, 1)),
    ]:
        file.operator("SLICE", ["x", begin, size], [shape])
    check_file(file.file())


@pytest.mark.parametrize("axis", [1, 2, 3, -1, -3])
@pytest.mark.parametrize("parts", [1, 2, 3])
def test_splits_equal_the_reference(axis, parts):
    shape = (1, 6, 12, 18)
    piece = [size // parts if number == axis % 4 else size for number, size in enumerate(shape)]
    file = FileMaker(shape)
    file.operator("SPLIT", [axis, "x"], [tuple(piece)] * parts, numSplits=parts)
    check_file(file.file())


@pytest.mark.parametrize("axis", [1, 2, -1])
@pytest.mark.parametrize("sizes", [[1, 5], [2, -1, 1], [-1], [3, 1, 2]])
def test_splits_into_unequal_parts_equal_the_reference(axis, sizes):
    shape = (1, 6, 6, 6)
    rest = 6 - sum(size for size in sizes if size > 0)
    pieces = [list(shape) for _ in sizes]
    for piece, size in zip(pieces, sizes, strict=True):
        piece[axis] = rest if size < 0 else size
    file = FileMaker(shape)
    file.operator("SPLIT_V", ["x", sizes, axis], [tuple(piece) for piece in pieces], numSplits=len(sizes))
    check_file(file.file())


def test_squeezed_and_expanded_axes_equal_the_reference():
    file = FileMaker((1, 1, 3, 1))
    file.operator("SQUEEZE", ["x"], [(1, 3, 1)], squeezeDims=np.array([-3], np.int32))
    file.operator("SQUEEZE", ["x"], [(1, 3)], squeezeDims=np.array([3, 1], np.int32))
    check_file(file.file())
    file = FileMaker((1, 3, 4))
    file.operator("EXPAND_DIMS", ["x", -2], [(1, 3, 1, 4)])
    file.operator("EXPAND_DIMS", ["x", 0], [(1, 1, 3, 4)])
    check_file(file.file())


def test_a_squeeze_of_a_tensor_that_dies_runs_nothing():
    file = FileMaker((1, 1, 3, 4))
    file.operator("SQUEEZE", ["x"], [(1, 3, 4)], squeezeDims=np.array([1], np.int32))
    program = compile_graph(parse_tflite(file.file(), "m.tflite"), "model", "0" * 16)
    assert program.is_view(program.calls[0])
    assert program.arena_bytes == 12


def permutations(shape: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Those that leave a batch of 1."""
    return [order for order in itertools.permutations(range(len(shape))) if shape[order[0]] == 1]


@pytest.mark.parametrize("shape", [(1, 7), (1, 5, 3), (1, 1, 9), (1, 4, 5, 3), (1, 1, 6, 5), (1, 3, 1, 7)])
def test_transposes_equal_the_reference(shape):
    maker = GraphMaker(0)
    x = maker.activation("pixels", shape)
    check(many(maker, x, [transpose(maker, x, order) for order in permutations(shape)]))


@pytest.mark.parametrize("axis", [1, 2, 3])
@pytest.mark.parametrize("count", [2, 3, 10])
def test_concatenations_equal_the_reference(axis, count):
    maker = GraphMaker(axis)
    shapes = [[1, 3, 4, 5] for _ in range(count)]
    for number, shape in enumerate(shapes):
        shape[axis] = 1 + number % 4
    inputs = [maker.activation("pixels", tuple(shapes[0]))]
    inputs += [
        maker.activation(f"more{n}", tuple(shape), like=inputs[0]) for n, shape in enumerate(shapes[1:])
    ]
    check(maker.graph(tuple(inputs), (concatenation(maker, inputs, axis),)))


def test_sixteen_inputs_and_repeated_ones_are_joined_in_order():
    """tflite-micro takes ten at most."""
    maker = GraphMaker(0)
    inputs = [maker.activation(f"in{n}", (1, 2, n + 1), like=0 if n else None) for n in range(15)]
    inputs.append(inputs[3])
    graph = maker.graph(tuple(inputs[:15]), (concatenation(maker, inputs, 2),))
    values = sample_inputs(graph, 3, seed=0)
    got = HostModel(compile_graph(graph, "model", "0" * 16), sanitize=True).run(*values)
    np.testing.assert_array_equal(got, np.concatenate([*values, values[3]], axis=2))


@pytest.mark.parametrize("position", [0, 1, 2])
def test_constants_are_joined_from_flash(position):
    maker = GraphMaker(0)
    x = maker.activation("pixels", (1, 3, 4, 5))
    inputs = [x, maker.conv(x, 5, (1, 1))]
    maker.quantization[inputs[1]] = maker.quantization[x]
    inputs.insert(position, constant_like(maker, x, (1, 3, 2, 5)))
    check(maker.graph((x,), (concatenation(maker, inputs, 2),)))


AMOUNTS = st.tuples(st.integers(0, 3), st.integers(0, 3))


@given(
    st.lists(
        st.tuples(AMOUNTS, AMOUNTS, AMOUNTS, st.none() | st.integers(-128, 127)),
        min_size=OPERATORS,
        max_size=OPERATORS,
    )
)
@SOME
def test_pads_equal_the_reference(pads):
    maker = GraphMaker(0)
    x = maker.activation("pixels", (1, 3, 4, 2))
    check(many(maker, x, [pad(maker, x, ((0, 0), *amounts), value) for *amounts, value in pads]))


@pytest.mark.parametrize("shape", [(1, 5), (1, 3, 4)])
def test_pads_of_fewer_axes_equal_the_reference(shape):
    maker = GraphMaker(0)
    x = maker.activation("pixels", shape)
    sides = [((0, 0), *amounts) for amounts in itertools.product(((0, 0), (2, 1)), repeat=len(shape) - 1)]
    check(many(maker, x, [pad(maker, x, amounts) for amounts in sides]))


@pytest.mark.parametrize("corners", [False, True])
@pytest.mark.parametrize("half", [False, True])
def test_resizes_equal_the_reference(corners, half):
    maker = GraphMaker(0)
    x = maker.activation("pixels", (1, 5, 7, 3))
    sizes = [(1, 1), (5, 7), (10, 14), (3, 20), (11, 2), (1, 13)]
    check(many(maker, x, [resize(maker, x, size, corners, half) for size in sizes]))


@pytest.mark.parametrize("corners", [False, True])
@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("in_size", [1, 2, 3, 7, 10, 24, 49, 96, 127])
def test_nearest_pixels_equal_the_reference_for_a_hundred_sizes(corners, half, in_size):
    """Where the nearest pixel is a tie, float32 rounding decides."""
    maker = GraphMaker(0)
    x = maker.activation("pixels", (1, 1, in_size, 1))
    graph = many(maker, x, [resize(maker, x, (1, size), corners, half) for size in range(1, 101)])
    columns = [
        kernel_call(graph, op, choose(graph.network, op), "layer").arrays["columns"]
        for op in graph.network.ops
    ]
    ramp = np.arange(in_size, dtype=np.int8).reshape(1, 1, in_size, 1)
    np.testing.assert_array_equal(reference_outputs(graph, ramp)[0], np.concatenate(columns))


def test_parts_that_go_different_ways_and_meet_again_equal_the_reference():
    """A SPLIT by channels, convolutions on its parts, a CONCATENATION, a shuffle of channels by TRANSPOSE."""
    maker = GraphMaker(3)
    x = maker.activation("pixels", (1, 8, 8, 6))
    y = maker.conv(x, 12, (3, 3), activation=Activation.RELU)
    parts = [part(maker, y, (0, 0, 0, begin), (1, 8, 8, 4)) for begin in (0, 4, 8)]
    made = [parts[0], maker.depthwise(parts[1], 1, (3, 3)), maker.conv(parts[2], 4, (1, 1))]
    for tensor in made[1:]:
        maker.quantization[tensor] = maker.quantization[y]
    y = concatenation(maker, made, 3)
    y = maker.reshape(y, (1, 64, 3, 4))
    y = maker.reshape(transpose(maker, y, (0, 1, 3, 2)), (1, 8, 8, 12))
    check(maker.graph((x,), (maker.fully_connected(maker.mean(y), 5), parts[1])))


def test_a_small_unet_equals_the_reference():
    """Down, up by RESIZE_NEAREST_NEIGHBOR, skips joined by CONCATENATION, an explicit PAD for odd sizes."""
    maker = GraphMaker(4)
    x = maker.activation("pixels", (1, 15, 13, 3))
    skip = maker.conv(x, 8, (3, 3), activation=Activation.RELU6)
    down = maker.conv(pad(maker, skip, ((0, 0), (1, 0), (0, 1), (0, 0))), 8, (3, 3), (2, 2), Padding.VALID)
    deep = maker.conv(maker.depthwise(down, 1, (3, 3)), 8, (1, 1), activation=Activation.RELU6)
    up = resize(maker, deep, (14, 12))
    up = pad(maker, up, ((0, 0), (1, 0), (0, 1), (0, 0)))
    maker.quantization[skip] = maker.quantization[up]
    maker.quantization[maker.ops[1].outputs[0]] = maker.quantization[skip]  # the PAD keeps it
    joined_up = concatenation(maker, [up, skip], 3)
    check(maker.graph((x,), (maker.conv(joined_up, 2, (1, 1)),)))


@given(st.data())
@SOME
def test_chains_of_movements_equal_the_reference(data):
    maker = GraphMaker(data.draw(st.integers(0, 99)))
    x = source = maker.activation("pixels", PIXELS)
    for _ in range(data.draw(st.integers(2, 8))):
        shape = maker.tensors[x].shape
        kind = data.draw(st.sampled_from(["pad", "part", "transpose", "resize", "join"]))
        if kind == "pad":
            x = pad(maker, x, ((0, 0), *(data.draw(AMOUNTS) for _ in shape[1:])))
        elif kind == "part":
            counts = tuple(data.draw(st.integers(1, size)) for size in shape)
            begin = tuple(data.draw(st.integers(0, s - n)) for s, n in zip(shape, counts, strict=True))
            x = part(maker, x, begin, counts)
        elif kind == "transpose":
            x = transpose(maker, x, (0, *data.draw(st.permutations((1, 2, 3)))))
        elif kind == "resize":
            x = resize(maker, x, data.draw(st.tuples(*[st.integers(1, 9)] * 2)), data.draw(st.booleans()))
        elif math.prod(shape) < 4000:
            x = concatenation(maker, [x, x], data.draw(st.integers(1, 3)))
    if maker.ops:
        check(maker.graph((source,), (x,)))


def test_model_data_names_the_operators_of_the_file_and_not_what_they_became():
    file = FileMaker((1, 4, 6))
    file.operator("SPLIT", [1, "x"], [(1, 2, 6)] * 2, numSplits=2)
    file.operator("EXPAND_DIMS", ["x", 0], [(1, 1, 4, 6)])
    data = file.file()
    text = emit_model_data(data, compile_graph(parse_tflite(data, "m.tflite"), "model", "0" * 16))
    assert "MicroMutableOpResolver<2>" in text
    assert "resolver.AddExpandDims();" in text
    assert "resolver.AddSplit();" in text


def test_a_single_value_may_lose_all_axes_but_the_batch():
    maker = GraphMaker(0)
    x = maker.activation("pixels", (1, 4, 4, 3))
    y = maker.reshape(maker.fully_connected(x, 1), (1,))
    check(maker.graph((x,), (y,)))
    check(maker.graph((x,), (y, maker.add(y, y))))
