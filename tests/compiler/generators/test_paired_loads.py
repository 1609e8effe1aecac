"""LDRD for LDM: each generated kernel computes the same, and so does a whole model on the emulator."""

from __future__ import annotations

import re

import numpy as np
import pytest

from benchmarks.kernels import layers
from mcu_nas.boards import load_board
from mcu_nas.compiler.catalogue import KERNELS
from mcu_nas.compiler.emit import write_sources
from mcu_nas.compiler.generators.function_text import Assembly, Function
from mcu_nas.compiler.generators.generated import GeneratedKernel
from mcu_nas.compiler.generators.paired_loads import with_paired_loads
from mcu_nas.compiler.program import compile_graph
from mcu_nas.compiler.target import Loads, targets
from mcu_nas.cores import InstructionSet
from mcu_nas.devices.build import build_firmware
from mcu_nas.devices.host import HostModel
from mcu_nas.devices.measurement import measure_layers
from mcu_nas.devices.session import emulated_device
from mcu_nas.operators import Activation
from mcu_nas.quantize.synthetic import random_graph
from mcu_nas.spaces.builder import NetworkBuilder

GENERATED = {
    f"{kernel.name}, {kernel.reads.name} to {kernel.writes.name}": kernel
    for kernel in KERNELS
    if kernel.instruction_set is InstructionSet.ARMV7E_M
}
NETWORKS = [
    layers.convolution((8, 6, 36), 7, (3, 3)),
    layers.convolution((8, 6, 36), 7, (3, 3), activation=Activation.NONE),
    layers.convolution((8, 6, 3), 8, (3, 3)),
    layers.convolution((4, 3, 300), 10),
    layers.convolution((4, 4, 7), 5),
    layers.convolution((4, 4, 8), 20, activation=Activation.NONE),
    layers.before_depthwise((4, 6, 9), 5),
    *(layers.depthwise((7, 9, 5), taps, stride) for taps in (3, 5, 7) for stride in (1, 2)),
    layers.depthwise((6, 6, 8), 3, activation=Activation.NONE),
    layers.depthwise((5, 6, 9), 3),
    layers.fully_connected(76, 39),
    layers.addition((3, 5, 7)),
    layers.mean((5, 5, 10)),
    layers.average_pool((5, 5, 10)),
]
OF_SEVERAL = re.compile(r"^(?:ldm|pop) (?!.*pc)", re.MULTILINE)


def pairs() -> list[tuple[str, int]]:
    """Each row of a generated kernel with each network that it serves."""
    return [
        (name, number)
        for name, kernel in GENERATED.items()
        for number, network in enumerate(NETWORKS)
        if issubclass(type(network.ops[0]), kernel.serves) and kernel.condition(network, network.ops[0])
    ]


@pytest.mark.parametrize(("name", "number"), pairs())
def test_both_forms_compute_the_same(name: str, number: int) -> None:
    network = NETWORKS[number]
    graph, inputs = random_graph(network, np.random.default_rng(number)), layers.random_inputs(network)
    by_form = {loads: layers.run_kernel(graph, GENERATED[name], inputs, loads) for loads in Loads}
    assert np.array_equal(by_form[Loads.LDRD].output, by_form[Loads.LDM].output)
    assert not OF_SEVERAL.search(by_form[Loads.LDRD].assembly)


def test_every_generated_kernel_has_both_forms() -> None:
    assert {name for name, _ in pairs()} == set(GENERATED)


def rewritten(*lines: str) -> list[str]:
    assembly = Assembly((), (Function("f", lines, is_global=True),))
    kernel = with_paired_loads(GeneratedKernel("f", assembly, np.zeros(0, np.uint32), 0, 0))
    return list(kernel.assembly.functions[0].lines)


def test_loads_stand_before_the_multiplication_that_needs_them() -> None:
    assert rewritten(
        "ldm r0!, {r6-r9}", "ldm r1!, {r10, r11}", "smlad r2, r6, r10, r2", "smlad r3, r9, r11, r3"
    ) == [
        "ldrd r6, r7, [r0], #8",
        "ldrd r10, r11, [r1], #8",
        "smlad r2, r6, r10, r2",
        "ldrd r8, r9, [r0], #8",
        "smlad r3, r9, r11, r3",
    ]


@pytest.mark.parametrize(
    "barrier", ["str r2, [r5]", "1: @ loop", "@ inputs", "add r4, r4, #1", "bne 1b", "it eq"]
)
def test_words_are_loaded_before_anything_but_multiplications(barrier: str) -> None:
    assert rewritten("ldm r0!, {r6-r8}", barrier) == ["ldrd r6, r7, [r0], #8", "ldr r8, [r0], #4", barrier]


def test_a_pointer_among_what_it_loads_is_loaded_last() -> None:
    assert rewritten("ldm r1, {r0-r3}") == ["ldrd r2, r3, [r1, #8]", "ldrd r0, r1, [r1, #0]"]


def test_a_register_is_read_before_it_is_loaded_again() -> None:
    assert rewritten("ldm r0!, {r6, r7}", "smlad r2, r6, r7, r2", "ldm r1!, {r6, r7}", "bx lr") == [
        "ldrd r6, r7, [r0], #8",
        "smlad r2, r6, r7, r2",
        "ldrd r6, r7, [r1], #8",
        "bx lr",
    ]


def test_a_function_returns_as_it_did() -> None:
    assert rewritten("pop {r4, r5}", "pop {r4-r11, pc}") == ["ldrd r4, r5, [sp], #8", "pop {r4-r11, pc}"]


def test_a_model_with_paired_loads_on_the_emulator(tmp_path) -> None:
    builder = NetworkBuilder()
    x = builder.conv("stem", builder.input("x", (1, 12, 12, 3)), 8, 3, 1, Activation.RELU6)
    x = builder.depthwise("depthwise", x, 3, 1, Activation.RELU6)
    y = builder.conv("pointwise", x, 12, 1, 1, Activation.NONE)
    z = builder.conv("winograd", y, 12, 3, 1, Activation.NONE)
    x = builder.mean("mean", builder.add("add", y, z))
    network = builder.build(builder.fully_connected("classifier", x, 10))
    graph, board = random_graph(network, np.random.default_rng(1)), load_board("qemu-cortex-m4")
    (pixels,) = layers.random_inputs(network)
    expected = HostModel(compile_graph(graph, "model", "0" * 16)).run(pixels)
    target = targets(board.core, loads=Loads.LDRD)[0]
    program = compile_graph(graph, "model", "0" * 16, target=target)
    write_sources(program, tmp_path / "c")
    assert "ldm" not in (tmp_path / "c" / "model_kernels.S").read_text(encoding="utf-8")
    image = build_firmware(tmp_path / "c", program.name, board, tmp_path)
    with emulated_device(board, image.elf) as link:
        measure_layers(link, pixels[0], emulated=True)
        assert np.array_equal(link.outputs(), expected.reshape(-1))
