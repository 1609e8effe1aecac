"""Networks with changed shapes are those that a builder would have made with these shapes."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings

from mcu_nas.compiler.planner import plan
from mcu_nas.cost.reshaped import NewShapes, NotDerivableError, reshaped, without_add
from mcu_nas.graph import Graph
from mcu_nas.network import Network, Tensor
from mcu_nas.operators import (
    Activation,
    Add,
    AveragePool2D,
    Conv2D,
    Padding,
    Reshape,
    ResizeNearestNeighbor,
    StridedSlice,
)
from mcu_nas.spaces.builder import NetworkBuilder
from tests.graphs import GraphMaker, graphs
from tests.mobilenet import mobilenet_v2


@pytest.mark.parametrize("resolution", [192, 168, 97])
def test_mobilenet_of_another_resolution_is_the_one_built_for_it(resolution: int) -> None:
    network = mobilenet_v2(224)
    change = NewShapes(inputs={network.inputs[0]: (1, resolution, resolution, 3)})
    assert reshaped(network, change) == mobilenet_v2(resolution)


@given(graphs())
@settings(deadline=None, max_examples=60)
def test_a_change_to_the_shapes_that_are_there_changes_nothing(graph: Graph) -> None:
    network = graph.network
    made = {n: network.shape(op.inputs[1])[0] for n, op in enumerate(network.ops) if isinstance(op, Conv2D)}
    assert reshaped(network, NewShapes(channels=made)) == network


def stem_and_block(channels: int, expanded: int, stride: int = 2) -> Network:
    maker = GraphMaker(1)
    pixels = maker.activation("pixels", (1, 20, 20, 3))
    x = maker.conv(pixels, channels, (3, 3), (stride, stride))
    y = maker.conv(maker.depthwise(maker.conv(x, expanded, (1, 1)), 2, (3, 3)), channels, (1, 1))
    return maker.graph((pixels,), (maker.fully_connected(maker.mean(maker.add(x, y)), 10),)).network


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (NewShapes(channels={1: 7}), stem_and_block(8, 7)),
        (NewShapes(channels={0: 5, 3: 5}), stem_and_block(5, 24)),
        (NewShapes(stride={0: (3, 3)}), stem_and_block(8, 24, 3)),
    ],
    ids=["expanded channels", "channels of a residual", "stride"],
)
def test_changed_layers_give_the_network_built_with_them(change: NewShapes, expected: Network) -> None:
    assert reshaped(stem_and_block(8, 24), change) == expected


def test_an_add_of_two_shapes_is_no_network() -> None:
    with pytest.raises(NotDerivableError, match=r"op 4 ADD: its inputs .* do not go together"):
        reshaped(stem_and_block(8, 24), NewShapes(channels={3: 4}))


def test_a_window_larger_than_its_input_is_no_network() -> None:
    maker = GraphMaker(1)
    pixels = maker.activation("pixels", (1, 9, 9, 3))
    network = maker.graph((pixels,), (maker.conv(pixels, 4, (7, 7), padding=Padding.VALID),)).network
    with pytest.raises(NotDerivableError, match="op 0 CONV_2D: its window is larger than its input"):
        reshaped(network, NewShapes(inputs={pixels: (1, 6, 9, 3)}))


def test_a_global_pool_and_a_flatten_follow_the_resolution() -> None:
    maker = GraphMaker(1)
    pixels = maker.activation("pixels", (1, 8, 8, 3))
    x = maker.reshape(maker.pool(pixels, (8, 8)), (1, 3))
    y = maker.reshape(pixels, (1, 192))
    network = maker.graph((pixels,), (x, y)).network
    changed = reshaped(network, NewShapes(inputs={pixels: (1, 6, 5, 3)}))
    pool = changed.ops[0]
    assert isinstance(pool, AveragePool2D)
    assert pool.window == (6, 5)
    assert [changed.shape(t) for t in (*pool.outputs, x, y)] == [(1, 1, 1, 3), (1, 3), (1, 90)]


def test_explicit_padding_and_resize_follow_the_resolution() -> None:
    builder = NetworkBuilder()
    pixels = builder.input("pixels", (1, 8, 8, 3))
    x = builder.conv("stem", pixels, 4, 3, 2, Activation.NONE)
    output = builder.append(lambda out: ResizeNearestNeighbor((x,), (out,)), Tensor("large", (1, 8, 12, 4)))
    network = builder.build(output)
    stem = replace(network.ops[0], pads=((0, 1), (2, 2)))
    tensors = list(network.tensors)
    tensors[x] = replace(tensors[x], shape=(1, 4, 5, 4))
    tensors[output] = replace(tensors[output], shape=(1, 8, 10, 4))
    padded = replace(network, ops=(stem, network.ops[1]), tensors=tuple(tensors))
    changed = reshaped(padded, NewShapes(inputs={pixels: (1, 6, 6, 3)}))
    assert changed.shape(x) == (1, 3, 4, 4)
    assert changed.shape(output) == (1, 6, 8, 4)


def test_rows_of_a_fully_connected_layer_keep_their_number() -> None:
    builder = NetworkBuilder()
    rows = builder.input("rows", (1, 5, 8))
    output = builder.fully_connected("dense", rows, 6)
    network = builder.build(output)
    tensors = list(network.tensors)
    dense = replace(network.ops[0], keep_num_dims=True)
    tensors[dense.inputs[1]] = replace(tensors[dense.inputs[1]], shape=(6, 8))
    tensors[output] = replace(tensors[output], shape=(1, 5, 6))
    network = replace(network, ops=(dense,), tensors=tuple(tensors))
    changed = reshaped(network, NewShapes(inputs={rows: (1, 4, 7)}, channels={0: 3}))
    assert changed.shape(output) == (1, 4, 3)
    assert changed.shape(dense.inputs[1]) == (3, 7)


def test_operators_that_a_change_does_not_reach_are_left_alone_and_others_refused() -> None:
    builder = NetworkBuilder()
    pixels = builder.input("pixels", (1, 4, 4, 2))

    def half(out: int) -> StridedSlice:
        return StridedSlice((pixels,), (out,), (0, 0, 0, 0), (1, 2, 1, 1))

    output = builder.append(half, Tensor("half", (1, 2, 4, 2)))
    network = builder.build(output)
    assert reshaped(network, NewShapes()) == network
    with pytest.raises(NotDerivableError, match="op 0 STRIDED_SLICE: its output shape does not follow"):
        reshaped(network, NewShapes(inputs={pixels: (1, 6, 4, 2)}))


def test_a_reshape_that_mixes_axes_is_refused() -> None:
    builder = NetworkBuilder()
    pixels = builder.input("pixels", (1, 4, 6, 2))
    output = builder.append(lambda out: Reshape((pixels,), (out,)), Tensor("turned", (1, 6, 4, 2)))
    with pytest.raises(NotDerivableError, match="op 0 RESHAPE: its new shape does not follow"):
        reshaped(builder.build(output), NewShapes(inputs={pixels: (1, 4, 5, 2)}))


def test_without_its_add_a_residual_is_not_held() -> None:
    network = stem_and_block(8, 24)
    changed = without_add(network, 4, kept=network.ops[3].outputs[0])
    assert not any(isinstance(op, Add) for op in changed.ops)
    stem = network.ops[0].outputs[0]
    assert network.lifetimes[stem] == (0, 4)
    assert changed.lifetimes[stem] == (0, 1)
    assert plan(changed).arena_bytes < plan(network).arena_bytes
    assert replace(changed, ops=network.ops) == network
