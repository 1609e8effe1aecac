"""Graph to .tflite and back, and the file's run in every TFLite runtime at hand."""

from __future__ import annotations

import importlib.util
from dataclasses import replace

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from hypothesis import given, settings

from mcu_nas.graph import Graph, ImageInput
from mcu_nas.tflite.reader import parse_tflite
from mcu_nas.tflite.writer import BUFFER_ALIGNMENT, serialize_tflite
from tests.graphs import GraphMaker, assert_same_graph, graphs


@given(graphs())
@settings(deadline=None)
def test_a_written_graph_is_read_back_equal(graph: Graph) -> None:
    assert_same_graph(parse_tflite(serialize_tflite(graph), "g.tflite"), graph)


def test_what_the_pixels_are_is_read_back() -> None:
    graph = replace(small_classifier(), image_input=ImageInput("RGB", "Bildmitte, größtes Quadrat"))
    found = parse_tflite(serialize_tflite(graph), "m.tflite")
    assert (found.image_input, found.labels) == (graph.image_input, graph.labels)


@given(graphs())
@settings(deadline=None, max_examples=20)
def test_bytes_depend_on_the_graph_alone(graph: Graph) -> None:
    data = serialize_tflite(graph)
    assert serialize_tflite(graph) == data
    assert serialize_tflite(parse_tflite(data, "g.tflite")) == data


@given(graphs())
@settings(deadline=None, max_examples=20)
def test_buffers_are_aligned(graph: Graph) -> None:
    data = serialize_tflite(graph)
    model = schema.Model.GetRootAs(data)
    start = np.frombuffer(data, np.uint8).__array_interface__["data"][0]
    for index in range(1, model.BuffersLength()):
        view = model.Buffers(index).DataAsNumpy()
        assert (view.__array_interface__["data"][0] - start) % BUFFER_ALIGNMENT == 0


def test_constant_that_contradicts_its_tensor_is_not_written() -> None:
    graph = small_classifier()
    weights = graph.network.ops[0].inputs[1]
    broken = Graph(
        graph.network,
        {**graph.constants, weights: graph.constants[weights][:-1]},
        graph.quantization,
    )
    with pytest.raises(ValueError, match=r"constant 'op0.weights' is int8\[7, 3, 3, 2\], its tensor says"):
        serialize_tflite(broken)


def test_tensors_keep_their_names_in_the_signature() -> None:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=serialize_tflite(small_classifier()))
    expected = {"serving_default": {"inputs": ["pixels"], "outputs": ["out3"]}}
    assert interpreter.get_signature_list() == expected


@given(graphs())
@settings(deadline=None, max_examples=40)
def test_every_written_graph_runs_in_litert_and_tflite_micro_alike(graph: Graph) -> None:
    from ai_edge_litert.interpreter import Interpreter

    data = serialize_tflite(graph)
    pixels = _random_input(graph)
    micro = _run_tflite_micro(data, pixels)
    litert = _run_interpreter(Interpreter, data, pixels)
    assert micro.shape == litert.shape == graph.network.shape(graph.network.outputs[0])
    # XNNPACK rounds differently, by one step an operator.
    assert np.abs(micro.astype(int) - litert).max() <= 2 * len(graph.network.ops)


def test_written_graph_runs_in_tflite_runtime() -> None:
    if importlib.util.find_spec("tflite_runtime") is None:
        pytest.skip("tflite_runtime is not installed (it has no wheel for this Python)")
    from tflite_runtime.interpreter import Interpreter

    graph = small_classifier()
    data, pixels = serialize_tflite(graph), _random_input(graph)
    difference = _run_interpreter(Interpreter, data, pixels).astype(int) - _run_tflite_micro(data, pixels)
    assert np.abs(difference).max() <= 2


def small_classifier() -> Graph:
    maker = GraphMaker(7)
    pixels = maker.activation("pixels", (1, 9, 8, 2))
    x = maker.conv(pixels, 8, (3, 3), (2, 2))
    x = maker.depthwise(x, 1, (3, 3))
    x = maker.mean(x)
    return maker.graph((pixels,), (maker.fully_connected(x, 3),), ("cat", "dog", "Schwein, groß"))


def _random_input(graph: Graph) -> np.ndarray:
    shape = graph.network.shape(graph.network.inputs[0])
    return np.random.default_rng(0).integers(-128, 128, shape, dtype=np.int8)


def _run_interpreter(interpreter_class: type, data: bytes, pixels: np.ndarray) -> np.ndarray:
    interpreter = interpreter_class(model_content=data)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], pixels)
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


def _run_tflite_micro(data: bytes, pixels: np.ndarray) -> np.ndarray:
    from tflite_micro.python.tflite_micro import runtime

    interpreter = runtime.Interpreter.from_bytes(data, arena_size=1 << 20)
    interpreter.set_input(pixels, 0)
    interpreter.invoke()
    return interpreter.get_output(0)
