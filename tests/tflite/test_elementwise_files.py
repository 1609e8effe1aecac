"""Operators that work element by element in .tflite files: written, read back, run elsewhere, refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from mcu_nas.errors import ModelError, UnsupportedError
from mcu_nas.graph import Graph, Quantization
from mcu_nas.operators import Activation, Add, HardSwish, LeakyRelu, Logistic, Mul, Quantize, Relu, Sub, Tanh
from mcu_nas.tflite.attributes import operator_version
from mcu_nas.tflite.reader import parse_tflite
from mcu_nas.tflite.writer import serialize_tflite
from tests.elementwise import BINARY, FIXED_OUTPUT, UNARY, binary, constant, quantized, unary
from tests.graphs import GraphMaker, assert_same_graph
from tests.reference import reference_outputs


def of_one(kind, alpha: float = 0.1) -> Graph:
    maker = GraphMaker(0)
    x = maker.activation("x", (1, 4, 5, 3))
    return maker.graph((x,), (unary(maker, kind, x, alpha=alpha),))


def of_two(kind, shapes=((1, 4, 5, 3), (3,)), constant_side=1, activation=Activation.NONE) -> Graph:
    maker = GraphMaker(0)
    operands = [
        constant(maker, np.arange(np.prod(shape)).reshape(shape), quantized(0.05, 3))
        if side == constant_side
        else maker.activation("ab"[side], shape)
        for side, shape in enumerate(shapes)
    ]
    out = binary(maker, kind, *operands, activation=activation)
    return maker.graph(tuple(t for t in operands if t not in maker.constants), (out,))


GRAPHS = {
    **{kind.__name__: of_one(kind) for kind in UNARY},
    **{f"{kind.__name__} constant": of_two(kind) for kind in BINARY},
    **{f"scalar {kind.__name__}": of_two(kind, ((), (1, 4, 3)), 0, Activation.RELU6) for kind in BINARY},
    **{f"{kind.__name__} rows": of_two(kind, ((1, 4, 5, 3), (1, 1, 1, 3)), None) for kind in BINARY},
}


@pytest.mark.parametrize("graph", GRAPHS.values(), ids=GRAPHS)
def test_what_is_written_is_read_back_equal(graph: Graph) -> None:
    assert_same_graph(parse_tflite(serialize_tflite(graph), "g.tflite"), graph)


@pytest.mark.parametrize("graph", GRAPHS.values(), ids=GRAPHS)
def test_what_is_written_runs_in_litert_and_tflite_micro_alike(graph: Graph) -> None:
    rng = np.random.default_rng(0)
    shapes = [graph.network.shape(tensor) for tensor in graph.network.inputs]
    inputs = [rng.integers(-128, 128, shape, dtype=np.int8) for shape in shapes]
    interpreter = Interpreter(
        model_content=serialize_tflite(graph), experimental_op_resolver_type=OpResolverType.BUILTIN_REF
    )
    interpreter.allocate_tensors()
    for detail, values in zip(interpreter.get_input_details(), inputs, strict=True):
        interpreter.set_tensor(detail["index"], values)
    interpreter.invoke()
    litert = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    micro = reference_outputs(graph, *inputs)
    assert np.abs(litert.astype(int) - micro).max() <= 1  # LiteRT's LOGISTIC and TANH round otherwise


@pytest.mark.parametrize(
    ("kind", "version"),
    [(Relu, 2), (LeakyRelu, 1), (HardSwish, 1), (Logistic, 2), (Tanh, 2), (Quantize, 1)],
)
def test_versions_are_those_of_int8(kind, version) -> None:
    graph = of_one(kind)
    assert operator_version(graph, graph.network.ops[0]) == version


def test_a_product_scaled_up_needs_another_version_of_mul() -> None:
    graph = of_two(Mul)
    (op,) = graph.network.ops
    a, b = (graph.quantization[tensor].scale for tensor in op.inputs)
    for scale, version in ((a * b * 1.01, 2), (a * b * 0.99, 3)):
        changed = replace(graph, quantization={**graph.quantization, op.outputs[0]: quantized(scale, 0)})
        assert operator_version(changed, op) == version


@pytest.mark.parametrize("kind", [kind for kind in UNARY if kind is not LeakyRelu])
@pytest.mark.parametrize("table", [schema.AddOptionsT(), None])
def test_operators_without_attributes_ignore_what_a_file_attaches(kind, table) -> None:
    graph = of_one(kind)

    def attach(operator: schema.OperatorT) -> None:
        operator.builtinOptions = table
        operator.builtinOptionsType = (
            schema.BuiltinOptions.AddOptions if table else schema.BuiltinOptions.NONE
        )

    assert_same_graph(parse_tflite(changed_file(graph, attach), "g.tflite"), graph)


def changed_file(graph: Graph, change: Callable[[schema.OperatorT], None]) -> bytes:
    """The graph's file with a change of its first operator's record."""
    model = schema.ModelT.InitFromPackedBuf(serialize_tflite(graph))
    change(model.subgraphs[0].operators[0])
    builder = flatbuffers.Builder()
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def with_output(graph: Graph, shape: tuple[int, ...] | None = None, **quantization) -> Graph:
    """The graph whose output has another shape or quantization."""
    (output,) = graph.network.outputs
    tensors = list(graph.network.tensors)
    tensors[output] = replace(tensors[output], shape=shape or tensors[output].shape)
    network = replace(graph.network, tensors=tuple(tensors))
    changed = replace(graph.quantization[output], **quantization)
    return replace(graph, network=network, quantization={**graph.quantization, output: changed})


def with_constant(graph: Graph, values: np.ndarray, quantization: Quantization) -> Graph:
    """The graph whose constant operand has other values."""
    (operand,) = graph.network.constants
    tensors = list(graph.network.tensors)
    tensors[operand] = replace(tensors[operand], shape=values.shape, dtype=str(values.dtype))
    network = replace(graph.network, tensors=tuple(tensors))
    return replace(
        graph,
        network=network,
        constants={operand: values},
        quantization={**graph.quantization, operand: quantization},
    )


def both_constant() -> Graph:
    maker = GraphMaker(0)
    a, b = (constant(maker, np.zeros((1, 3)), quantized(0.1, 0)) for _ in range(2))
    x = maker.activation("x", (1, 3))
    out = binary(maker, Add, a, b)
    return maker.graph((x,), (out, binary(maker, Add, x, out)))


NOT_INT8 = with_constant(of_two(Add), np.zeros(3, np.int32), quantized(0.1, 0))
THREE_SCALES = with_constant(of_two(Sub), np.zeros(3, np.int8), Quantization((0.1,) * 3, (0,) * 3))
FAR_ZERO_POINT = with_constant(of_two(Mul), np.zeros(3, np.int8), Quantization((0.1,), (128,)))
REFUSALS = {
    "both constant": (both_constant(), "both its operands are constants: not supported"),
    "int32": (NOT_INT8, "its constant 'op0.operand' is int32, not int8: not supported"),
    "scales": (THREE_SCALES, "constant 'op0.operand' has 3 scales, not 1"),
    "zero point": (FAR_ZERO_POINT, "'op0.operand' has zero point 128, beyond int8"),
    "shapes": (
        with_constant(of_two(Sub), np.zeros(5, np.int8), quantized(0.1, 0)),
        "its operands 1×4×5×3 and 5 cannot be broadcast",
    ),
    "result": (with_output(of_two(Sub), (1, 4, 5, 1)), "its output is 1×4×5×1, should be 1×4×5×3"),
    "function": (with_output(of_one(Relu), (1, 60)), "its output is 1×60, should be 1×4×5×3"),
    "tanh": (
        with_output(of_one(Tanh), zero_points=(1,)),
        "its output has another scale than 1/128 or zero point than 0",
    ),
    "logistic": (
        with_output(of_one(Logistic), scales=(1 / 128,)),
        "its output has another scale than 1/256 or zero point than -128",
    ),
    "alpha": (of_one(LeakyRelu, -0.5), "has alpha -0.5: not supported"),
    "alpha is no number": (of_one(LeakyRelu, float("nan")), "has alpha nan: not supported"),
}


@pytest.mark.parametrize(("graph", "fault"), REFUSALS.values(), ids=REFUSALS)
def test_what_cannot_be_compiled_is_named_with_operator_and_output(graph: Graph, fault: str) -> None:
    op = graph.network.ops[0]
    place = f"m.tflite: op 0 {op.tflite_name} (output 'out0')"
    with pytest.raises(ModelError) as refusal:
        parse_tflite(serialize_tflite(graph), "m.tflite")
    assert str(refusal.value) == f"{place}: {fault}"
    assert isinstance(refusal.value, UnsupportedError) == fault.endswith("not supported")


@pytest.mark.parametrize("kind", [Sub, Mul])
def test_an_activation_that_no_kernel_has_is_refused(kind) -> None:
    def fuse_tanh(operator: schema.OperatorT) -> None:
        operator.builtinOptions.fusedActivationFunction = schema.ActivationFunctionType.TANH

    with pytest.raises(UnsupportedError) as refusal:
        parse_tflite(changed_file(of_two(kind), fuse_tanh), "m.tflite")
    assert str(refusal.value).endswith("(output 'out0'): has fused activation TANH: not supported")


def test_fixed_outputs_are_those_of_the_specification() -> None:
    assert FIXED_OUTPUT[Logistic] == Quantization((1 / 256,), (-128,))
    assert FIXED_OUTPUT[Tanh] == Quantization((1 / 128,), (0,))
