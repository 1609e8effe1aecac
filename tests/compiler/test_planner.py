"""The memory planner: nothing overlaps that must not, and the arena is as small as its bound says."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcu_nas.compiler import layout
from mcu_nas.compiler.planner import Optimize, Plan, plan
from mcu_nas.network import Network, Tensor, pad_amounts
from mcu_nas.operators import Activation, Add, MaxPool2D, Op, Padding
from mcu_nas.spaces.builder import NetworkBuilder
from mcu_nas.spaces.mbconv import BlockShape, add_block

FREE, SCRATCH = -1, -2


def run_on_paper(network: Network, planned: Plan) -> np.ndarray:
    """Execute a network with tensor ids instead of values: arena as ids, checked at every read and write.

    Raises AssertionError where an operator would read bytes that another tensor has overwritten, or write
    into an input that it still reads.
    """
    arena = np.full(planned.arena_bytes, FREE)

    def memory(tensor: int) -> np.ndarray:
        begin, size = planned.offsets[tensor], network.tensors[tensor].bytes
        assert begin >= 0
        assert begin + size <= planned.arena_bytes
        return arena[begin : begin + size]

    for tensor in network.inputs:
        memory(tensor)[:] = tensor
    for index, (op, kernel) in enumerate(zip(network.ops, planned.kernels, strict=True)):
        sources, (output,) = network.activations_in(op), op.outputs
        for tensor in sources:
            assert (memory(tensor) == tensor).all(), f"op {index} reads {tensor} after it was overwritten"
        if index in planned.scratch:
            begin = planned.scratch[index]
            arena[begin : begin + kernel.scratch_bytes(network, op)] = SCRATCH
            assert (memory(sources[0]) == sources[0]).all(), f"op {index} has its scratch on its input"
        if kernel.any_pixel:
            _by_channel(network, op, memory(sources[0]), memory(output))
        elif kernel.lag_bytes is not None:
            _by_pixel(network, op, memory(sources[0]), memory(output), index in planned.descending)
        else:
            clobbered = set(np.unique(memory(output))) & set(sources)
            taken = planned.takes_over.get(output)
            assert clobbered <= {taken}, f"op {index} writes {output} over its input {clobbered}"
            if taken in clobbered:
                assert planned.offsets[taken] == planned.offsets[output]
        memory(output)[:] = output
    for tensor in network.outputs:
        assert (memory(tensor) == tensor).all(), f"output {tensor} does not survive the run"
    return arena


def _by_pixel(network: Network, op: Op, source: np.ndarray, output: np.ndarray, descending: bool) -> None:
    """Every output pixel written after its window is read, which no earlier pixel may have overwritten."""
    _, height, width, channels = network.shape(op.inputs[0])
    _, out_height, out_width, out_channels = network.shape(op.outputs[0])
    rows, columns = network.shape(op.inputs[1])[1:3] if op.inputs[1:] else op.window
    image, pixels = source.reshape(height, width, channels), output.reshape(-1, out_channels)
    top, _ = pad_amounts(op.padding, height, rows, op.stride[0])
    left, _ = pad_amounts(op.padding, width, columns, op.stride[1])
    order = range(out_height * out_width)
    for pixel in reversed(order) if descending else order:
        y, x = pixel // out_width * op.stride[0] - top, pixel % out_width * op.stride[1] - left
        for _channel in ("first", "last"):  # the window is read again after the first outputs are written
            window = image[max(y, 0) : y + rows, max(x, 0) : x + columns]
            assert (window == op.inputs[0]).all(), f"pixel {pixel} reads what is overwritten"
            pixels[pixel] = op.outputs[0]


def _by_channel(network: Network, op: Op, source: np.ndarray, output: np.ndarray) -> None:
    """Every channel written as a whole after it is read as a whole."""
    channels = network.shape(op.outputs[0])[3]
    for channel in range(channels):
        assert (source[channel::channels] == op.inputs[0]).all(), f"channel {channel} is overwritten"
        output[channel::channels] = op.outputs[0]


def needed_bytes(network: Network, planned: Plan) -> int:
    """The largest need of one operator: live bytes and scratch, where a tensor written over its input or
    overlapping it counts for what both span.
    """
    needs = []
    for index, (op, kernel) in enumerate(zip(network.ops, planned.kernels, strict=True)):
        sizes = {tensor: network.tensors[tensor].bytes for tensor in network.live_at(index)}
        (output,), source = op.outputs, op.inputs[0]
        dies = network.lifetimes[source][1] == index and source not in network.outputs
        total = sum(sizes.values()) + kernel.scratch_bytes(network, op)
        if output in planned.takes_over:
            total -= sizes[output]
        elif dies and kernel.any_pixel:
            total -= min(sizes[source], sizes[output])
        elif dies and kernel.lag_bytes is not None:
            span = max(sizes[source] + kernel.lag_bytes(network, op), sizes[output])
            total -= sizes[source] + sizes[output] - span
        needs.append(total)
    return max(needs)


@st.composite
def branching_networks(draw: st.DrawFn) -> Network:
    """A DAG of convolutions, pools and sums, each on any earlier tensors, with one or more outputs."""
    builder = NetworkBuilder()
    size, channels = draw(st.integers(2, 6)), draw(st.integers(1, 4))
    shapes = {builder.input("pixels", (1, size, size, channels)): (size, channels)}
    for number in range(draw(st.integers(1, 9))):
        x = draw(st.sampled_from(sorted(shapes)))
        if draw(st.booleans()):
            alike = [tensor for tensor in shapes if shapes[tensor] == shapes[x]]
            out, shape = builder.add(f"add{number}", draw(st.sampled_from(alike)), x), shapes[x]
        else:
            (size, channels), stride = shapes[x], draw(st.sampled_from([1, 1, 2]))
            kind = draw(st.sampled_from(["conv", "pointwise", "depthwise", "pool"]))
            if kind == "pool":
                out = _pool(builder, x, (1, -(-size // stride), -(-size // stride), channels), stride)
            elif kind == "depthwise":
                out = builder.depthwise(f"depthwise{number}", x, 3, stride, Activation.NONE)
            else:
                channels = draw(st.integers(1, 9))
                taps = 3 if kind == "conv" else 1
                out = builder.conv(f"conv{number}", x, channels, taps, stride, Activation.NONE)
            shape = (-(-size // stride), channels)
        shapes[out] = shape
    network = builder.build(max(shapes))
    extra = draw(st.sets(st.sampled_from(sorted(set(shapes) - set(network.inputs))), max_size=2))
    return replace(network, outputs=tuple(sorted({*network.outputs, *extra})))


def _pool(builder: NetworkBuilder, x: int, shape: tuple[int, ...], stride: int) -> int:
    return builder.append(
        lambda out: MaxPool2D((x,), (out,), (2, 2), (stride, stride), Padding.SAME), Tensor(f"pool{x}", shape)
    )


def mbconv_chain(shapes: list[BlockShape]) -> Network:
    builder = NetworkBuilder()
    first = shapes[0]
    x = builder.input("in", (1, first.height, first.width, first.channels_in))
    for number, shape in enumerate(shapes):
        x = add_block(builder, f"block{number}", x, shape)
    return builder.build(x)


@st.composite
def block_shapes(draw: st.DrawFn) -> list[BlockShape]:
    """Consecutive MBConv blocks: sizes shrink, channels go up and down, some blocks have residuals."""
    size, channels = draw(st.integers(1, 12)), draw(st.integers(1, 6))
    shapes = []
    for _ in range(draw(st.integers(1, 7))):
        stride = draw(st.sampled_from([1, 1, 1, 2]))
        out = channels if draw(st.booleans()) else draw(st.integers(1, 8))
        expand = draw(st.sampled_from([1, 3, 4, 6]))
        shapes.append(BlockShape(size, size, channels, out, stride, draw(st.sampled_from([3, 5])), expand))
        size, channels = -(-size // stride), out
    return shapes


@pytest.mark.parametrize("optimize", Optimize)
@given(branching_networks())
def test_every_operator_of_a_branching_network_finds_its_inputs_intact(
    optimize: Optimize, network: Network
) -> None:
    run_on_paper(network, plan(network, optimize))


@pytest.mark.parametrize("optimize", Optimize)
@given(block_shapes())
def test_every_operator_of_a_mirrored_and_stretched_chain_finds_its_inputs_intact(
    optimize: Optimize, shapes: list[BlockShape]
) -> None:
    network = mbconv_chain(shapes)
    run_on_paper(network, plan(network, optimize))


@given(branching_networks())
def test_arena_is_never_below_the_bound_and_the_bound_is_the_largest_need(network: Network) -> None:
    planned = plan(network)
    assert planned.bound_bytes == needed_bytes(network, planned)
    assert planned.arena_bytes >= planned.bound_bytes


@pytest.mark.parametrize("optimize", Optimize)
@settings(max_examples=200)
@given(block_shapes())
def test_arena_of_mbconv_chains_reaches_the_bound(optimize: Optimize, shapes: list[BlockShape]) -> None:
    planned = plan(mbconv_chain(shapes), optimize)
    assert planned.arena_bytes == planned.bound_bytes


@pytest.mark.parametrize("optimize", Optimize)
@given(block_shapes())
def test_arena_of_a_chain_is_its_largest_segment(optimize: Optimize, shapes: list[BlockShape]) -> None:
    alone = [plan(mbconv_chain([shape]), optimize).arena_bytes for shape in shapes]
    assert plan(mbconv_chain(shapes), optimize).arena_bytes == max(alone)


@given(st.one_of(branching_networks(), block_shapes().map(mbconv_chain)))
def test_memory_plan_is_never_larger_than_the_speed_plan(network: Network) -> None:
    assert plan(network, Optimize.MEMORY).arena_bytes <= plan(network, Optimize.SPEED).arena_bytes


@given(block_shapes())
def test_residual_sum_is_written_into_the_blocks_input(shapes: list[BlockShape]) -> None:
    network = mbconv_chain(shapes)
    planned = plan(network)
    for op in network.ops:
        if isinstance(op, Add):
            block_input, sum_of_both = op.inputs[0], op.outputs[0]
            assert planned.takes_over[sum_of_both] == block_input
            assert planned.offsets[sum_of_both] == planned.offsets[block_input]


@given(branching_networks())
def test_taken_over_input_is_neither_a_network_output_nor_read_later(network: Network) -> None:
    producer = {out: index for index, op in enumerate(network.ops) for out in op.outputs}
    for output, taken in plan(network).takes_over.items():
        assert taken not in network.outputs
        assert network.lifetimes[taken][1] == producer[output]


def test_sum_of_two_tensors_that_are_needed_again_gets_memory_of_its_own() -> None:
    builder = NetworkBuilder()
    x = builder.input("pixels", (1, 4, 4, 2))
    a = builder.conv("a", x, 2, 3, 1, Activation.NONE)
    b = builder.conv("b", x, 2, 3, 1, Activation.NONE)
    first = builder.add("first", a, b)
    second = builder.add("second", a, b)
    network = builder.build(builder.add("both", first, second))
    planned = plan(network)
    assert first not in planned.takes_over
    assert planned.takes_over[second] == a
    run_on_paper(network, planned)


def test_sum_of_a_tensor_with_itself_is_written_in_place() -> None:
    builder = NetworkBuilder()
    x = builder.input("pixels", (1, 4, 4, 2))
    a = builder.conv("a", x, 2, 3, 1, Activation.NONE)
    network = builder.build(builder.add("twice", a, a))
    planned = plan(network)
    assert planned.takes_over == {network.outputs[0]: a}
    run_on_paper(network, planned)


@pytest.mark.parametrize("hash_seed", ["0", "1"])
def test_plan_does_not_depend_on_the_process(hash_seed: str) -> None:
    shapes = [
        BlockShape(9, 9, 3, 5, 2, 3, 6),
        BlockShape(5, 5, 5, 5, 1, 5, 4),
        BlockShape(5, 5, 5, 2, 1, 3, 3),
    ]
    here = plan(mbconv_chain(shapes))
    code = (
        "from mcu_nas.spaces.mbconv import BlockShape, add_block\n"
        "from mcu_nas.spaces.builder import NetworkBuilder\n"
        "from mcu_nas.compiler.planner import plan\n"
        "from tests.compiler.test_planner import mbconv_chain\n"
        f"print(sorted(plan(mbconv_chain({shapes})).offsets.items()))"
    )
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
        cwd=Path(__file__).parents[2],
    )
    assert done.stdout.strip() == str(sorted(here.offsets.items()))


def test_search_cut_short_still_gives_a_layout_without_overlap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout, "SEARCH_NODES", 3)
    monkeypatch.setattr(layout, "BISECTION_NODES", 3)
    rng = np.random.default_rng(0)
    for _ in range(500):
        spans = np.sort(rng.integers(0, 6, (7, 2)), axis=1)
        sizes = rng.integers(1, 50, 9)
        buffers = [layout.Buffer((n,), int(sizes[n]), int(a), int(b)) for n, (a, b) in enumerate(spans)]
        buffers.append(layout.Buffer((7,), int(sizes[7]), 0, int(rng.integers(0, 6)), enters=True))
        buffers.append(layout.Buffer((8,), int(sizes[8]), int(rng.integers(0, 6)), 5, leaves=True))
        found = layout.lay_out(buffers)
        placed = list(zip(found.buffers, found.offsets, strict=True))
        for number, (one, low) in enumerate(placed):
            assert 0 <= low <= found.peak_bytes - one.bytes
            assert not one.enters or low == 0
            assert not one.leaves or low in (0, found.peak_bytes - one.bytes)
            for other, other_low in placed[number + 1 :]:
                assert not one.meets(other) or low + one.bytes <= other_low or other_low + other.bytes <= low
