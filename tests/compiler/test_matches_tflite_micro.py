"""Generated C on the host equals tflite-micro bit for bit, sanitized, in an arena of the exact size."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from mcu_nas.compiler.emit import emit_sources
from mcu_nas.compiler.portable_kernels import PORTABLE_KERNELS
from mcu_nas.compiler.program import compile_graph
from mcu_nas.devices.host import HostModel
from mcu_nas.errors import UnsupportedError
from mcu_nas.graph import Graph, Quantization
from mcu_nas.operators import (
    Activation,
    Add,
    AveragePool2D,
    HardSwish,
    MaxPool2D,
    Mul,
    Padding,
    Sub,
)
from tests.elementwise import binary, unary
from tests.graphs import GraphMaker, graphs
from tests.movement import concatenation, pad, resize, transpose
from tests.reference import assert_same_outputs, reference_outputs, sample_inputs
from tests.weighted_graphs import transpose_conv

SLOW = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


def check(graph: Graph, *, sanitize: bool = True, count: int = 5) -> None:
    """The graph's outputs on extremes and random inputs equal tflite-micro's."""
    inputs = sample_inputs(graph, count, seed=1)
    got = HostModel(compile_graph(graph, "model", "0" * 16), sanitize=sanitize).run(*inputs)
    assert_same_outputs(got, reference_outputs(graph, *inputs), *inputs)


def single(build, shape: tuple[int, ...], seed: int = 0) -> Graph:
    """A graph of one operator on an input of ``shape``."""
    maker = GraphMaker(seed)
    source = maker.activation("pixels", shape)
    return maker.graph((source,), (build(maker, source),))


@given(graph=graphs())
@SLOW
def test_random_graphs_equal_the_reference(graph):
    check(graph)


@pytest.mark.parametrize("kernel", PORTABLE_KERNELS, ids=lambda kernel: kernel.name)
def test_every_kernel_of_the_catalogue_is_built_and_equals_the_reference(kernel):
    build = {
        "pointwise_s8": lambda m, x: m.conv(x, 11, (1, 1)),
        "conv_s8": lambda m, x: m.conv(x, 10, (3, 3), (2, 2)),
        "depthwise_s8": lambda m, x: m.depthwise(x, 2, (5, 3)),
        "depthwise_planar_s8": lambda m, x: m.depthwise(x, 1, (5, 3)),
        "fully_connected_s8": lambda m, x: m.fully_connected(x, 7),
        "transpose_conv_s8": lambda m, x: transpose_conv(m, x, (14, 11, 10), (3, 3), (2, 2), Padding.SAME),
        "add_s8": lambda m, x: m.add(x, m.conv(x, 9, (1, 1))),
        "add_broadcast_s8": lambda m, x: binary(m, Add, x, m.mean(x)),
        "sub_s8": lambda m, x: binary(m, Sub, m.mean(x), x),
        "mul_s8": lambda m, x: binary(m, Mul, x, m.mean(x)),
        "table_s8": lambda m, x: unary(m, HardSwish, x),
        "mean_s8": lambda m, x: m.mean(x),
        "average_pool_s8": lambda m, x: m.pool(x, (3, 2), (2, 2), Padding.SAME),
        "max_pool_s8": lambda m, x: m.pool(x, (3, 2), (2, 2), Padding.SAME, kind=MaxPool2D),
        "reshape_s8": lambda m, x: m.reshape(x, (1, 7 * 6 * 9)),
        "strided_copy_s8": lambda m, x: transpose(m, x, (0, 2, 1, 3)),
        "pad_s8": lambda m, x: pad(m, x, ((0, 0), (1, 2), (0, 3), (2, 0))),
        "resize_nearest_s8": lambda m, x: resize(m, x, (9, 11)),
        "concatenation_s8": lambda m, x: concatenation(m, [x, x], 2),
        "softmax_s8": lambda m, x: m.softmax(m.mean(x)),
    }[kernel.name]
    graph = single(build, (1, 7, 6, 9))
    assert compile_graph(graph, "model", "0" * 16).calls[-1].kernel is kernel
    check(graph)


@pytest.mark.parametrize("padding", Padding)
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("size", [(7, 8), (8, 7)])
def test_strides_and_odd_sizes_equal_the_reference(padding, stride, size):
    maker = GraphMaker(stride)
    x = source = maker.activation("pixels", (1, *size, 4))
    x = maker.depthwise(x, 1, (3, 5), (stride, stride), padding)
    x = maker.conv(x, 6, (1, 2), (1, stride), Padding.SAME)
    check(maker.graph((source,), (x,)))


@pytest.mark.parametrize("kernel", [(5, 5), (7, 7), (7, 1)])
def test_windows_larger_than_the_input_equal_the_reference(kernel):
    maker = GraphMaker(1)
    x = source = maker.activation("pixels", (1, 3, 2, 4))
    x = maker.depthwise(x, 2, kernel)
    x = maker.conv(x, 5, kernel, (2, 2))
    check(maker.graph((source,), (maker.pool(x, kernel, (1, 1), Padding.SAME),)))


@pytest.mark.parametrize("dilation", [(2, 2), (3, 1)])
def test_dilated_windows_equal_the_reference(dilation):
    check(single(lambda m, x: m.conv(x, 5, (3, 3), dilation=dilation), (1, 6, 7, 3)))
    check(single(lambda m, x: m.depthwise(x, 1, (3, 3), dilation=dilation), (1, 6, 7, 5)))


@pytest.mark.parametrize("activation", Activation)
@pytest.mark.parametrize("zero_point", [-128, -3, 127])
def test_activations_clamp_as_the_reference_does(activation, zero_point):
    graph = single(lambda m, x: m.conv(x, 6, (3, 3), activation=activation), (1, 5, 5, 3))
    (output,) = graph.network.outputs
    scale = float(np.float32(6 / 255))
    check(with_quantization(graph, {output: Quantization((scale,), (zero_point,))}))


@pytest.mark.parametrize("gain", [2.0**-20, 2.0**-8, 1.0, 60.0, 2.0**11])
def test_factors_far_from_usual_equal_the_reference(gain):
    """From outputs that vanish to saturated ones, with factors above 1 (left shifts)."""
    graph = single(lambda m, x: m.conv(x, 8, (1, 1)), (1, 4, 4, 6))
    weights, bias = graph.network.ops[0].inputs[1:]
    spread = np.float32(2.0) ** np.arange(-4, 4)
    scales = tuple((np.float32(graph.quantization[weights].scales[0] * gain) * spread).tolist())
    bias_scales = tuple(np.float32(scale * graph.quantization[0].scale).item() for scale in scales)
    zeros = (0,) * 8
    check(
        with_quantization(
            graph, {weights: Quantization(scales, zeros), bias: Quantization(bias_scales, zeros)}
        )
    )


@pytest.mark.parametrize("size", [(1, 1), (3, 3), (4, 4), (7, 5), (13, 11)])
@pytest.mark.parametrize("keep_dims", [False, True])
@pytest.mark.parametrize("same", [False, True])
def test_mean_equals_the_reference(size, keep_dims, same):
    graph = single(lambda m, x: m.mean(x, keep_dims), (1, *size, 6), seed=sum(size))
    if same:
        graph = with_quantization(graph, {graph.network.outputs[0]: graph.quantization[0]})
    check(graph, count=30)


@given(
    exponents=st.tuples(*[st.floats(-10, 4)] * 3),
    zero_points=st.tuples(*[st.integers(-128, 127)] * 3),
    activation=st.sampled_from(Activation),
)
@settings(max_examples=20, deadline=None)
def test_add_equals_the_reference_at_any_scales(exponents, zero_points, activation):
    maker = GraphMaker(0)
    a, b = (maker.activation(name, (1, 4, 5, 9)) for name in "ab")
    graph = maker.graph((a, b), (maker.add(a, b, activation),))
    chosen = {
        tensor: Quantization((float(np.float32(2.0**exponent)),), (zero_point,))
        for tensor, exponent, zero_point in zip(
            (a, b, *graph.network.outputs), exponents, zero_points, strict=True
        )
    }
    check(with_quantization(graph, chosen), count=20)


@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("seed", range(8))
def test_fully_connected_equals_the_reference(per_channel, seed):
    check(single(lambda m, x: m.fully_connected(x, 13, per_channel), (1, 37), seed), count=200)


@pytest.mark.parametrize("activation", Activation)
@pytest.mark.parametrize("kind", [AveragePool2D, MaxPool2D])
@pytest.mark.parametrize(("window", "stride"), [((2, 2), (2, 2)), ((7, 3), (3, 1)), ((1, 4), (1, 5))])
def test_pools_equal_the_reference(kind, window, stride, activation):
    check(single(lambda m, x: m.pool(x, window, stride, Padding.SAME, activation, kind), (1, 6, 9, 3)))


@pytest.mark.parametrize("stated", [False, True])
def test_reshape_is_a_view_that_runs_nothing(stated):
    maker = GraphMaker(0)
    x = source = maker.activation("pixels", (1, 4, 6, 5))
    x = maker.reshape(maker.conv(x, 8, (3, 3)), (1, 24 * 8), stated)
    graph = maker.graph((source,), (maker.fully_connected(x, 10),))
    program = compile_graph(graph, "model", "0" * 16)
    assert program.is_view(program.calls[1])
    assert program.arena_bytes == program.plan.bound_bytes  # as much as the convolution needs
    assert "reshape" not in program.kernel_stems()
    run = emit_sources(program)["model.c"].split("void model_run")[1].split("}")[0]
    assert "layer_00_conv(bytes)" in run
    assert "reshape" not in run
    check(graph)


def test_reshape_of_a_tensor_that_lives_on_is_a_copy():
    maker = GraphMaker(0)
    x = source = maker.activation("pixels", (1, 4, 6, 5))
    x = maker.conv(x, 8, (3, 3))
    same = maker.reshape(maker.reshape(x, (1, 192)), (1, 4, 6, 8))
    graph = maker.graph((source,), (maker.add(x, same),))
    program = compile_graph(graph, "model", "0" * 16, as_given=True)
    assert [program.is_view(call) for call in program.calls] == [False, False, True, False]
    assert "reshape" in program.kernel_stems()
    check(graph)


@given(
    count=st.integers(1, 511),
    exponent=st.floats(-25.9, 3.99),
    zero_point=st.integers(-128, 127),
    spread=st.integers(0, 255),
    seed=st.integers(0, 2**32 - 1),
)
@example(count=511, exponent=-25.9, zero_point=0, spread=0, seed=0)
@example(count=10, exponent=3.99, zero_point=0, spread=3, seed=0)
@settings(max_examples=40, deadline=None)
def test_softmax_equals_the_reference_at_any_scale(count, exponent, zero_point, spread, seed):
    graph = single(lambda m, x: m.softmax(x), (1, count))
    graph = with_quantization(graph, {0: Quantization((float(np.float32(2.0**exponent)),), (zero_point,))})
    narrow = np.random.default_rng(seed).integers(127 - spread, 128, (20, count)).astype(np.int8)
    inputs = np.concatenate([*sample_inputs(graph, 20, seed), narrow])
    got = HostModel(compile_graph(graph, "model", "0" * 16), sanitize=True).run(inputs)
    assert_same_outputs(got, reference_outputs(graph, inputs), inputs)


@pytest.mark.parametrize(("scale", "count"), [(16.0, 5), (2.0**-26, 5), (0.1, 4096)])
def test_softmax_beyond_the_arithmetic_is_refused(scale, count):
    graph = single(lambda m, x: m.softmax(x), (1, count))
    with pytest.raises(UnsupportedError, match="op 0 SOFTMAX"):
        compile_graph(with_quantization(graph, {0: Quantization((scale,), (0,))}), "model", "0" * 16)


def test_optimised_build_with_two_threads_equals_the_reference():
    maker = GraphMaker(5)
    x = source = maker.activation("pixels", (1, 15, 14, 3))
    x = maker.conv(x, 24, (3, 3), (2, 2), activation=Activation.RELU6)
    y = maker.conv(maker.depthwise(maker.conv(x, 72, (1, 1)), 1, (5, 5)), 24, (1, 1))
    x = maker.fully_connected(maker.mean(maker.add(x, y)), 10)
    check(maker.graph((source,), (x,)), sanitize=False, count=101)


def with_quantization(graph: Graph, changes: dict[int, Quantization]) -> Graph:
    """The graph with some tensors quantized otherwise."""
    return dataclasses.replace(graph, quantization={**graph.quantization, **changes})
