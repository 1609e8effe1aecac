"""Files that are no model, or no model of ours: the exact line for each, and never anything but that line."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from hypothesis import given, settings
from hypothesis import strategies as st

from mcu_nas.errors import McuNasError, ModelError, UnsupportedError
from mcu_nas.graph import Quantization, mean_axes
from mcu_nas.operators import Mean
from mcu_nas.tflite.reader import parse_tflite, read_tflite
from mcu_nas.tflite.writer import serialize_tflite
from tests.graphs import GraphMaker, graphs

# Operators: 0 CONV_2D, 1 DEPTHWISE_CONV_2D, 2 ADD, 3 AVERAGE_POOL_2D, 4 MEAN, 5 FULLY_CONNECTED
CONV, DEPTHWISE, ADD, POOL, MEAN, DENSE = range(6)


def classifier_bytes() -> bytes:
    maker = GraphMaker(7)
    pixels = maker.activation("pixels", (1, 8, 8, 2))
    x = maker.conv(pixels, 4, (3, 3), (2, 2))
    y = maker.depthwise(x, 1, (3, 3))
    x = maker.pool(maker.add(x, y), (2, 2), (2, 2))
    x = maker.fully_connected(maker.mean(x), 3)
    return serialize_tflite(maker.graph((pixels,), (x,), ("a", "b", "c")))


def broken(change: Callable[[schema.ModelT], None]) -> bytes:
    """The classifier's file after a change of its tables."""
    model = schema.ModelT.InitFromPackedBuf(classifier_bytes())
    change(model)
    builder = flatbuffers.Builder()
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def message(data: bytes) -> str:
    with pytest.raises(ModelError) as caught:
        parse_tflite(data, "m.tflite")
    assert "\n" not in str(caught.value)
    return str(caught.value)


def change_operator(index: int, **fields: Any) -> Callable[[schema.ModelT], None]:
    def change(model: schema.ModelT) -> None:
        for field, value in fields.items():
            setattr(model.subgraphs[0].operators[index], field, value)

    return change


def change_options(index: int, **fields: Any) -> Callable[[schema.ModelT], None]:
    def change(model: schema.ModelT) -> None:
        for field, value in fields.items():
            setattr(model.subgraphs[0].operators[index].builtinOptions, field, value)

    return change


def change_tensor(operator: int, position: int, **fields: Any) -> Callable[[schema.ModelT], None]:
    """Change an input of an operator, or with position -1 its output."""

    def change(model: schema.ModelT) -> None:
        tensor = _tensor(model, operator, position)
        for field, value in fields.items():
            setattr(tensor, field, np.array(value, np.int32) if isinstance(value, list) else value)

    return change


def change_quantization(operator: int, position: int, **fields: list) -> Callable[[schema.ModelT], None]:
    types = {"scale": np.float32, "zeroPoint": np.int64}

    def change(model: schema.ModelT) -> None:
        quantization = _tensor(model, operator, position).quantization
        for field, value in fields.items():
            setattr(quantization, field, np.array(value, types[field]))

    return change


def change_data(operator: int, position: int, data: np.ndarray | None) -> Callable[[schema.ModelT], None]:
    def change(model: schema.ModelT) -> None:
        buffer = model.buffers[_tensor(model, operator, position).buffer]
        buffer.data = None if data is None else data.view(np.uint8)

    return change


def change_code(index: int, code: int) -> Callable[[schema.ModelT], None]:
    def change(model: schema.ModelT) -> None:
        operator = model.operatorCodes[model.subgraphs[0].operators[index].opcodeIndex]
        operator.builtinCode, operator.deprecatedBuiltinCode = code, min(code, 127)

    return change


def _tensor(model: schema.ModelT, operator: int, position: int) -> schema.TensorT:
    graph = model.subgraphs[0]
    entry = graph.operators[operator]
    return graph.tensors[entry.outputs[0] if position == -1 else entry.inputs[position]]


def two_subgraphs(model: schema.ModelT) -> None:
    model.subgraphs.append(model.subgraphs[0])


def no_operators(model: schema.ModelT) -> None:
    model.subgraphs[0].operators = []


def reversed_operators(model: schema.ModelT) -> None:
    model.subgraphs[0].operators.reverse()


def output_nobody_writes(model: schema.ModelT) -> None:
    model.subgraphs[0].operators.pop()


def duplicate_operator(model: schema.ModelT) -> None:
    model.subgraphs[0].operators.append(model.subgraphs[0].operators[DENSE])


def newer_version(model: schema.ModelT) -> None:
    model.version = 4


def two_labels(model: schema.ModelT) -> None:
    model.buffers[model.metadata[0].buffer].data = b'["a", "b"]'


def unreadable_labels(model: schema.ModelT) -> None:
    model.buffers[model.metadata[0].buffer].data = b"{"


def image_input_that_is(content: bytes) -> Callable[[schema.ModelT], None]:
    def change(model: schema.ModelT) -> None:
        model.metadata[0].name = "mcu_nas.image_input"
        model.buffers[model.metadata[0].buffer].data = content

    return change


def missing_code(model: schema.ModelT) -> None:
    model.subgraphs[0].operators[ADD].opcodeIndex = 77


def missing_input(model: schema.ModelT) -> None:
    model.subgraphs[0].inputs = np.array([999], np.int32)


CONV_PLACE = "m.tflite: op 0 CONV_2D (output 'out0'): "
DEPTHWISE_PLACE = "m.tflite: op 1 DEPTHWISE_CONV_2D (output 'out1'): "
ADD_PLACE = "m.tflite: op 2 ADD (output 'add2'): "
POOL_PLACE = "m.tflite: op 3 AVERAGE_POOL_2D (output 'pool3'): "
MEAN_PLACE = "m.tflite: op 4 MEAN (output 'mean4'): "
DENSE_PLACE = "m.tflite: op 5 FULLY_CONNECTED (output 'out5'): "

UNSUPPORTED = {
    "operator": (
        change_code(DENSE, schema.BuiltinOperator.TOPK_V2),
        "m.tflite: op 5 TOPK_V2 (output 'out5') is not supported: "
        "`mcu-nas compile --ops` lists those that are",
    ),
    "float model": (
        change_tensor(CONV, 0, type=schema.TensorType.FLOAT32),
        "m.tflite: input 'pixels' is float32: the model is not fully quantized, "
        "convert it with int8 input and output",
    ),
    "float weights": (
        change_tensor(CONV, 1, type=schema.TensorType.FLOAT32),
        "m.tflite: op 0 CONV_2D, tensor 'op0.weights' is float32: "
        "only int8 models with int32 biases are supported",
    ),
    "int16 activation": (
        change_tensor(ADD, -1, type=schema.TensorType.INT16),
        "m.tflite: op 2 ADD, tensor 'add2' is int16: only int8 models with int32 biases are supported",
    ),
    "type from the future": (
        change_tensor(ADD, -1, type=99),
        "m.tflite: op 2 ADD, tensor 'add2' is of type number 99: "
        "only int8 models with int32 biases are supported",
    ),
    "several subgraphs": (
        two_subgraphs,
        "m.tflite: 2 subgraphs, only models with one are supported",
    ),
    "newer schema": (newer_version, "m.tflite: schema version 4, only 3 is supported"),
    "batch of two": (
        change_tensor(ADD, -1, shape=[2, 4, 4, 4]),
        "m.tflite: op 2 ADD, tensor 'add2' has a batch of 2: only 1 is supported",
    ),
    "dynamic shape": (
        change_tensor(ADD, -1, shapeSignature=[1, -1, -1, 4]),
        "m.tflite: op 2 ADD, tensor 'add2' has a dynamic shape 1×-1×-1×4",
    ),
    "fused tanh": (
        change_options(CONV, fusedActivationFunction=schema.ActivationFunctionType.TANH),
        CONV_PLACE + "has fused activation TANH: not supported",
    ),
    "weights left out": (
        change_operator(CONV, inputs=[0, -1, 2]),
        CONV_PLACE + "leaves out an optional tensor: not supported",
    ),
    "grouped convolution": (
        change_tensor(CONV, 0, shape=[1, 8, 8, 4]),
        CONV_PLACE + "its weights take 2 channels of 4, groups: not supported",
    ),
    "weights that are computed": (
        change_data(DENSE, 1, None),
        "m.tflite: op 5 FULLY_CONNECTED, tensor 'op5.weights' has a batch of 3: only 1 is supported",
    ),
    "mean over channels": (
        change_data(MEAN, 1, np.array([1, 3], np.int32)),
        MEAN_PLACE + "averages over axes [1, 3], which are no neighbours: not supported",
    ),
    "sparse weights": (
        change_tensor(CONV, 1, sparsity=schema.SparsityParametersT()),
        "m.tflite: op 0 CONV_2D, tensor 'op0.weights' is sparse: not supported",
    ),
}

INCONSISTENT = {
    "operands": (
        change_operator(ADD, inputs=[0, 6]),
        ADD_PLACE + "its operands 1×8×8×2 and 1×4×4×4 cannot be broadcast",
    ),
    "no operators": (no_operators, "m.tflite: the model has no operators, no input or no output"),
    "missing operator code": (missing_code, "m.tflite: damaged: operator code 77 does not exist"),
    "missing input": (missing_input, "m.tflite: input tensor 999 does not exist"),
    "missing tensor": (
        change_operator(ADD, inputs=[3, 500]),
        ADD_PLACE + "tensor 500 does not exist",
    ),
    "missing buffer": (
        change_tensor(CONV, 1, buffer=99),
        "m.tflite: damaged: buffer 99 does not exist",
    ),
    "wrong order": (
        reversed_operators,
        "m.tflite: op 0 FULLY_CONNECTED (output 'out5'): reads 'mean4' before any operator wrote it",
    ),
    "cycle": (
        change_operator(ADD, inputs=[3, 7]),
        ADD_PLACE + "reads 'add2' before any operator wrote it",
    ),
    "tensor written twice": (
        duplicate_operator,
        "m.tflite: op 6 FULLY_CONNECTED (output 'out5'): writes 'out5', which already has a value",
    ),
    "output nobody writes": (output_nobody_writes, "m.tflite: no operator writes output 'out5'"),
    "missing attributes": (
        change_operator(CONV, builtinOptions=None, builtinOptionsType=0),
        CONV_PLACE + "its attributes are missing or belong to another operator",
    ),
    "stride of zero": (change_options(CONV, strideW=0), CONV_PLACE + "has a stride of 2×0"),
    "huge dilation": (
        change_options(CONV, dilationHFactor=2**31 - 1),
        CONV_PLACE + "has a dilation of 2147483647×1",
    ),
    "negative size": (
        change_tensor(ADD, -1, shape=[1, -4, 4, 4]),
        "m.tflite: op 2 ADD, tensor 'add2' has a dynamic shape 1×-4×4×4",
    ),
    "size of zero": (
        change_tensor(ADD, -1, shape=[1, 0, 4, 4]),
        "m.tflite: op 2 ADD, tensor 'add2' is empty: shape 1×0×4×4",
    ),
    "huge tensor": (
        change_tensor(ADD, -1, shape=[1, 2**31 - 1, 2**31 - 1, 2]),
        "m.tflite: op 2 ADD, tensor 'add2' would take 9,223,372,028,264,841,218 bytes: "
        "shape 1×2147483647×2147483647×2",
    ),
    "short weights": (
        change_data(CONV, 1, np.zeros(71, np.int8)),
        "m.tflite: op 0 CONV_2D, tensor 'op0.weights' has 71 bytes of data, its shape 4×3×3×2 needs 72",
    ),
    "unquantized activation": (
        change_tensor(ADD, -1, quantization=None),
        ADD_PLACE + "tensor 'add2' has no quantization",
    ),
    "weights with a zero point": (
        change_quantization(CONV, 1, zeroPoint=[0, 0, 3, 0]),
        CONV_PLACE + "its weights have a zero point other than 0",
    ),
    "too few scales": (
        change_quantization(CONV, 1, scale=[0.1, 0.1, 0.1], zeroPoint=[0, 0, 0]),
        CONV_PLACE + "its weights have 3 scales for 4 channels",
    ),
    "scales without zero points": (
        change_quantization(CONV, 1, zeroPoint=[0, 0]),
        "m.tflite: op 0 CONV_2D, tensor 'op0.weights' has 4 scales but 2 zero points",
    ),
    "scale of zero": (
        change_quantization(ADD, -1, scale=[0.0]),
        "m.tflite: op 2 ADD, tensor 'add2' has a scale that is not a positive number",
    ),
    "scale that is no number": (
        change_quantization(ADD, -1, scale=[float("nan")]),
        "m.tflite: op 2 ADD, tensor 'add2' has a scale that is not a positive number",
    ),
    "per-channel activation": (
        change_quantization(ADD, -1, scale=[0.1, 0.1], zeroPoint=[0, 0]),
        ADD_PLACE + "activation 'add2' has 2 scales, not 1",
    ),
    "zero point beyond int8": (
        change_quantization(ADD, -1, zeroPoint=[128]),
        ADD_PLACE + "'add2' has zero point 128, beyond int8",
    ),
    "bias scale": (
        change_quantization(DENSE, 2, scale=[0.5], zeroPoint=[0]),
        DENSE_PLACE + "bias scale of channel 0 is 0.5, input scale times weight scale is ",
    ),
    "output shape": (
        change_tensor(DEPTHWISE, -1, shape=[1, 4, 5, 4]),
        DEPTHWISE_PLACE + "its output is 1×4×5×4, should be 1×4×4×4",
    ),
    "window larger than the image": (
        change_options(POOL, filterHeight=7),
        POOL_PLACE + "its 7×2 window exceeds the 4×4 input",
    ),
    "pool that rescales": (
        change_quantization(POOL, -1, scale=[0.7]),
        POOL_PLACE + "its input and output differ in scale or zero point",
    ),
    "labels for other classes": (two_labels, "m.tflite: 2 labels for 3 classes"),
    "labels that are no JSON": (
        unreadable_labels,
        "m.tflite: metadata 'mcu_nas.labels' is not a JSON list of class names",
    ),
    **{
        f"image input that is {content[:20]!r}": (
            image_input_that_is(content),
            "m.tflite: metadata 'mcu_nas.image_input' is not a JSON object with short texts for channel_order"
            " and preparation",
        )
        for content in (
            b"{",
            b"[]",
            b'{"channel_order": "RGB"}',
            b'{"channel_order": "RGB", "preparation": 1}',
            b'{"channel_order": "RGB", "preparation": "%s"}' % (b"x" * 1001),
        )
    },
}


@pytest.mark.parametrize(("change", "expected"), UNSUPPORTED.values(), ids=UNSUPPORTED.keys())
def test_sound_but_unsupported_model_is_named_so(change: Callable, expected: str) -> None:
    data = broken(change)
    assert message(data) == expected
    with pytest.raises(UnsupportedError):
        parse_tflite(data, "m.tflite")


@pytest.mark.parametrize(("change", "expected"), INCONSISTENT.values(), ids=INCONSISTENT.keys())
def test_inconsistent_model_says_what_and_where(change: Callable, expected: str) -> None:
    assert message(broken(change)).startswith(expected)


def test_weights_quantized_along_the_wrong_axis_are_refused() -> None:
    def change(model: schema.ModelT) -> None:
        _tensor(model, DEPTHWISE, 1).quantization.quantizedDimension = 0

    assert message(broken(change)) == (
        "m.tflite: op 1 DEPTHWISE_CONV_2D, tensor 'op1.weights' is quantized along axis 0, "
        "its channels lie along axis 3"
    )


def test_axes_counted_from_the_back_mean_the_same() -> None:
    graph = parse_tflite(broken(change_data(MEAN, 1, np.array([-3, -2], np.int32))), "m.tflite")
    (mean,) = (op for op in graph.network.ops if isinstance(op, Mean))
    assert mean_axes(graph, mean) == (1, 2)


def test_batch_left_open_by_the_converter_is_one() -> None:
    graph = parse_tflite(broken(change_tensor(CONV, 0, shapeSignature=[-1, 8, 8, 2])), "m.tflite")
    assert graph.network.shape(graph.network.inputs[0]) == (1, 8, 8, 2)


def test_tensor_that_nobody_uses_is_dropped() -> None:
    def change(model: schema.ModelT) -> None:
        model.subgraphs[0].tensors.append(schema.TensorT(name="idle", type=99, shape=np.array([0])))

    assert len(parse_tflite(broken(change), "m.tflite").network.tensors) == len(
        parse_tflite(classifier_bytes(), "m.tflite").network.tensors
    )


@pytest.mark.parametrize("data", [b"", b"TFL3", b"\x89PNG\r\n\x1a\n" * 9, b"[project]\n"])
def test_other_files_are_no_tflite(data: bytes) -> None:
    assert message(data) == "m.tflite: not a .tflite file: bytes 4 to 7 are not 'TFL3'"


def test_path_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"gone.tflite: cannot be read: no such file or directory"):
        read_tflite(tmp_path / "gone.tflite")
    with pytest.raises(ModelError, match=r"cannot be read: is a directory"):
        read_tflite(tmp_path)


def flattened_bytes(output: tuple[int, ...], stated: list[int] | None) -> bytes:
    """A 1×2×3×4 input reshaped to ``output``, with a constant that says ``stated``."""
    maker = GraphMaker(0)
    x = maker.activation("pixels", (1, 2, 3, 4))
    out = maker.reshape(x, output, stated is not None)
    if stated is not None:
        constant = maker.ops[0].inputs[1]
        maker.constants[constant] = np.array(stated, np.int32)
        maker.tensors[constant] = dataclasses.replace(maker.tensors[constant], shape=(len(stated),))
    return serialize_tflite(maker.graph((x,), (out,)))


def test_reshape_that_loses_values_is_refused() -> None:
    assert message(flattened_bytes((1, 23), None)).endswith("reshapes 1×2×3×4 to 1×23")


def test_softmax_of_another_scale_is_refused() -> None:
    maker = GraphMaker(0)
    x = maker.activation("logits", (1, 5))
    out = maker.softmax(x)
    maker.quantization[out] = Quantization((1 / 255,), (-128,))
    assert "another scale than 1/256" in message(serialize_tflite(maker.graph((x,), (out,))))


@pytest.mark.parametrize("stated", [[1, 12], [-1, 23], [24], [1, 1, 24], []])
def test_reshape_whose_constant_contradicts_its_output_is_refused(stated: list[int]) -> None:
    with pytest.raises(McuNasError, match=r"op 0 RESHAPE \(output 'reshape0'\)|empty"):
        parse_tflite(flattened_bytes((1, 24), stated), "m.tflite")


@pytest.mark.parametrize("missing", [16, 100, 1000, 2000])
def test_truncated_model_gives_one_line(missing: int) -> None:
    damaged = "m.tflite: truncated or damaged: an offset inside the file leads nowhere"
    assert message(classifier_bytes()[:-missing]) == damaged


@given(st.integers(0, 10_000))
@settings(deadline=None, max_examples=200)
def test_model_truncated_anywhere_gives_one_line(length: int) -> None:
    whole = classifier_bytes()
    content = len(whole.rstrip(b"\0"))  # without the padding at its end it is as good as before
    fault = fault_of(whole[: length % content])
    assert fault.startswith("m.tflite: ")
    assert "\n" not in fault


def test_small_file_that_describes_a_huge_model_is_refused_early() -> None:
    """Eight thousand tensors that are one table with 100,000 scales: 25 GB if it were unpacked."""
    builder = flatbuffers.Builder()
    scale = builder.CreateNumpyVector(np.ones(100_000, np.float32))
    schema.QuantizationParametersStart(builder)
    schema.QuantizationParametersAddScale(builder, scale)
    quantization = schema.QuantizationParametersEnd(builder)
    schema.TensorStart(builder)
    schema.TensorAddQuantization(builder, quantization)
    tensor = schema.TensorEnd(builder)
    buffer = schema.BufferT().Pack(builder)
    tensors = _vector(builder, [tensor] * 8_000)
    schema.SubGraphStart(builder)
    schema.SubGraphAddTensors(builder, tensors)
    subgraphs = _vector(builder, [schema.SubGraphEnd(builder)])
    buffers = _vector(builder, [buffer])
    schema.ModelStart(builder)
    schema.ModelAddVersion(builder, 3)
    schema.ModelAddSubgraphs(builder, subgraphs)
    schema.ModelAddBuffers(builder, buffers)
    builder.Finish(schema.ModelEnd(builder), file_identifier=b"TFL3")
    expected = "m.tflite: damaged: its tables overlap each other many times over"
    assert message(bytes(builder.Output())) == expected


def _vector(builder: flatbuffers.Builder, offsets: list[int]) -> int:
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    return builder.EndVector()


@given(graphs(), st.data())
@settings(deadline=None, max_examples=300)
def test_damaged_model_gives_a_graph_or_one_line(graph: Any, data: st.DataObject) -> None:
    damaged = bytearray(serialize_tflite(graph))
    for _ in range(data.draw(st.integers(1, 4))):
        position = data.draw(st.integers(8, len(damaged) - 1))
        damaged[position] = data.draw(st.integers(0, 255))
    fault = fault_of(bytes(damaged))
    assert "\n" not in fault
    assert not fault or fault.startswith("m.tflite: ")


def fault_of(data: bytes) -> str:
    try:
        parse_tflite(data, "m.tflite")
    except ModelError as error:
        return str(error)
    return ""
