"""Random models that together run every kernel, on emulated cores over their serial lines."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from mcu_nas.boards import Board, load_board
from mcu_nas.compiler.catalogue import kernels_of
from mcu_nas.compiler.emit import write_sources
from mcu_nas.compiler.planner import Optimize
from mcu_nas.compiler.program import Program, compile_graph
from mcu_nas.compiler.target import Target, targets
from mcu_nas.cores import instruction_set
from mcu_nas.devices.build import build_firmware
from mcu_nas.devices.emulator import emulate
from mcu_nas.devices.measurement import input_bytes
from mcu_nas.devices.serial_link import DeviceLink
from mcu_nas.errors import ModelError
from mcu_nas.operators import Activation
from mcu_nas.quantize.synthetic import random_graph
from mcu_nas.spaces.builder import NetworkBuilder
from mcu_nas.tflite.reader import parse_tflite
from mcu_nas.tflite.writer import serialize_tflite
from tests.random_models.comparison import compile_model
from tests.random_models.model import random_model
from tests.reference import assert_same_outputs, reference_outputs, sample_inputs

CANDIDATES = range(100_001, 100_201, 2)  # odd numbers have several operators
MODELS = 12
MOST_OUTPUT_BYTES = 1024  # HARNESS_OUTPUT_BYTES of firmware/harness/inference.h
# Kernels that want groups of channels or of pixels, which random models do not have.
IN_GROUPS = (
    {"winograd_2x2", "winograd_4x4", "pointwise_pairs", "conv_rows"},
    {"winograd_2x2_bytes", "winograd_4x4_bytes", "pointwise_pairs_bytes", "pointwise_blocks", "conv_rows"},
)
TARGETS = targets("cortex-m7")


def kernels_that_run(program: Program) -> set[str]:
    return {call.kernel.name for call in program.calls if not program.is_view(call)}


def compiled(core: str) -> Iterator[tuple[int, Program]]:
    """The candidates that are within the arithmetic and whose outputs the harness can hold."""
    for seed in CANDIDATES:
        target = targets(core)[seed // 4 % len(targets(core))]
        try:
            program = compile_model(seed, random_model(seed), target)
        except ModelError:
            continue
        network = program.graph.network
        if sum(network.tensors[tensor].bytes for tensor in network.outputs) <= MOST_OUTPUT_BYTES:
            yield seed, program


def covering(candidates: dict[int, Program]) -> list[int]:
    """Models that bring the most kernels which no earlier one has, then those that have most operators."""
    ran: set[str] = set()
    chosen: list[int] = []

    def gain(seed: int) -> tuple[int, int, int]:
        program = candidates[seed]
        return len(kernels_that_run(program) - ran), len(program.calls), seed

    for _ in range(MODELS):
        chosen.append(max(candidates.keys() - chosen, key=gain))
        ran |= kernels_that_run(candidates[chosen[-1]])
    return chosen


def outputs_of_board(board: Board, program: Program, inputs: list[np.ndarray], folder: Path) -> np.ndarray:
    """int8 (N, bytes)."""
    write_sources(program, folder / "c")
    firmware = build_firmware(folder / "c", program.name, board, folder)
    outputs = []
    with emulate(board, firmware.elf) as port, DeviceLink(port, board.serial.baud) as link:
        info = link.hello()
        for sample in zip(*inputs, strict=True):
            link.load(input_bytes(info, *sample))
            link.infer(1, 0)
            outputs.append(link.outputs())
        assert firmware.stack_bound is not None
        assert link.memory().stack_used <= firmware.stack_bound.firmware_bytes
    return np.stack(outputs)


@pytest.mark.parametrize("name", [f"qemu-cortex-{core}" for core in ("m7", "m33", "m55", "m0")])
def test_random_models_that_run_every_kernel_equal_the_reference_on_the_emulated_core(name, tmp_path):
    board = load_board(name)
    candidates = dict(compiled(board.core))
    ran: set[str] = set()
    for seed in covering(candidates):
        program, graph = candidates[seed], random_model(seed)
        inputs = [array[1:5] for array in sample_inputs(graph, 2, seed)]
        got = outputs_of_board(board, program, inputs, tmp_path / str(seed))
        expected = reference_outputs(graph, *inputs).reshape(len(got), -1)
        assert_same_outputs(got, expected, *inputs)
        ran |= kernels_that_run(program)
    every_kernel = {kernel.name for kernel in kernels_of(instruction_set(board.core))}
    assert ran >= every_kernel - set.union(*IN_GROUPS)


@pytest.mark.parametrize("name", ["qemu-cortex-m7", "qemu-cortex-m33"])
@pytest.mark.parametrize(("target", "kernels"), list(zip(TARGETS, IN_GROUPS, strict=False)))
def test_convolutions_in_groups_equal_the_reference_on_the_emulated_core(
    target: Target, kernels: set[str], name: str, tmp_path: Path
) -> None:
    builder = NetworkBuilder()
    x = builder.input("pixels", (1, 11, 12, 3))
    x = builder.conv("first", x, 8, 3, 1, Activation.RELU6)
    x = builder.conv(
        "large", builder.conv("pointwise", x, 8, 1, 1, Activation.RELU6), 8, 3, 1, Activation.RELU6
    )
    x = builder.conv(
        "projected", builder.conv("expanded", x, 20, 1, 1, Activation.RELU), 8, 1, 1, Activation.NONE
    )
    x = builder.conv("smaller", x, 16, 3, 2, Activation.NONE)
    x = builder.conv("padded", x, 15, 3, 1, Activation.NONE)
    x = builder.conv("few", x, 8, 3, 2, Activation.RELU)
    x = builder.conv("small", x, 5, 3, 1, Activation.NONE)
    x = builder.conv("smallest", builder.conv("wide", x, 8, 1, 2, Activation.NONE), 9, 3, 1, Activation.RELU)
    graph = random_graph(builder.build(x), np.random.default_rng(3))
    read = parse_tflite(serialize_tflite(graph), "tiles.tflite")
    program = compile_graph(read, "tiles", "0" * 16, optimize=Optimize.SPEED, target=target)
    assert kernels_that_run(program) >= kernels
    inputs = [array[:4] for array in sample_inputs(graph, 2, 0)]
    got = outputs_of_board(load_board(name), program, inputs, tmp_path)
    assert_same_outputs(got, reference_outputs(graph, *inputs).reshape(len(got), -1), *inputs)


@pytest.mark.parametrize("target", TARGETS[:2])
def test_layers_that_share_functions_equal_the_reference_on_the_emulated_core(
    target: Target, tmp_path: Path
) -> None:
    builder = NetworkBuilder()
    x = builder.conv("first", builder.input("pixels", (1, 9, 11, 3)), 16, 3, 1, Activation.RELU6)
    for number in range(3):
        expanded = builder.conv(f"expanded{number}", x, 40, 1, 1, Activation.RELU6)
        inner = builder.depthwise(f"depthwise{number}", expanded, 3, 1, Activation.RELU6)
        x = builder.add(
            f"sum{number}", x, builder.conv(f"projected{number}", inner, 16, 1, 1, Activation.NONE)
        )
    few = builder.conv("few", x, 8, 3, 2, Activation.RELU)
    graph = random_graph(builder.build(few), np.random.default_rng(5))
    read = parse_tflite(serialize_tflite(graph), "blocks.tflite")
    program = compile_graph(read, "blocks", "0" * 16, optimize=Optimize.SPEED, target=target)
    assert len({kernel.symbol for kernel in program.generated}) <= len(program.generated) - 6
    inputs = [array[:4] for array in sample_inputs(graph, 2, 0)]
    got = outputs_of_board(load_board("qemu-cortex-m7"), program, inputs, tmp_path)
    assert_same_outputs(got, reference_outputs(graph, *inputs).reshape(len(got), -1), *inputs)
