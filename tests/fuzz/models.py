"""Small valid models that hold every operator which is compiled, with plain and with hostile names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from mcu_nas.graph import Graph, ImageInput
from mcu_nas.operators import Activation, MaxPool2D, Padding
from mcu_nas.tflite.writer import serialize_tflite
from tests.compiler.test_outer_interface import FLOAT32, UINT8, Border
from tests.elementwise import BINARY, UNARY, binary, constant, quantized, unary
from tests.graphs import GraphMaker
from tests.movement import FileMaker, concatenation, constant_like, pad, part, resize, transpose
from tests.weighted_graphs import mean_over, rows, transpose_conv, transposed_size, without_biases

HOSTILE_NAMES = (
    '*/ #error "\\" ??/',
    "ends in a backslash \\",
    "/* nested // \n#error newline\r\n#error\v\f\0 end",
    '", 0}; int evil(void) { return 1; } /*',
    "%s%n ${HOME} $(id) `id` ;id; @name@",
    "\u202e\ufeff é 漢字 \U0001f600",
    "",
)


def valid_models() -> dict[str, bytes]:
    """The files by a name that says what is in them."""
    graphs = dict(_graphs())
    files = {name: serialize_tflite(graph) for name, graph in graphs.items()}
    files["hostile names"] = serialize_tflite(_with_hostile_names(graphs["classifier"]))
    files["no biases"] = without_biases(_convolutions(), left_out=False)
    files["biases left out"] = without_biases(_convolutions(), left_out=True)
    files["pixels to floats"] = _other_interface(graphs["classifier"], UINT8, FLOAT32)
    files["floats to bytes"] = _other_interface(graphs["convolutions"], FLOAT32, UINT8)
    files["rewritten in images"] = _rewritten_in_images()
    files["rewritten in rows"] = _rewritten_in_rows()
    return files


def _graphs() -> Iterator[tuple[str, Graph]]:
    yield "classifier", _classifier()
    yield "convolutions", _convolutions()
    yield "transposed", _transposed()
    yield "movement", _movement()
    for kind in UNARY:
        maker = GraphMaker(3)
        x = maker.activation("x", (1, 3, 2, 4))
        yield kind.tflite_name, maker.graph((x,), (unary(maker, kind, x),))
    for kind in BINARY:
        maker = GraphMaker(4)
        a, b = maker.activation("a", (1, 3, 2, 4)), maker.activation("b", (1, 1, 1, 4))
        both = binary(maker, kind, a, b, Activation.RELU)
        operand = constant(maker, np.arange(4), quantized(0.05, 3))
        yield kind.tflite_name, maker.graph((a, b), (binary(maker, kind, both, operand), both))
    yield "rows", _rows()
    yield "dead channels", _dead_channels()
    yield "branches", _branches()


def _classifier() -> Graph:
    maker = GraphMaker(7)
    pixels = maker.activation("pixels", (1, 8, 8, 2))
    x = maker.conv(pixels, 4, (3, 3), (2, 2), activation=Activation.RELU6)
    x = maker.add(x, maker.depthwise(x, 1, (3, 3)))
    x = maker.pool(x, (2, 2), (2, 2))
    x = maker.softmax(maker.fully_connected(maker.mean(x), 3))
    return maker.graph((pixels,), (x,), ("a", "b", "c"))


def _convolutions() -> Graph:
    maker = GraphMaker(8)
    pixels = maker.activation("pixels", (1, 9, 7, 3))
    x = maker.conv(pixels, 4, (3, 3), padding=Padding.VALID, dilation=(2, 1))
    x = maker.depthwise(x, 2, (3, 2), (2, 2))
    return maker.graph((pixels,), (maker.conv(x, 5, (1, 1)),))


def _transposed() -> Graph:
    maker = GraphMaker(9)
    pixels = maker.activation("pixels", (1, 3, 4, 2))
    height, width = (transposed_size(Padding.SAME, size, 3, 2, 1) for size in (3, 4))
    x = transpose_conv(maker, pixels, (height, width, 3), (3, 3), (2, 2), Padding.SAME)
    return maker.graph((pixels,), (mean_over(maker, x, [-1, 2], keep_dims=True),))


def _movement() -> Graph:
    maker = GraphMaker(10)
    pixels = maker.activation("pixels", (1, 4, 5, 3))
    x = pad(maker, pixels, ((0, 0), (1, 1), (1, 0), (0, 0)))
    x = maker.pool(x, (3, 3), (1, 2), kind=MaxPool2D)
    x = resize(maker, x, (8, 6), corners=True)
    left = part(maker, x, (0, 0, 1, 0), (1, 4, 5, 3), (1, 2, 1, 1))
    right = pad(maker, left, ((0, 0), (0, 0), (0, 0), (1, 0)), value=5)
    x = concatenation(maker, (left, right, constant_like(maker, x, (1, 4, 5, 2))), 3)
    x = transpose(maker, x, (0, 3, 1, 2))
    return maker.graph((pixels,), (maker.reshape(x, (1, 9 * 20)), x))


def _rows() -> Graph:
    maker = GraphMaker(11)
    source = maker.activation("rows", (1, 5, 4))
    return maker.graph((source,), (maker.softmax(rows(maker, source, 3, per_channel=True)),))


def _dead_channels() -> Graph:
    maker = GraphMaker(12)
    pixels = maker.activation("pixels", (1, 6, 6, 2))
    x = maker.conv(pixels, 6, (3, 3))
    maker.constants[maker.ops[0].inputs[1]][2:5] = 0
    x = maker.conv(maker.depthwise(x, 1, (3, 3)), 3, (1, 1))
    return maker.graph((pixels,), (x,))


def _branches() -> Graph:
    maker = GraphMaker(13)
    pixels = maker.activation("pixels", (1, 4, 4, 2))
    arms = [maker.conv(pixels, channels, (1, 1)) for channels in (4, 8, 4)]
    narrow = maker.conv(arms[1], 4, (3, 3))
    return maker.graph((pixels,), (maker.add(maker.add(arms[0], arms[2]), narrow),))


def _with_hostile_names(graph: Graph) -> Graph:
    """Each tensor under a hostile name, and the classes, too."""
    names = (HOSTILE_NAMES[number % len(HOSTILE_NAMES)] for number in range(len(graph.network.tensors)))
    pairs = zip(graph.network.tensors, names, strict=True)
    tensors = tuple(replace(tensor, name=name) for tensor, name in pairs)
    return replace(
        graph,
        network=replace(graph.network, tensors=tensors),
        labels=HOSTILE_NAMES[:3],
        image_input=ImageInput(HOSTILE_NAMES[0], HOSTILE_NAMES[1]),
    )


def _other_interface(graph: Graph, source: int, result: int) -> bytes:
    border = Border(graph)
    border.input(source)
    border.output(result)
    return border.data()


def _rewritten_in_images() -> bytes:
    """Operators that the reader turns into others."""
    maker = FileMaker((1, 4, 1, 6))
    maker.operator("SQUEEZE", ["x"], [(1, 4, 6)], squeezeDims=[2])
    maker.operator("SPLIT", [3, "x"], [(1, 4, 1, 3)] * 2, numSplits=2)
    maker.operator("SLICE", ["x", [0, 1, 0, 2], [1, 2, 1, -1]], [(1, 2, 1, 4)])
    return maker.file()


def _rewritten_in_rows() -> bytes:
    maker = FileMaker((1, 5, 4))
    maker.operator("EXPAND_DIMS", ["x", [-2]], [(1, 5, 1, 4)])
    maker.operator("SPLIT_V", ["x", [1, -1], [1]], [(1, 1, 4), (1, 4, 4)], numSplits=2)
    return maker.file()
