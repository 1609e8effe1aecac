"""Float .tflite files through our own quantizer, without TensorFlow."""

from __future__ import annotations

import contextlib
import re

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from hypothesis import given, settings
from hypothesis import strategies as st

from mcu_nas.datasets.images import real_pixels
from mcu_nas.errors import ModelError, UnsupportedError
from mcu_nas.quantize.execution import execute, pixels_of
from mcu_nas.quantize.float_tflite import parse_float_tflite
from mcu_nas.quantize.quantize import quantize_float_network
from mcu_nas.tflite.litert import litert_outputs
from mcu_nas.tflite.reader import parse_tflite
from mcu_nas.tflite.writer import serialize_tflite
from tests.quantize.float_files import INT32, FloatFile, small_classifier


def images(count: int) -> np.ndarray:
    coarse = np.random.default_rng(2).integers(0, 256, (count, 7, 7, 1), np.uint8)
    return coarse.repeat(4, 1).repeat(4, 2)


def test_float_network_computes_what_litert_does() -> None:
    data = small_classifier()
    network = parse_float_tflite(data, "m.tflite")
    got = execute(network, pixels_of(images(5), 1.0)).numpy()
    np.testing.assert_allclose(got, litert_outputs(data, "m", real_pixels(images(5))), rtol=1e-4, atol=1e-4)


def test_normalisation_and_shape_arithmetic_leave_no_operator() -> None:
    network = parse_float_tflite(small_classifier(), "m.tflite")
    names = [op.tflite_name for op in network.network.ops]
    assert names == ["CONV_2D", "MAX_POOL_2D", "RESHAPE", "FULLY_CONNECTED"]


def test_int8_file_computes_nearly_what_the_float_file_does() -> None:
    data = small_classifier()
    graph = quantize_float_network(parse_float_tflite(data, "m.tflite"), images(64))
    int8 = serialize_tflite(graph)
    parse_tflite(int8, "int8.tflite")
    expected = litert_outputs(data, "m", real_pixels(images(64)))
    found = litert_outputs(int8, "int8", real_pixels(images(64)))
    assert (found.argmax(1) == expected.argmax(1)).mean() > 0.9
    assert np.abs(found - expected).mean() < 0.05 * expected.std()


def one_op(name: str, shape: tuple[int, ...], output: tuple[int, ...], *constants: np.ndarray) -> bytes:
    file = FloatFile()
    source = file.activation(*shape)
    options = getattr(schema, {"ADD": "AddOptionsT", "MEAN": "ReducerOptionsT"}.get(name, "AbsOptionsT"))()
    inputs = [source, *(file.constant(values) for values in constants)]
    return file.serialize(source, file.op(name, inputs, file.activation(*output), options))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"nothing", "not a .tflite file"),
        (one_op("ABS", (1, 4, 4, 1), (1, 4, 4, 1)), "m.tflite: op 0 ABS (output 'tensor1') is not supported"),
        (one_op("MEAN", (1, 8), (1, 8), np.int32([1])), "its input is no image"),
        (
            one_op("ADD", (1, 4, 4, 2), (1, 4, 4, 2), np.ones((1, 4, 4, 2), np.float32)),
            "its constant has 32 values, not one a channel",
        ),
        (
            one_op("MEAN", (1, 4, 4, 2), (1, 3), np.int32([1, 2])),
            "tensor 'tensor2' should be [1, 2], is [1, 3]",
        ),
    ],
)
def test_what_cannot_be_quantized_is_one_line(data: bytes, message: str) -> None:
    with pytest.raises(ModelError, match=re.escape(message)):
        parse_float_tflite(data, "m.tflite")


def test_integer_input_is_refused() -> None:
    file = FloatFile()
    source = file.activation(1, 4, 4, 1, dtype=INT32)
    data = file.serialize(source, file.op("ABS", [source], file.activation(1, 4, 4, 1)))
    with pytest.raises(UnsupportedError, match="its input is int32; float32 can be quantized"):
        parse_float_tflite(data, "m.tflite")


@given(st.lists(st.tuples(st.integers(8, 4000), st.integers(0, 255)), min_size=1, max_size=4))
@settings(max_examples=60)
def test_flipped_bytes_give_a_network_or_one_line(flips: list[tuple[int, int]]) -> None:
    data = bytearray(small_classifier())
    for position, value in flips:
        data[position % len(data)] = value
    data[4:8] = b"TFL3"
    with contextlib.suppress(ModelError):
        network = parse_float_tflite(bytes(data), "m.tflite")
        assert network.network.shape(network.network.outputs[0])[0] == 1
