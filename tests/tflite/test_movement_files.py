"""Files of operators that move values: read back as written, parts resolved, refused with the exact line."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from hypothesis import given, settings
from hypothesis import strategies as st

from mcu_nas.errors import ModelError
from mcu_nas.graph import Graph, Quantization
from mcu_nas.operators import Pad, Reshape, StridedSlice
from mcu_nas.tflite.reader import parse_tflite
from mcu_nas.tflite.writer import serialize_tflite
from tests.graphs import GraphMaker, assert_same_graph
from tests.movement import FileMaker, concatenation, constant_like, pad, part, resize, transpose

SHAPE = (1, 6, 5, 4)


def read(name: str, inputs: list[Any], outputs: list[tuple[int, ...]], **options: Any) -> Graph:
    """The graph of a file of one operator on pixels of SHAPE."""
    file = FileMaker(SHAPE)
    file.operator(name, inputs, outputs, **options)
    return parse_tflite(file.file(), "m.tflite")


@st.composite
def moving_graphs(draw: st.DrawFn) -> Graph:
    maker = GraphMaker(draw(st.integers(0, 99)))
    x = maker.activation("pixels", SHAPE)
    counts = tuple(draw(st.integers(1, size)) for size in SHAPE)
    backwards = [draw(st.booleans()) for _ in SHAPE]
    step = tuple(-1 if back and n > 1 else 1 for back, n in zip(backwards, counts, strict=True))
    begin = tuple(n - 1 if s < 0 else size - n for n, s, size in zip(counts, step, SHAPE, strict=True))
    value = draw(st.none() | st.integers(-128, 127))
    value = None if value == maker.quantization[x].zero_point else value
    sides = draw(st.tuples(*[st.tuples(st.integers(0, 2), st.integers(0, 2))] * 3))
    made = [
        part(maker, x, begin, counts, step),
        part(maker, x, (0, 2, 4, 0), (1, 4), (1, 0, 0, 1)),
        pad(maker, x, ((0, 0), *sides), value),
        resize(maker, x, draw(st.tuples(*[st.integers(1, 9)] * 2)), draw(st.booleans()), draw(st.booleans())),
        transpose(maker, x, (0, *draw(st.permutations((1, 2, 3))))),
        concatenation(maker, [x, constant_like(maker, x, SHAPE), x], draw(st.integers(1, 3))),
    ]
    return maker.graph((x,), tuple(made))


@given(moving_graphs())
@settings(deadline=None, max_examples=50)
def test_a_written_graph_is_read_back_equal(graph: Graph) -> None:
    data = serialize_tflite(graph)
    assert_same_graph(parse_tflite(data, "g.tflite"), graph)
    assert serialize_tflite(parse_tflite(data, "g.tflite")) == data


def test_padding_with_the_zero_point_is_a_plain_pad() -> None:
    amounts, shape = [[0, 0], [1, 0], [0, 0], [0, 0]], (1, 7, 5, 4)
    (plain,) = read("PAD", ["x", amounts], [shape]).network.ops
    (given,) = read("PADV2", ["x", amounts, np.int8(-7)], [shape]).network.ops
    (other,) = read("PADV2", ["x", amounts, np.int8(-128)], [shape]).network.ops
    assert plain == given
    assert isinstance(other, Pad)
    assert other.value == -128


def test_positions_from_the_back_and_masks_are_resolved() -> None:
    graph = read(
        "STRIDED_SLICE",
        ["x", [9, -2, -1, -3], [9, -9, 0, 99], [1, -2, 1, 1]],
        [(1, 3, 3)],
        beginMask=1,
        endMask=1,
        shrinkAxisMask=4,
    )
    (op,) = graph.network.ops
    assert isinstance(op, StridedSlice)
    assert (op.begin, op.step) == ((0, 4, 4, 1), (1, -2, 0, 1))


def test_a_split_is_a_part_for_each_output_and_messages_keep_the_files_indices() -> None:
    file = FileMaker(SHAPE)
    file.operator("SPLIT", [-1, "x"], [(1, 6, 5, 2)] * 2, numSplits=2)
    file.operator("EXPAND_DIMS", ["x", 0], [(1, *SHAPE)])
    with pytest.raises(ModelError, match=r"op 1 EXPAND_DIMS"):
        parse_tflite(file.file(), "m.tflite")
    graph = read("SPLIT", [-1, "x"], [(1, 6, 5, 2)] * 2, numSplits=2)
    assert [op.begin for op in graph.network.ops if isinstance(op, StridedSlice)] == [(0,) * 4, (0, 0, 0, 2)]
    assert [op.outputs for op in graph.network.ops] == [(1,), (2,)]


def test_a_squeeze_is_a_reshape() -> None:
    file = FileMaker((1, 1, 5, 4))
    file.operator("SQUEEZE", ["x"], [(1, 5, 4)], squeezeDims=np.array([-3], np.int32))
    (op,) = parse_tflite(file.file(), "m.tflite").network.ops
    assert op == Reshape((0,), (1,))


NOT_CONSTANT = "x"  # the model's input in the place of a constant
PLACE = "m.tflite: op 0 {0} (output '{0}.0.0'): "
REFUSED: dict[str, tuple[str, list[Any], list[tuple[int, ...]], dict[str, Any], str]] = {
    "one input": (
        "CONCATENATION",
        ["x"],
        [SHAPE],
        {"axis": 1},
        "has 1 inputs and 1 outputs, not 2 to 16 and 1: not supported",
    ),
    "joined shapes": (
        "CONCATENATION",
        ["x", np.zeros((1, 6, 4, 4), np.int8)],
        [(1, 6, 5, 8)],
        {"axis": 3},
        "joins 1×6×4×4 to 1×6×5×8 along axis 3",
    ),
    "joined length": (
        "CONCATENATION",
        ["x", "x"],
        [(1, 6, 5, 7)],
        {"axis": 3},
        "its output is 1×6×5×7, should be 1×6×5×8",
    ),
    "joined with an activation": (
        "CONCATENATION",
        ["x", "x"],
        [(1, 6, 5, 8)],
        {"axis": 3, "fusedActivationFunction": schema.ActivationFunctionType.RELU},
        "has fused activation RELU: not supported",
    ),
    "axis": ("CONCATENATION", ["x", "x"], [(1, 6, 5, 8)], {"axis": 4}, "has axis 4 of 4"),
    "constants alone": (
        "CONCATENATION",
        [np.zeros((1, 2), np.int8), np.zeros((1, 3), np.int8)],
        [(1, 5)],
        {"axis": 1},
        "joins constants alone: not supported",
    ),
    "negative padding": (
        "PAD",
        ["x", [[0, 0], [-1, 0], [0, 0], [0, 0]]],
        [(1, 5, 5, 4)],
        {},
        "pads by [0, 0, -1, 0, 0, 0, 0, 0]",
    ),
    "padded shape": (
        "PAD",
        ["x", [[0, 0], [1, 0], [0, 0], [0, 0]]],
        [(1, 6, 5, 4)],
        {},
        "its output is 1×6×5×4, should be 1×7×5×4",
    ),
    "amounts that are computed": (
        "PAD",
        ["x", NOT_CONSTANT],
        [SHAPE],
        {},
        "its amounts 'pixels' is no constant: not supported",
    ),
    "amounts of another rank": (
        "PAD",
        ["x", [[0, 0], [1, 0]]],
        [SHAPE],
        {},
        "its amounts 'PAD.1' has 16 bytes for 8 values",
    ),
    "resized shape": (
        "RESIZE_NEAREST_NEIGHBOR",
        ["x", [3, 4]],
        [(1, 3, 5, 4)],
        {},
        "its output is 1×3×5×4, should be 1×3×4×4",
    ),
    "no permutation": ("TRANSPOSE", ["x", [0, 1, 1, 3]], [SHAPE], {}, "permutes 4 axes by [0, 1, 1, 3]"),
    "permutation from the back": (
        "TRANSPOSE",
        ["x", [0, 1, 2, -1]],
        [SHAPE],
        {},
        "permutes 4 axes by [0, 1, 2, -1]",
    ),
    "transposed shape": (
        "TRANSPOSE",
        ["x", [0, 2, 1, 3]],
        [SHAPE],
        {},
        "its output is 1×6×5×4, should be 1×5×6×4",
    ),
    "squeezed size": (
        "SQUEEZE",
        ["x"],
        [(1, 6, 20)],
        {"squeezeDims": np.array([3], np.int32)},
        "squeezes axes [3] of 1×6×5×4",
    ),
    "ellipsis": (
        "STRIDED_SLICE",
        ["x", [0] * 4, [1] * 4, [1] * 4],
        [(1, 1, 1, 1)],
        {"ellipsisMask": 2},
        "has an ellipsis mask, a new axis mask or offsets: not supported",
    ),
    "stride 0": (
        "STRIDED_SLICE",
        ["x", [0] * 4, [1] * 4, [1, 0, 1, 1]],
        [(1, 1, 1, 1)],
        {},
        "has strides [1, 0, 1, 1]",
    ),
    "begin of another rank": (
        "STRIDED_SLICE",
        ["x", [0] * 2, [1] * 4, [1] * 4],
        [(1, 1, 1, 1)],
        {},
        "its begin 'STRIDED_SLICE.1' has 8 bytes for 4 values",
    ),
    "beyond the input": (
        "STRIDED_SLICE",
        ["x", [0] * 4, [1, 9, 1, 1], [1] * 4],
        [(1, 9, 1, 1)],
        {},
        "its output is 1×9×1×1, should be 1×6×1×1",
    ),
    "nothing left": (
        "STRIDED_SLICE",
        ["x", [0, 4, 0, 0], [1, 4, 1, 1], [1] * 4],
        [(1, 1, 1, 1)],
        {},
        "its output is 1×1×1×1, should be 1×0×1×1",
    ),
    "dropped axis beyond": (
        "STRIDED_SLICE",
        ["x", [0, 6, 0, 0], [1, 7, 1, 1], [1] * 4],
        [(1, 1, 1)],
        {"shrinkAxisMask": 2},
        "drops axis 1 at 6 of 6: not supported",
    ),
    "slice beyond": (
        "SLICE",
        ["x", [0, 3, 0, 0], [1, 4, 5, 4]],
        [(1, 4, 5, 4)],
        {},
        "takes 4 at 3 of 6 along axis 1",
    ),
    "uneven split": (
        "SPLIT",
        [2, "x"],
        [(1, 6, 2, 4)] * 2,
        {"numSplits": 2},
        "splits 1×6×5×4 along axis 2 into 2 parts",
    ),
    "split into another number": (
        "SPLIT",
        [1, "x"],
        [(1, 3, 5, 4)] * 2,
        {"numSplits": 3},
        "splits 1×6×5×4 along axis 1 into 2 parts",
    ),
    "split shapes": (
        "SPLIT",
        [1, "x"],
        [(1, 3, 5, 4), (1, 2, 5, 4)],
        {"numSplits": 2},
        "its output is 1×2×5×4, should be 1×3×5×4",
    ),
    "sizes of a split": (
        "SPLIT_V",
        ["x", [2, 3], 1],
        [(1, 2, 5, 4), (1, 3, 5, 4)],
        {"numSplits": 2},
        "splits 1×6×5×4 along axis 1 into [2, 3]",
    ),
}


@pytest.mark.parametrize(
    ("name", "inputs", "outputs", "options", "fault"), REFUSED.values(), ids=REFUSED.keys()
)
def test_a_file_that_moves_values_wrongly_gives_one_line(
    name: str, inputs: list[Any], outputs: list[tuple[int, ...]], options: dict[str, Any], fault: str
) -> None:
    with pytest.raises(ModelError) as caught:
        read(name, inputs, outputs, **options)
    assert str(caught.value) == PLACE.format(name) + fault


def test_a_batch_is_not_joined() -> None:
    with pytest.raises(ModelError, match=r"tensor 'CONCATENATION.0.0' has a batch of 2: only 1 is supported"):
        read("CONCATENATION", ["x", "x"], [(2, *SHAPE[1:])], axis=0)


@pytest.mark.parametrize("name", ["PAD", "TRANSPOSE", "STRIDED_SLICE", "RESIZE_NEAREST_NEIGHBOR"])
def test_movement_that_rescales_is_refused(name: str) -> None:
    maker = GraphMaker(0)
    x = maker.activation("pixels", SHAPE)
    out = {
        "PAD": lambda: pad(maker, x, ((0, 0), (1, 0), (0, 0), (0, 0))),
        "TRANSPOSE": lambda: transpose(maker, x, (0, 2, 1, 3)),
        "STRIDED_SLICE": lambda: part(maker, x, (0, 0, 0, 0), (1, 1, 1, 1)),
        "RESIZE_NEAREST_NEIGHBOR": lambda: resize(maker, x, (2, 2)),
    }[name]()
    maker.quantization[out] = Quantization((0.7,), (0,))
    with pytest.raises(
        ModelError, match=f"op 0 {name} .*: its input and output differ in scale or zero point"
    ):
        parse_tflite(serialize_tflite(maker.graph((x,), (out,))), "m.tflite")


def test_joined_tensors_of_another_scale_are_refused() -> None:
    """tflite-micro copies their bytes, TFLite refuses them."""
    maker = GraphMaker(0)
    x, y = maker.activation("pixels", SHAPE), maker.activation("more", SHAPE)
    data = serialize_tflite(maker.graph((x, y), (concatenation(maker, [x, y], 3),)))
    with pytest.raises(
        ModelError, match=r"op 0 CONCATENATION .*: 'more' differs from its output in scale or zero"
    ):
        parse_tflite(data, "m.tflite")


def test_a_scalar_is_refused() -> None:
    file = FileMaker((1, 1))
    file.operator("SQUEEZE", ["x"], [()], squeezeDims=np.array([0, 1], np.int32))
    with pytest.raises(ModelError) as caught:
        parse_tflite(file.file(), "m.tflite")
    expected = (
        "m.tflite: op 0 SQUEEZE, tensor 'SQUEEZE.0.0' is an activation of int8 (): only int8 with a batch is"
    )
    assert str(caught.value) == f"{expected} supported"
