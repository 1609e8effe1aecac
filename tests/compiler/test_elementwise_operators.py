"""Operators that work element by element, and softmax, equal tflite-micro bit for bit at any scales."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from mcu_nas.compiler import fixed_point
from mcu_nas.compiler.program import compile_graph
from mcu_nas.compiler.requantize import Multiplier, add_multipliers, softmax_multiplier
from mcu_nas.compiler.tables import table
from mcu_nas.cost.flash import constants_bytes
from mcu_nas.cost.peak_rules import overlap
from mcu_nas.devices.host import HostModel
from mcu_nas.errors import UnsupportedError
from mcu_nas.graph import Graph, Quantization
from mcu_nas.operators import (
    Activation,
    Add,
    Elementwise,
    HardSwish,
    LeakyRelu,
    Logistic,
    Mul,
    Quantize,
    Relu,
    Relu6,
    Sub,
    Tanh,
)
from tests.elementwise import (
    BINARY,
    FIXED_OUTPUT,
    UNARY,
    binary,
    chains,
    constant,
    function_of_every_input,
    quantized,
    unary,
)
from tests.graphs import GraphMaker
from tests.reference import assert_same_outputs, reference_outputs, sample_inputs

FEW = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
EVERY_INPUT = np.arange(-128, 128).astype(np.int8)[None]
PAIRS_OF_SCALES = 400  # per function
QUANTIZATIONS = st.builds(quantized, st.floats(-14, 6).map(lambda x: 2.0**x), st.integers(-128, 127))


def check(graph: Graph, count: int = 4) -> None:
    """The graph's outputs, sanitized, on extremes and random inputs equal tflite-micro's."""
    inputs = sample_inputs(graph, count, seed=1)
    program = compile_graph(graph, "model", "0" * 16)
    got = HostModel(program, sanitize=True).run(*inputs)
    assert_same_outputs(got, reference_outputs(graph, *inputs), *inputs)
    assert program.constants_bytes == sum(constants_bytes(program.graph.network, program.plan))


def function(kind: type[Elementwise], alpha: float = 0.1) -> Elementwise:
    return LeakyRelu((0,), (1,), float(np.float32(alpha))) if kind is LeakyRelu else kind((0,), (1,))


@pytest.mark.parametrize("kind", UNARY)
def test_tables_equal_the_reference_for_every_input_at_hundreds_of_scales(kind):
    rng = np.random.default_rng(0)
    checked = 0
    for number in range(PAIRS_OF_SCALES):
        scales, zero_points = 2.0 ** rng.uniform(-14, 6, 2), rng.integers(-128, 128, 2)
        source, output = map(quantized, scales, map(int, zero_points))
        output = FIXED_OUTPUT.get(kind, source if kind is Relu6 else output)
        alpha = [0.0, 0.01, 0.3, 1.0, rng.uniform(0, 3)][number % 5]
        try:
            got = table(function(kind, alpha), source, output)
        except UnsupportedError:
            assert kind is HardSwish
            continue
        graph = function_of_every_input(kind, source, output, alpha)
        expected = reference_outputs(graph, EVERY_INPUT)[0]
        different = np.flatnonzero(got != expected)
        assert not len(different), (source, output, alpha, different[0] - 128)
        checked += 1
    assert checked > PAIRS_OF_SCALES / 2


@pytest.mark.parametrize("kind", [Relu6, Relu, Quantize])
def test_rescaling_equals_the_converter_s_runtime(kind):
    """TFLite Micro's RELU6 does not rescale; TFLite's does, and so does ours."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    from mcu_nas.tflite.writer import serialize_tflite

    rng = np.random.default_rng(1)
    for _ in range(100):
        scales, zero_points = 2.0 ** rng.uniform(-9, 0, 2), rng.integers(-128, 128, 2)
        source, output = map(quantized, scales, map(int, zero_points))
        data = serialize_tflite(function_of_every_input(kind, source, output))
        interpreter = Interpreter(
            model_content=data, experimental_op_resolver_type=OpResolverType.BUILTIN_REF
        )
        interpreter.allocate_tensors()
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], EVERY_INPUT)
        interpreter.invoke()
        expected = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])[0]
        np.testing.assert_array_equal(table(function(kind), source, output), expected)


@pytest.mark.parametrize(
    ("kind", "scale_in", "scale_out", "reason"),
    [
        (Relu, 2.0**10, 2.0**-13, "output scale 0.00012207 is 2^23 times finer than its input's"),
        (Relu6, 2.0**10, 2.0**-13, "2^23 times finer"),
        (LeakyRelu, 2.0**10, 2.0**-13, "2^23 times finer"),
        (Quantize, 2.0**10, 2.0**-13, "2^23 times finer"),
        (HardSwish, 12.8, 0.1, "input scale 12.8 over output scale 0.1 is out of HARD_SWISH's range"),
        (HardSwish, 2.0**-10, 1.0, "out of HARD_SWISH's range"),
        (HardSwish, 2.0**-24, 2.0**-24, "input scale 5.96046e-08 is out of HARD_SWISH's range"),
        (Logistic, 2.0**-29, 1.0, "input scale 1.86265e-09 is too fine"),
        (Tanh, 2.0**-29, 1.0, "too fine"),
        (Tanh, 2.0**36, 1.0, "too coarse"),
    ],
)
def test_scales_beyond_the_arithmetic_are_refused_by_name(kind, scale_in, scale_out, reason):
    graph = function_of_every_input(kind, quantized(scale_in, 0), quantized(scale_out, 0))
    with pytest.raises(UnsupportedError) as refusal:
        compile_graph(graph, "model", "0" * 16)
    assert f"op 0 {kind.tflite_name} (output 'out0'): its " in str(refusal.value)
    assert reason in str(refusal.value)


@pytest.mark.parametrize(
    ("kind", "scale_in", "scale_out"),
    [
        (Relu, 2.0**9 * 1.99, 2.0**-13),
        (Quantize, 2.0**-30, 1.0),
        (HardSwish, 12.79, 0.1),
        (HardSwish, 2.0**-9, 1.0),
        (Logistic, 2.0**-28, 1.0),
        (Logistic, 7.9, 1.0),
        (Logistic, 9.0, 1.0),
        (Tanh, 1000.0, 1.0),
    ],
)
def test_scales_at_the_edge_of_the_arithmetic_equal_the_reference(kind, scale_in, scale_out):
    for zero_point in (-128, -1, 0, 127):
        source, output = quantized(scale_in, zero_point), quantized(scale_out, 5)
        output = FIXED_OUTPUT.get(kind, output)
        graph = function_of_every_input(kind, source, output)
        expected = reference_outputs(graph, EVERY_INPUT)[0]
        np.testing.assert_array_equal(table(function(kind), source, output), expected)


@pytest.mark.parametrize(
    ("op", "source", "output"),
    [
        (function(LeakyRelu, 2.5), (0.43250882625579834, 127), (0.43250882625579834, 127)),
        *((function(LeakyRelu, 1.5), (0.01 * n, 127), (0.03 * n, 127)) for n in range(1, 10)),
        *((function(LeakyRelu, 0.1), (0.015 * n, -128), (0.01 * n, -128)) for n in range(1, 10)),
        (function(HardSwish), (0.052976951003074646, -78), (0.03593575954437256, -1)),
        (function(HardSwish), (0.1475057452917099, -12), (0.06951230019330978, -55)),
        (function(HardSwish), (0.01842561550438404, -18), (0.003119616536423564, -18)),
    ],
)
def test_factors_whose_last_bit_decides_equal_the_reference(op, source, output):
    """Computed in float32, 2.5 is 2.5000002, and ties go the other way."""
    quantizations = quantized(*source), quantized(*output)
    alpha = op.alpha if isinstance(op, LeakyRelu) else 0.0
    graph = function_of_every_input(type(op), *quantizations, alpha)
    np.testing.assert_array_equal(table(op, *quantizations), reference_outputs(graph, EVERY_INPUT)[0])


@pytest.mark.parametrize("kind", UNARY)
@pytest.mark.parametrize("scale_in", [1e-45, 1e-38, 1.0, 3e38])
@pytest.mark.parametrize("scale_out", [1e-45, 1e-38, 1.0, 3e38])
@pytest.mark.filterwarnings("error")
def test_the_least_and_largest_scales_give_a_table_or_a_refusal(kind, scale_in, scale_out):
    try:
        got = table(function(kind, 3e38), quantized(scale_in, 0), quantized(scale_out, 0))
    except UnsupportedError:
        return
    assert got.shape == (256,)


@pytest.mark.parametrize("kind", UNARY)
def test_a_function_runs_in_its_input_s_memory(kind):
    maker = GraphMaker(3)
    x = maker.activation("x", (1, 5, 7, 3))
    output = None if kind is Relu6 else quantized(0.04, -7)
    graph = maker.graph((x,), (unary(maker, kind, x, output),))
    assert compile_graph(graph, "model", "0" * 16).arena_bytes == 105
    check(graph)


@st.composite
def shapes(draw: st.DrawFn) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Two shapes that broadcast to one with a batch of 1; either may lack leading axes."""
    out = (1, *draw(st.lists(st.integers(1, 5), min_size=1, max_size=3)))
    a, b = (tuple(draw(st.sampled_from([size, 1])) for size in out) for _ in range(2))
    joined = tuple(map(max, a, b))
    return draw(st.sampled_from([(a, b), (joined, b), (a, joined)]))


@pytest.mark.parametrize("kind", BINARY)
@given(
    both=shapes(),
    constant_side=st.sampled_from([None, 0, 1]),
    bare=st.booleans(),
    quantizations=st.tuples(QUANTIZATIONS, QUANTIZATIONS),
    output=st.tuples(st.floats(-3, 3), st.integers(-128, 127)),
    activation=st.sampled_from(Activation),
    seed=st.integers(0, 2**32 - 1),
)
@FEW
def test_two_operands_equal_the_reference_repeated_and_constant(
    kind, both, constant_side, bare, quantizations, output, activation, seed
):
    maker = GraphMaker(seed)
    operands = []
    for side, (shape, quantization) in enumerate(zip(both, quantizations, strict=True)):
        if side == constant_side:
            if bare:  # leading axes of 1 left out, down to a scalar
                shape = tuple(np.trim_zeros(np.array(shape) - 1, "f") + 1)
            values = np.random.default_rng(seed).integers(-128, 128, shape)
            operands.append(constant(maker, values, quantization))
        else:
            operands.append(maker.activation("ab"[side], shape))
            maker.quantization[operands[-1]] = quantization
    out = binary(maker, kind, operands[0], operands[1], activation)
    scale = (
        np.prod([q.scale for q in quantizations]) * 255
        if kind is Mul
        else sum(q.scale for q in quantizations)
    )
    maker.quantization[out] = quantized(scale * 2.0 ** output[0], output[1])
    inputs = tuple(t for t in operands if t not in maker.constants)
    check(maker.graph(inputs, (out,)))


@pytest.mark.parametrize("kind", BINARY)
@pytest.mark.parametrize("zero_points", [(-128, -128, -128), (127, -128, 0), (127, 127, 127)])
def test_every_pair_of_values_equals_the_reference(kind, zero_points):
    maker = GraphMaker(0)
    a = constant(maker, EVERY_INPUT.reshape(256, 1), quantized(0.031, zero_points[0]))
    b = maker.activation("b", (1, 1, 256))
    maker.quantization[b] = quantized(0.017, zero_points[1])
    out = binary(maker, kind, a, b)
    maker.quantization[out] = quantized({Mul: 0.11}.get(kind, 0.06), zero_points[2])
    graph = maker.graph((b,), (out,))
    got = HostModel(compile_graph(graph, "model", "0" * 16), sanitize=True).run(EVERY_INPUT[None])
    assert_same_outputs(got, reference_outputs(graph, EVERY_INPUT[None]), EVERY_INPUT)


@pytest.mark.parametrize("kind", BINARY)
@pytest.mark.parametrize("gain", [2.0**-18, 0.99 * 2.0**14])
def test_factors_at_the_edge_equal_the_reference(kind, gain):
    maker = GraphMaker(0)
    a, b = (maker.activation(name, (1, 256)) for name in "ab")
    for tensor in (a, b):
        maker.quantization[tensor] = quantized(0.5, -1)
    out = binary(maker, kind, a, b)
    maker.quantization[out] = quantized((0.25 if kind is Mul else 1.0) / gain, 3)
    check(maker.graph((a, b), (out,)), count=20)


@given(QUANTIZATIONS, QUANTIZATIONS)
def test_the_operand_of_the_larger_scale_is_halved(a, b):
    """``add.c`` adds it without a multiplication, and finds it by its factor."""
    to_shared = add_multipliers(a, b, quantized(1.0, 0))[:2]
    larger = 0 if a.scale >= b.scale else 1
    assert to_shared[larger] == Multiplier(2**30, 0)
    other = to_shared[1 - larger]
    assert other.shift < 0 or other in (Multiplier(2**30, 0), Multiplier(0, 0))


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (Add, "is 2^20 times finer than the inputs'"),
        (Sub, "is 2^20 times finer than the inputs'"),
        (Mul, "is 2^15 times finer than the inputs' product"),
    ],
)
def test_an_output_scale_too_fine_is_refused(kind, reason):
    maker = GraphMaker(0)
    a, b = (maker.activation(name, (1, 8)) for name in "ab")
    for tensor in (a, b):
        maker.quantization[tensor] = quantized(1.0, 0)
    out = binary(maker, kind, a, b)
    maker.quantization[out] = quantized(2.0**-20, 0)
    with pytest.raises(UnsupportedError) as refusal:
        compile_graph(maker.graph((a, b), (out,)), "model", "0" * 16)
    message = str(refusal.value)
    assert message == f"op 0 {kind.tflite_name} (output 'out0'): output scale 9.53674e-07 {reason}"


@pytest.mark.parametrize("kind", BINARY)
def test_the_result_lies_in_the_operand_of_its_size_alone(kind):
    maker = GraphMaker(1)
    image, row = maker.activation("image", (1, 6, 5, 8)), maker.activation("row", (1, 1, 1, 8))
    out = binary(maker, kind, row, image)
    graph = maker.graph((row, image), (out,))
    program = compile_graph(graph, "model", "0" * 16)
    assert program.arena_bytes == 240 + 8
    assert program.plan.offsets[out] == program.plan.offsets[image]
    check(graph)


def test_a_repeated_operand_is_left_alone_by_the_overlap_rule():
    maker = GraphMaker(1)
    image, row = maker.activation("image", (1, 6, 5, 8)), maker.activation("row", (1, 1, 1, 8))
    network = maker.graph((image, row), (binary(maker, Mul, image, row),)).network
    assert overlap(network, 0) == 240 + 8


@pytest.mark.parametrize("seed", range(4))
def test_squeeze_and_excite_equals_the_reference_with_dead_bytes_overwritten(seed):
    maker = GraphMaker(seed)
    source = maker.activation("pixels", (1, 9, 8, 3))
    x = unary(maker, HardSwish, maker.conv(source, 6, (3, 3), (2, 2)), quantized(0.06, -110))
    gate = unary(maker, Relu, maker.conv(maker.mean(x, keep_dims=True), 4, (1, 1)), quantized(0.03, -128))
    gate = unary(maker, Logistic, maker.conv(gate, 6, (1, 1)))
    x = binary(maker, Mul, x, gate)
    x = binary(maker, Sub, unary(maker, LeakyRelu, x, quantized(0.02, 9)), maker.conv(x, 1, (1, 1)))
    x = binary(maker, Add, constant(maker, np.arange(6), quantized(0.1, 2)), x, Activation.RELU6)
    graph = maker.graph((source,), (unary(maker, Quantize, unary(maker, Tanh, x), quantized(0.01, 3)),))
    check(graph)
    inputs = sample_inputs(graph, 20, seed)
    got = HostModel(compile_graph(graph, "model", "0" * 16), poison=True).run(*inputs)
    assert_same_outputs(got, reference_outputs(graph, *inputs), *inputs)


@given(graph=chains())
@settings(FEW, max_examples=8)
def test_random_chains_equal_the_reference_with_dead_bytes_overwritten(graph):
    check(graph)
    inputs = sample_inputs(graph, 4, seed=2)
    got = HostModel(compile_graph(graph, "model", "0" * 16), poison=True).run(*inputs)
    assert_same_outputs(got, reference_outputs(graph, *inputs), *inputs)


def test_a_residual_sum_keeps_its_own_kernel():
    maker = GraphMaker(1)
    a, b = (maker.activation(name, (1, 4, 4, 3)) for name in "ab")
    dense = binary(maker, Add, a, b)
    repeated = binary(maker, Add, dense, maker.activation("c", (1, 1, 1, 3)))
    program = compile_graph(maker.graph((a, b, repeated - 1), (repeated,)), "model", "0" * 16)
    assert [call.kernel.name for call in program.calls] == ["add_s8", "add_broadcast_s8"]


def softmax_graph(shape: tuple[int, ...], quantization: Quantization) -> Graph:
    maker = GraphMaker(0)
    x = maker.activation("x", shape)
    maker.quantization[x] = quantization
    return maker.graph((x,), (maker.softmax(x),))


@pytest.mark.parametrize("shape", [(1, 3, 7), (1, 4, 5, 6), (1, 9, 1)])
def test_softmax_of_rows_equals_the_reference(shape):
    check(softmax_graph(shape, quantized(0.07, 3)), count=30)


def softmax_model(x: np.ndarray, quantization: Quantization) -> np.ndarray:
    """TFLite Micro's arithmetic for rows int8 (N, C), without its limit on the sum: int8 (N, C)."""
    factor, diff_min = softmax_multiplier(quantization)
    diff = x.astype(np.int64) - x.max(axis=1, keepdims=True)
    counts = diff >= diff_min
    scaled = fixed_point.multiplied(np.where(counts, diff, 0) << factor.shift, factor.value)
    exponential = np.where(counts, fixed_point.exp_of_negative(scaled, 5), 0)  # Q0.31
    total = fixed_point.halved(exponential, 12).sum(axis=1, keepdims=True)  # Q12.19
    whole_bits = np.floor(np.log2(total)).astype(np.int64) - 19
    mantissa = (total << (12 - whole_bits)) - (1 << 31)  # of 1 + m, in Q0.31
    product = fixed_point.multiplied(fixed_point.reciprocal_of_one_plus(mantissa), exponential)
    probability = (product + (1 << (22 + whole_bits))) >> (23 + whole_bits)
    return np.clip(probability - 128, -128, 127).astype(np.int8)


def test_the_softmax_model_equals_the_reference_where_that_does_not_abort():
    rng = np.random.default_rng(0)
    for _ in range(60):
        graph = softmax_graph((1, 500), quantized(2.0 ** rng.uniform(-25.9, 3.99), 0))
        inputs = rng.integers(rng.integers(-128, 127), 128, (4, 500)).astype(np.int8)
        expected = reference_outputs(graph, inputs)
        assert_same_outputs(softmax_model(inputs, graph.quantization[0]), expected, inputs)


@given(
    count=st.integers(512, 4095),
    exponent=st.floats(-25.9, 3.99),
    spread=st.integers(0, 255),
    seed=st.integers(0, 2**32 - 1),
)
@example(count=4095, exponent=0.0, spread=0, seed=0)
@settings(max_examples=12, deadline=None)
def test_softmax_of_many_values_equals_its_arithmetic(count, exponent, spread, seed):
    """tflite-micro aborts where a sum of exponentials reaches 512; the arithmetic holds up to 4,095."""
    graph = softmax_graph((1, count), quantized(2.0**exponent, 0))
    inputs = np.random.default_rng(seed).integers(127 - spread, 128, (8, count)).astype(np.int8)
    got = HostModel(compile_graph(graph, "model", "0" * 16), sanitize=True).run(inputs)
    assert_same_outputs(got, softmax_model(inputs, graph.quantization[0]), inputs)
