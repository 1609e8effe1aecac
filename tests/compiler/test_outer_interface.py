"""Models with a uint8 or float32 interface, or with several inputs and outputs, equal tflite-micro, which
runs the file as it is; the outer types are converted before the comparison, and by the harness.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from hypothesis import given, settings
from hypothesis import strategies as st

from mcu_nas.boards import load_board
from mcu_nas.compiler.emit import emit_sources, write_sources
from mcu_nas.compiler.program import Encoding, Program, compile_graph
from mcu_nas.devices.build import build_firmware
from mcu_nas.devices.emulator import emulate
from mcu_nas.devices.host import HostModel
from mcu_nas.devices.measurement import input_bytes, split_outputs
from mcu_nas.devices.serial_link import DeviceLink
from mcu_nas.errors import ModelError, UnsupportedError
from mcu_nas.graph import Graph, Quantization
from mcu_nas.tflite import reference
from mcu_nas.tflite.reader import parse_tflite
from mcu_nas.tflite.schema import FILE_IDENTIFIER
from mcu_nas.tflite.writer import serialize_tflite
from tests.graphs import GraphMaker
from tests.reference import assert_same_outputs, reference_outputs, sample_inputs

UINT8, FLOAT32 = schema.TensorType.UINT8, schema.TensorType.FLOAT32
QUANTIZE, DEQUANTIZE = schema.BuiltinOperator.QUANTIZE, schema.BuiltinOperator.DEQUANTIZE


def inner() -> Graph:
    """An int8 model of three layers; its outputs depend on all inputs."""
    maker = GraphMaker(4)
    image = maker.activation("image", (1, 6, 5, 3))
    x = maker.conv(image, 8, (3, 3), (2, 2))
    return maker.graph((image,), (maker.fully_connected(maker.depthwise(x, 1, (3, 3)), 7),))


class Border:
    """The file of a graph with other outer types: operators and tensors are added at its ends."""

    def __init__(self, graph: Graph) -> None:
        self.model = schema.ModelT.InitFromPackedBuf(serialize_tflite(graph), 0)
        self.subgraph = self.model.subgraphs[0]

    def input(self, dtype: int, scale: float | None = None, zero_point: int | None = None) -> None:
        """Puts a QUANTIZE from a new input before the first input; by default of the same real values."""
        inside = self.subgraph.inputs[0]
        outside = self._tensor(b"outer input", inside, dtype, scale, zero_point)
        self.subgraph.operators.insert(0, self._operator(QUANTIZE, outside, inside))
        self.subgraph.inputs = [outside, *self.subgraph.inputs[1:]]

    def output(self, dtype: int, scale: float | None = None, zero_point: int | None = None) -> None:
        """Puts a QUANTIZE or DEQUANTIZE to a new output after the first output."""
        inside = self.subgraph.outputs[0]
        outside = self._tensor(b"outer output", inside, dtype, scale, zero_point)
        code = QUANTIZE if dtype == UINT8 else DEQUANTIZE
        self.subgraph.operators.append(self._operator(code, inside, outside))
        self.subgraph.outputs = [outside, *self.subgraph.outputs[1:]]

    def data(self) -> bytes:
        builder = flatbuffers.Builder(4096)
        builder.Finish(self.model.Pack(builder), file_identifier=FILE_IDENTIFIER)
        return bytes(builder.Output())

    def _tensor(self, name: bytes, like: int, dtype: int, scale: float | None, zero_point: int | None) -> int:
        source = self.subgraph.tensors[like]
        old = source.quantization
        quantization = schema.QuantizationParametersT(
            scale=np.array([old.scale[0] if scale is None else scale], np.float32),
            zeroPoint=np.array([old.zeroPoint[0] + 128 if zero_point is None else zero_point], np.int64),
        )
        self.subgraph.tensors.append(
            schema.TensorT(
                name=name,
                shape=source.shape,
                type=dtype,
                buffer=0,
                quantization=quantization if dtype == UINT8 else None,
                hasRank=True,
            )
        )
        return len(self.subgraph.tensors) - 1

    def _operator(self, code: int, source: int, result: int) -> schema.OperatorT:
        codes = self.model.operatorCodes
        codes.append(schema.OperatorCodeT(deprecatedBuiltinCode=code, builtinCode=code, version=2))
        tag = {
            QUANTIZE: schema.BuiltinOptions.QuantizeOptions,
            DEQUANTIZE: schema.BuiltinOptions.DequantizeOptions,
        }[code]
        options = schema.QuantizeOptionsT() if code == QUANTIZE else schema.DequantizeOptionsT()
        return schema.OperatorT(
            opcodeIndex=len(codes) - 1,
            inputs=[source],
            outputs=[result],
            builtinOptionsType=tag,
            builtinOptions=options,
        )


def bordered(*changes: Callable[[Border], None]) -> bytes:
    border = Border(inner())
    for change in changes:
        change(border)
    return border.data()


def compiled(data: bytes) -> Program:
    return compile_graph(parse_tflite(data, "m.tflite"), "model", "0" * 16)


def names(program: Program) -> list[str]:
    return [call.op.tflite_name for call in program.calls]


LAYERS = ["CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"]
RESCALED = {"scale": 0.0123, "zero_point": 77}


@pytest.mark.parametrize("rescaled_input", [False, True])
@pytest.mark.parametrize("rescaled_output", [False, True])
def test_uint8_model_equals_the_reference_with_the_same_bytes(rescaled_input, rescaled_output):
    data = bordered(
        lambda border: border.input(UINT8, **(RESCALED if rescaled_input else {})),
        lambda border: border.output(UINT8, **(RESCALED if rescaled_output else {})),
    )
    program = compiled(data)
    assert names(program) == ["QUANTIZE"] * rescaled_input + LAYERS + ["QUANTIZE"] * rescaled_output
    assert program.input_encodings == program.output_encodings == (Encoding.PIXEL_U8,)
    (as_int8,) = sample_inputs(program.graph, 20, seed=1)
    (expected,) = reference.reference_outputs(data, as_int8.view(np.uint8) ^ 0x80)
    assert expected.dtype == np.uint8
    got = HostModel(program, sanitize=True).run(as_int8)
    assert_same_outputs(got.view(np.uint8) ^ 0x80, expected, as_int8)


def test_uint8_interface_is_said_in_the_header():
    header = emit_sources(compiled(bordered(lambda border: border.output(UINT8))))["model.h"]
    assert "#define MODEL_INPUT0_ENCODING MCU_INT8\n" in header
    assert "#define MODEL_OUTPUT0_TYPE int8_t\n#define MODEL_OUTPUT0_ENCODING MCU_UINT8\n" in header


def test_float32_model_equals_the_reference_and_its_scales_stand_in_the_header():
    data = bordered(lambda border: border.input(FLOAT32), lambda border: border.output(FLOAT32))
    program = compiled(data)
    assert names(program) == LAYERS
    source, result = (
        program.graph.quantization[tensor]
        for tensor in (*program.graph.network.inputs, *program.graph.network.outputs)
    )
    (as_int8,) = sample_inputs(program.graph, 20, seed=1)
    reals = ((as_int8.astype(np.int32) - source.zero_point) * source.scale).astype(np.float32)
    (expected,) = reference.reference_outputs(data, reals)
    assert expected.dtype == np.float32
    steps = np.rint(expected / np.float32(result.scale)).astype(np.int32) + result.zero_point
    got = HostModel(program, sanitize=True).run(as_int8)
    assert_same_outputs(got, steps.astype(np.int8), as_int8)
    assert f"#define MODEL_OUTPUT0_ZERO_POINT ({result.zero_point})\n" in emit_sources(program)["model.h"]


def between(border: Border) -> None:
    """DEQUANTIZE and QUANTIZE between the first and the second layer."""
    first, second = border.subgraph.operators[:2]
    middle = first.outputs[0]
    real = border._tensor(b"real", middle, FLOAT32, None, None)
    again = border._tensor(b"again", middle, UINT8, None, None)
    border.subgraph.tensors[again].type = schema.TensorType.INT8
    second.inputs = [again, *second.inputs[1:]]
    conversions = [border._operator(DEQUANTIZE, middle, real), border._operator(QUANTIZE, real, again)]
    border.subgraph.operators[1:1] = conversions


def uint8_throughout(border: Border) -> None:
    for tensor in border.subgraph.tensors:
        if tensor.type == schema.TensorType.INT8:
            tensor.type = UINT8


def float_input_read_twice(border: Border) -> None:
    border.input(FLOAT32)
    twin = border._tensor(b"twin", border.subgraph.operators[0].outputs[0], UINT8, 0.1, 3)
    border.subgraph.tensors[twin].type = schema.TensorType.INT8
    border.subgraph.operators.insert(0, border._operator(QUANTIZE, border.subgraph.inputs[0], twin))


def nothing_but_conversions(border: Border) -> None:
    border.input(FLOAT32)
    del border.subgraph.operators[1:]
    border.subgraph.outputs = [border.subgraph.operators[0].outputs[0]]


DAMAGED = bordered(lambda border: border.input(UINT8), lambda border: border.output(FLOAT32))
NOT_QUANTIZED = (
    "m.tflite: input 'outer input' is float32: the model is not fully quantized, "
    "convert it with int8 input and output"
)
REFUSED = {
    "float inside": (
        between,
        "m.tflite: op 1 DEQUANTIZE (output 'real'): gives float32 inside the model: not supported",
    ),
    "uint8 throughout": (
        uint8_throughout,
        "m.tflite: input 'image' is uint8 and no QUANTIZE at the border: models of uint8 throughout "
        "(TensorFlow 1) are not supported, convert it with int8",
    ),
    "float input read twice": (float_input_read_twice, NOT_QUANTIZED),
    "nothing but conversions": (nothing_but_conversions, NOT_QUANTIZED),
}


@pytest.mark.parametrize("case", REFUSED)
def test_other_types_than_at_the_border_are_refused(case):
    change, message = REFUSED[case]
    with pytest.raises((ModelError, UnsupportedError)) as caught:
        parse_tflite(bordered(change), "m.tflite")
    assert str(caught.value) == message


def test_messages_count_operators_as_the_file_does():
    border = Border(inner())
    border.input(FLOAT32)
    border.subgraph.operators[1].builtinOptions.padding = 7
    with pytest.raises(ModelError) as caught:
        parse_tflite(border.data(), "m.tflite")
    assert str(caught.value) == "m.tflite: op 1 CONV_2D (output 'out0'): has padding number 7"


@given(places=st.lists(st.tuples(st.integers(0, 2**31), st.integers(0, 255)), min_size=1, max_size=4))
@settings(max_examples=300, deadline=None)
def test_damaged_borders_give_a_model_or_one_line(places):
    data = bytearray(DAMAGED)
    for place, value in places:
        data[place % len(data)] = value
    fault = fault_of(bytes(data))
    assert fault == "" or fault.startswith("m.tflite: ")
    assert "\n" not in fault


def fault_of(data: bytes) -> str:
    """What the reader says of a file; empty where it takes it."""
    try:
        parse_tflite(data, "m.tflite")
    except (ModelError, UnsupportedError) as error:
        return str(error)
    return ""


def two_by_two() -> Graph:
    """Two inputs, the first of pixels; two outputs, of which the first is an inner tensor, too."""
    maker = GraphMaker(9)
    image = maker.activation("image", (1, 6, 5, 3))
    maker.quantization[image] = Quantization((float(np.float32(1 / 255)),), (-128,))
    row = maker.activation("row", (1, 5))
    x = maker.conv(image, 8, (3, 3), (2, 2))
    features = maker.fully_connected(x, 7)
    both = maker.add(features, maker.fully_connected(row, 7))
    return maker.graph((image, row), (features, both))


def test_two_inputs_and_two_outputs_equal_the_reference():
    graph = parse_tflite(serialize_tflite(two_by_two()), "m.tflite")
    inputs = sample_inputs(graph, 20, seed=3)
    got = HostModel(compile_graph(graph, "model", "0" * 16), sanitize=True).run(*inputs)
    assert got.shape == (23, 14)
    assert_same_outputs(got, reference_outputs(graph, *inputs), *inputs)


def test_the_emulated_device_takes_two_inputs_and_gives_two_outputs(tmp_path: Path):
    """One input is sent as pixels, the other as int8; one output is uint8 outside."""
    graph = dataclasses.replace(two_by_two(), uint8_outputs=frozenset({1}))
    program = compile_graph(graph, "model", "0" * 16)
    write_sources(program, tmp_path / "c")
    board = load_board("qemu-cortex-m7")
    image = build_firmware(tmp_path / "c", program.name, board, tmp_path)
    inputs = sample_inputs(graph, 2, seed=3)
    outputs = []
    with emulate(board, image.elf) as port, DeviceLink(port, board.serial.baud) as link:
        info = link.hello()
        assert info.input_encodings == ("pixel_u8", "int8")
        for pixels, row in zip(inputs[0].view(np.uint8) ^ 0x80, inputs[1], strict=True):
            link.load(input_bytes(info, pixels, row))
            link.infer(1, 0)
            features, both = split_outputs(program, link.outputs())
            assert (features.dtype, both.dtype) == (np.int8, np.uint8)
            outputs.append(np.concatenate([features, both.view(np.int8) ^ np.int8(-128)]))
    assert_same_outputs(np.stack(outputs), reference_outputs(graph, *inputs), *inputs)
