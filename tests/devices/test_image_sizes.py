"""The parts of a linked image add up to it, and the model's parts are what was generated."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from mcu_nas.boards import load_board
from mcu_nas.compiler.emit import write_sources
from mcu_nas.compiler.planner import Optimize
from mcu_nas.compiler.program import Program, compile_graph
from mcu_nas.compiler.target import Target, targets
from mcu_nas.cost.core_profile import load_core_profile
from mcu_nas.cost.flash import program_code_bytes
from mcu_nas.devices.build import build_firmware
from mcu_nas.devices.image_sizes import ImageSizes, image_sizes
from mcu_nas.operators import Activation
from mcu_nas.quantize.synthetic import random_graph
from mcu_nas.spaces.builder import NetworkBuilder
from tests.graphs import GraphMaker

BOARD = load_board("stm32f746g-disco")

pytestmark = pytest.mark.skipif(not shutil.which("arm-none-eabi-gcc"), reason="no Arm compiler")


def program(classes: int) -> Program:
    maker = GraphMaker(1)
    pixels = maker.activation("pixels", (1, 12, 12, 3))
    x = maker.mean(maker.depthwise(maker.conv(pixels, 8, (3, 3), (2, 2)), 1, (3, 3)))
    return compile_graph(maker.graph((pixels,), (maker.fully_connected(x, classes),)), "net", "0" * 16)


def linked(compiled: Program, folder: Path) -> ImageSizes:
    write_sources(compiled, folder / "c")
    image = build_firmware(folder / "c", compiled.name, BOARD, folder / "out")
    sizes = image_sizes(image, compiled.name)
    assert sizes.flash_bytes == image.flash_bytes
    assert sizes.arena_bytes == image.arena_bytes
    return sizes


def test_parts_are_what_the_model_brings(tmp_path: Path) -> None:
    compiled = program(10)
    sizes = linked(compiled, tmp_path)
    assert sizes.weights_bytes == 8 * 27 + 9 * 8 + 10 * 8
    assert sizes.weights_bytes + sizes.constants_bytes == compiled.constants_bytes
    assert 0 < sizes.model_code_bytes < 2_000
    assert 500 < sizes.kernels_bytes < 8_000
    assert 0 < sizes.rest_bytes <= BOARD.reserve.flash_bytes


def test_more_classes_add_weights_and_constants_only(tmp_path: Path) -> None:
    few, many = (linked(program(classes), tmp_path / str(classes)) for classes in (10, 110))
    assert many.weights_bytes - few.weights_bytes == 100 * 8
    assert many.constants_bytes > few.constants_bytes
    assert (many.model_code_bytes, many.kernels_bytes) == (few.model_code_bytes, few.kernels_bytes)


def test_an_image_holds_no_kernel_that_no_layer_runs(tmp_path: Path) -> None:
    graph, target = program(10).graph, targets(BOARD.core)[0]
    compiled = compile_graph(graph, "net", "0" * 16, optimize=Optimize.SPEED, target=target)
    assert all(call.generated for call in compiled.calls)
    write_sources(compiled, tmp_path / "c")
    image = build_firmware(tmp_path / "c", compiled.name, BOARD, tmp_path / "out")
    listing = subprocess.run(
        ["arm-none-eabi-nm", image.elf], capture_output=True, text=True, check=True
    ).stdout
    linked_functions = set(re.findall(r" [tT] (net_layer_\d+|mcu_\w+_s8)$", listing, re.MULTILINE))
    assert linked_functions == {kernel.symbol for kernel in compiled.generated}


@pytest.mark.parametrize("target", targets(BOARD.core)[:2], ids=lambda target: target.weights)
def test_estimated_code_is_near_what_is_linked(target: Target, tmp_path: Path) -> None:
    builder = NetworkBuilder()
    x = builder.conv("stem", builder.input("pixels", (1, 32, 32, 3)), 16, 3, 2, Activation.RELU6)
    for number, (channels, stride) in enumerate([(32, 1), (32, 2), (48, 1), (48, 1), (48, 1), (96, 2)]):
        x = builder.depthwise(f"depthwise{number}", x, 3, stride, Activation.RELU6)
        x = builder.conv(f"pointwise{number}", x, channels, 1, 1, Activation.RELU6)
    network = builder.build(builder.fully_connected("classes", builder.mean("mean", x), 10))
    graph = random_graph(network, np.random.default_rng(0))
    compiled = compile_graph(graph, "net", "0" * 16, optimize=Optimize.SPEED, target=target)
    sizes = linked(compiled, tmp_path)
    estimate = program_code_bytes(compiled, load_core_profile(BOARD.core))
    assert 1 <= estimate / (sizes.kernels_bytes + sizes.model_code_bytes) < 1.15
