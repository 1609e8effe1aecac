"""Kernels in a board's memory for hot code: which, where, and that they run there."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from mcu_nas.board_tables import Placement
from mcu_nas.boards import Board, load_board
from mcu_nas.compiler.emit import write_sources
from mcu_nas.compiler.planner import Optimize
from mcu_nas.compiler.program import Encoding, Program, compile_graph
from mcu_nas.compiler.target import targets
from mcu_nas.devices.build import FirmwareImage, build_firmware
from mcu_nas.devices.host import HostModel
from mcu_nas.devices.hot_code import JUMPS_BYTES
from mcu_nas.devices.toolchain import run_tool
from mcu_nas.network import op_macs
from mcu_nas.operators import Activation
from mcu_nas.quantize.synthetic import random_graph
from mcu_nas.spaces.builder import NetworkBuilder
from mcu_nas.tflite.reader import parse_tflite
from mcu_nas.tflite.writer import serialize_tflite
from tests.devices.stm32f746_simulator import Stm32F746

PX = 8


@pytest.fixture(scope="module")
def board() -> Board:
    return load_board("stm32f746g-disco")


@pytest.fixture(scope="module")
def program() -> Program:
    """Kernels of more than 16 KiB: three of Winograd's, two of which share subroutines, others, and one in C
    without MACs."""
    builder = NetworkBuilder()
    x = builder.input("pixels", (1, PX, PX, 4))
    x = builder.conv("tiles", x, 8, 3, 1, Activation.RELU6)
    x = builder.conv("tiles2", x, 8, 3, 1, Activation.RELU6)
    x = builder.conv("tiles3", x, 32, 3, 1, Activation.RELU6)
    x = builder.depthwise("depthwise", x, 3, 1, Activation.RELU6)
    x = builder.conv("pointwise", x, 9, 1, 1, Activation.NONE)
    x = builder.fully_connected("classes", builder.mean("mean", x), 10)
    read = parse_tflite(
        serialize_tflite(random_graph(builder.build(x), np.random.default_rng(1))), "hot.tflite"
    )
    target = targets("cortex-m7")[0]
    return compile_graph(read, "hot", "0" * 16, optimize=Optimize.SPEED, target=target)


@pytest.fixture(scope="module")
def image(program: Program, board: Board, tmp_path_factory: pytest.TempPathFactory) -> FirmwareImage:
    return built(program, board, tmp_path_factory.mktemp("hot"))


def built(program: Program, board: Board, folder: Path) -> FirmwareImage:
    write_sources(program, folder / "c")
    return build_firmware(folder / "c", program.name, board, folder / "firmware")


def functions(image: FirmwareImage, program: Program) -> dict[str, tuple[int, int]]:
    """Address and bytes of the functions in assembly in an image."""
    listing = run_tool("arm-none-eabi-nm", ["-S", image.elf]).stdout
    found = re.findall(rf"^([0-9a-f]+) ([0-9a-f]+) [tT] ({program.name}_layer\w+)$", listing, re.MULTILINE)
    return {name: (int(address, 16), int(size, 16)) for address, size, name in found}


def parts(program: Program) -> dict[str, set[str]]:
    """The functions that each kernel in assembly is made of, those of an earlier kernel included."""
    own = {part.symbol: part for kernel in program.generated for part in kernel.assembly.functions}
    names = re.compile(rf"\b{program.name}_layer\w+")
    called = {symbol: set(names.findall("\n".join(part.lines))) for symbol, part in own.items()}
    found = {}
    for kernel in program.generated:
        found[kernel.symbol], waiting = set(), {kernel.symbol}
        while waiting:
            found[kernel.symbol] |= waiting
            waiting = set().union(*map(called.get, waiting)) - found[kernel.symbol]
    return found


def test_the_busiest_kernels_lie_in_itcm_and_the_rest_in_flash(
    image: FirmwareImage, program: Program, board: Board
) -> None:
    itcm = board.hot_code_region
    assert itcm is not None
    placed = functions(image, program)
    hot = {name for name, (address, _) in placed.items() if itcm.origin <= address < itcm.end}
    cold = placed.keys() - hot
    assert all(placed[name][0] >= board.largest_region("flash").origin for name in cold)
    kernels = parts(program)
    assert set().union(*kernels.values()) == placed.keys()
    assert hot
    assert hot == set().union(*(names for names in kernels.values() if names <= hot))
    macs: Counter[str] = Counter()
    for call in program.calls:
        if call.generated is not None:
            macs[call.generated.symbol] += op_macs(program.graph.network, call.op)
    room = itcm.bytes - JUMPS_BYTES - image.hot_code_bytes
    left = {name: sum(placed[part][1] for part in names - hot) for name, names in kernels.items()}
    assert any(left.values())
    assert all(bytes_left > room or not macs[name] for name, bytes_left in left.items() if bytes_left)
    assert image.hot_code_bytes <= itcm.bytes


def test_kernels_that_share_subroutines_lie_beside_them(
    image: FirmwareImage, program: Program, board: Board
) -> None:
    itcm, placed, kernels = board.hot_code_region, functions(image, program), parts(program)
    assert itcm is not None
    shared = {name for name in placed if sum(name in names for names in kernels.values()) > 1}
    assert shared
    for name in (kernel for kernel, names in kernels.items() if names & shared):
        assert all(itcm.origin <= placed[part][0] < itcm.end for part in kernels[name])


def test_hot_code_takes_its_place_in_flash_too(
    image: FirmwareImage, program: Program, board: Board, tmp_path
) -> None:
    """Once, but for the linker's jumps and what aligns functions."""
    cold = built(program, board.model_copy(update={"placement": Placement()}), tmp_path)
    assert cold.hot_code_bytes == 0
    assert image.hot_code_bytes > JUMPS_BYTES
    assert abs(image.flash_bytes - cold.flash_bytes) < JUMPS_BYTES


def test_the_image_runs_its_hot_code_and_gives_the_hosts_outputs(
    image: FirmwareImage, program: Program
) -> None:
    pixels = np.random.default_rng(2).integers(-128, 128, (1, PX, PX, 4), dtype=np.int8)
    part = Stm32F746(image.elf)

    def ask(command: str) -> list[str]:
        part.send(f"{command}%".encode())
        return part.read_until(b"m-ready\r\n").decode().split("\r\n")

    part.read_until(b"m-ready\r\n")
    assert program.input_encodings == (Encoding.PIXEL_U8,)
    data = (pixels.view(np.uint8) ^ 0x80).tobytes()
    ask(f"db load {len(data)}")
    for at in range(0, len(data), 32):
        ask(f"db {data[at : at + 32].hex()}")
    ask("infer 1 0")
    (line,) = [line for line in ask("outputs") if line.startswith("m-outputs-")]
    assert (
        bytes.fromhex(line.removeprefix("m-outputs-"))
        == HostModel(program_in_c(program)).run(pixels).tobytes()
    )


def program_in_c(program: Program) -> Program:
    return compile_graph(program.graph, "hot", "0" * 16)


def test_the_stack_is_bounded_through_the_linkers_jumps(
    image: FirmwareImage, program: Program, board: Board, tmp_path
) -> None:
    cold = built(program, board.model_copy(update={"placement": Placement()}), tmp_path)
    assert image.stack_bound == cold.stack_bound
    assert "_veneer" in run_tool("arm-none-eabi-nm", [image.elf]).stdout
