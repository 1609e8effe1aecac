"""Formats between kernels: who may hand on what, in how much memory, and with the same outputs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mcu_nas.boards import load_board
from mcu_nas.compiler.emit import emit_sources, write_sources
from mcu_nas.compiler.generators.formats import Format
from mcu_nas.compiler.kernel import Kernel
from mcu_nas.compiler.planner import Optimize, Plan, plan, plan_formats
from mcu_nas.compiler.program import compile_graph
from mcu_nas.compiler.target import PORTABLE, Target, WeightStorage
from mcu_nas.compiler.tensor_formats import FORMAT_ALIGN
from mcu_nas.cores import InstructionSet
from mcu_nas.devices.build import build_firmware
from mcu_nas.devices.host import HostModel
from mcu_nas.devices.session import emulated_device
from mcu_nas.network import Network
from mcu_nas.operators import Activation
from mcu_nas.quantize.synthetic import random_graph
from mcu_nas.spaces.builder import NetworkBuilder

TARGETS = [Target(InstructionSet.ARMV7E_M, weights) for weights in WeightStorage]


def separable(side: int = 8, channels: int = 12, blocks: int = 2, wide: int = 96) -> Network:
    """A wide tensor, which leaves the others room; then so many depthwise separable blocks, and a mean."""
    builder = NetworkBuilder()
    x = builder.conv("wide", builder.input("x", (1, side, side, 4)), wide, 1, 1, Activation.RELU6)
    x = builder.conv("narrow", x, channels, 1, 1, Activation.RELU6)
    for number in range(blocks):
        x = builder.depthwise(f"depthwise{number}", x, 3, 1, Activation.RELU6)
        x = builder.conv(f"pointwise{number}", x, channels + number, 1, 1, Activation.RELU6)
    return builder.build(builder.mean("mean", x))


def handed_on(network: Network, target: Target, optimize: Optimize = Optimize.SPEED) -> Plan:
    return plan_formats(network, plan(network, optimize, target))


def written_by(network: Network, name: str) -> int:
    (tensor,) = (tensor for tensor in network.lifetimes if network.tensors[tensor].name.startswith(name))
    return tensor


def kernel_of(network: Network, kernels: tuple[Kernel, ...], tensor: int) -> Kernel:
    return next(k for op, k in zip(network.ops, kernels, strict=True) if tensor in op.outputs)


def overlapping(network: Network, found: Plan, tensor: int) -> list[range]:
    """The memory of other activations and of scratch that shares bytes with an activation while it lives."""
    first, last = network.lifetimes[tensor]
    others = {other for at in range(first, last + 1) for other in network.live_at(at)} - {tensor}
    spans = [(found.offsets[other], found.tensor_bytes(network, other)) for other in others]
    spans += [
        (begin, found.kernels[at].scratch_bytes(network, network.ops[at]))
        for at, begin in found.scratch.items()
        if first <= at <= last
    ]
    begin, end = found.offsets[tensor], found.offsets[tensor] + found.tensor_bytes(network, tensor)
    assert end <= found.arena_bytes
    return [range(low, low + size) for low, size in spans if low < end and begin < low + size]


@pytest.mark.parametrize("target", TARGETS)
def test_depthwise_hands_pairs_to_the_pointwise_that_alone_reads_it(target: Target) -> None:
    network = separable()
    found = handed_on(network, target)
    between = written_by(network, "depthwise1")
    assert found.formats[between] is Format.PAIRS
    assert kernel_of(network, found.kernels, between).writes is Format.PAIRS
    assert found.tensor_bytes(network, between) == 2 * network.tensors[between].bytes
    assert found.offsets[between] % FORMAT_ALIGN == 0


@pytest.mark.parametrize("target", TARGETS)
def test_pointwise_hands_planes_to_the_depthwise_that_alone_reads_it(target: Target) -> None:
    network = separable(side=8)
    found = handed_on(network, target)
    between = written_by(network, "pointwise0")
    assert found.formats[between] is Format.PLANES
    assert kernel_of(network, found.kernels, between).writes is Format.PLANES
    assert found.tensor_bytes(network, between) == 2 * 10 * 10 * 12
    assert found.offsets[between] % FORMAT_ALIGN == 0


def test_planes_that_no_store_reaches_stay_nhwc() -> None:
    found = handed_on(separable(side=46, wide=200), TARGETS[0])
    assert Format.PLANES not in found.formats.values()
    assert Format.PAIRS in found.formats.values()


def test_c_and_what_is_output_or_read_twice_stay_nhwc() -> None:
    network = separable(blocks=1)
    between = written_by(network, "depthwise0")
    assert between in handed_on(network, TARGETS[0]).formats
    assert not handed_on(network, PORTABLE).formats
    also_output = replace(network, outputs=(*network.outputs, between))
    assert between not in handed_on(also_output, TARGETS[0]).formats
    builder = NetworkBuilder()
    x = builder.conv("wide", builder.input("in", (1, 8, 8, 4)), 96, 1, 1, Activation.RELU6)
    x = builder.depthwise("x", builder.conv("narrow", x, 12, 1, 1, Activation.RELU6), 3, 1, Activation.RELU6)
    y = builder.conv("y", x, 12, 1, 1, Activation.RELU6)
    read_twice = builder.build(builder.add("sum", x, y))
    assert x not in handed_on(read_twice, TARGETS[0]).formats


def test_rows_of_an_odd_number_of_pixels_stay_nhwc() -> None:
    assert not handed_on(separable(side=7), TARGETS[0]).formats


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("optimize", [Optimize.SPEED, Optimize.MEMORY])
def test_a_format_lies_alone_within_the_arena_that_the_plan_has_anyway(
    target: Target, optimize: Optimize
) -> None:
    counts = []
    for wide in range(12, 97, 7):
        network = separable(blocks=3, wide=wide)
        found = handed_on(network, target, optimize)
        assert found.arena_bytes == plan(network, optimize, target).arena_bytes
        for tensor in found.formats:
            assert not overlapping(network, found, tensor)
        counts.append(len(found.formats))
    assert counts[0] < counts[-1]


@pytest.mark.parametrize("target", TARGETS)
def test_kernels_that_refuse_a_layer_hand_nothing_on(target: Target) -> None:
    network = separable(blocks=1)
    (tensor,) = handed_on(network, target).formats
    number = next(at for at, op in enumerate(network.ops) if tensor in op.outputs)
    refused = frozenset((number, name) for name in ("depthwise_planes", "depthwise_plane"))
    found = plan_formats(network, plan(network, Optimize.SPEED, target, refused=refused), refused)
    assert not found.formats


@pytest.mark.parametrize("target", TARGETS)
def test_emulated_outputs_equal_those_in_c(target: Target, tmp_path: Path) -> None:
    network = separable(side=6, channels=13, blocks=3)
    graph = random_graph(network, np.random.default_rng(4))
    program = compile_graph(graph, "separable", "0" * 16, optimize=Optimize.SPEED, target=target)
    assert len(program.plan.formats) > 1
    assert " in PAIRS at " in emit_sources(program)["separable.c"]
    pixels = np.random.default_rng(5).integers(0, 256, network.shape(network.inputs[0]), dtype=np.uint8)
    expected = HostModel(compile_graph(graph, "separable", "0" * 16)).run((pixels ^ 0x80).view(np.int8))
    write_sources(program, tmp_path / "c")
    board = load_board("qemu-cortex-m7")
    image = build_firmware(tmp_path / "c", program.name, board, tmp_path)
    with emulated_device(board, image.elf) as link:
        link.load(pixels[0].tobytes())
        link.infer()
        outputs = link.outputs()
    assert np.array_equal(outputs.reshape(-1), expected.reshape(-1).view(outputs.dtype))
