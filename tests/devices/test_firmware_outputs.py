"""Boot, hello, load, infer, outputs: the whole firmware equals tflite-micro bit for bit.

On the emulated boards through the serial link, and in the STM32F746 image unchanged on a simulated part.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from mcu_nas.boards import Board, load_board
from mcu_nas.compiler.emit import write_sources
from mcu_nas.compiler.program import Program, compile_graph
from mcu_nas.devices.build import FirmwareImage, build_firmware
from mcu_nas.devices.emulator import emulate
from mcu_nas.devices.measurement import input_bytes, measure_latency, measure_layers
from mcu_nas.devices.serial_link import DeviceLink
from mcu_nas.operators import Activation
from tests.devices.stm32f746_simulator import Stm32F746
from tests.graphs import GraphMaker
from tests.reference import assert_same_outputs, reference_outputs, sample_inputs

EMULATED = [f"qemu-cortex-{core}" for core in ("m7", "m4", "m3", "m33", "m0", "m55")]
HASH = "0123456789abcdef"


@dataclass(frozen=True, eq=False)
class Model:
    """A small residual network: its generated C, inputs int8 (N, 24, 24, 2), expected int8 (N, 10)."""

    program: Program
    sources: Path
    inputs: np.ndarray
    expected: np.ndarray

    def firmware(self, board: Board, out_dir: Path) -> FirmwareImage:
        return build_firmware(self.sources, self.program.name, board, out_dir)


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Model:
    maker = GraphMaker(5)
    x = source = maker.activation("pixels", (1, 24, 24, 2))
    x = maker.conv(x, 12, (3, 3), (2, 2), activation=Activation.RELU6)
    y = maker.conv(maker.depthwise(maker.conv(x, 36, (1, 1)), 1, (5, 5)), 12, (1, 1))
    x = maker.fully_connected(maker.mean(maker.pool(maker.add(x, y), (2, 2), (2, 2))), 10)
    graph = maker.graph((source,), (x,))
    program = compile_graph(graph, "small", HASH)
    sources = tmp_path_factory.mktemp("small")
    write_sources(program, sources)
    (inputs,) = sample_inputs(graph, count=2, seed=3)
    return Model(program, sources, inputs, reference_outputs(graph, inputs))


@pytest.mark.parametrize("name", EMULATED)
def test_outputs_of_the_emulated_board_equal_the_reference(model, name, tmp_path):
    board = load_board(name)
    image = model.firmware(board, tmp_path)
    outputs = []
    with emulate(board, image.elf) as port, DeviceLink(port, board.serial.baud) as link:
        info = link.hello()
        assert (info.board, info.model, info.model_hash) == (board.title, "small", HASH)
        for sample in model.inputs:
            link.load(input_bytes(info, sample))
            link.infer(1, 0)
            outputs.append(link.outputs().reshape(-1))
    assert_same_outputs(np.stack(outputs), model.expected, model.inputs)


def test_code_for_a_cortex_m0plus_runs_on_the_emulated_cortex_m0(model, tmp_path):
    board = load_board("qemu-cortex-m0").model_copy(update={"core": "cortex-m0plus"})
    image = model.firmware(board, tmp_path)
    with emulate(board, image.elf) as port, DeviceLink(port, board.serial.baud) as link:
        link.load(input_bytes(link.hello(), model.inputs[0]))
        link.infer(1, 0)
        assert_same_outputs(link.outputs().reshape(1, -1), model.expected[:1], model.inputs[:1])


def test_instruction_counts_repeat_and_layers_add_up(model, tmp_path):
    board = load_board("qemu-cortex-m7")
    image = model.firmware(board, tmp_path)
    totals, layers = set(), set()
    for _ in range(2):
        with (
            emulate(board, image.elf) as port,
            DeviceLink(port, board.serial.baud) as link,
        ):
            link.load(input_bytes(link.hello(), model.inputs[-1]))
            latency = measure_latency(link, runs=3, warmup=1, emulated=True)
            totals |= {latency.least, latency.median, latency.most}
            layers.add(measure_layers(link, model.inputs[-1], emulated=True))
    (measured,) = layers
    assert [layer.name for layer in measured.layers] == [call.op.tflite_name for call in model.program.calls]
    # After the first run the input holds leftovers, on which a kernel's branches may differ a little.
    assert max(totals) - min(totals) <= max(totals) // 1000
    assert measured.total == pytest.approx(max(totals), rel=0.01)


def test_a_layer_that_runs_nothing_counts_nothing(tmp_path):
    maker = GraphMaker(6)
    source = maker.activation("pixels", (1, 6, 6, 2))
    pooled = maker.pool(source, (2, 2), (2, 2))
    flat = maker.reshape(pooled, (1, 18))
    program = compile_graph(maker.graph((source,), (maker.fully_connected(flat, 4),)), "flat", HASH)
    write_sources(program, tmp_path)
    board = load_board("qemu-cortex-m7")
    image = build_firmware(tmp_path, program.name, board, tmp_path)
    with emulate(board, image.elf) as port, DeviceLink(port, board.serial.baud) as link:
        measured = measure_layers(link, np.zeros((6, 6, 2), np.int8), emulated=True)
    assert [layer.count == 0 for layer in measured.layers] == [program.is_view(c) for c in program.calls]
    assert any(program.is_view(call) for call in program.calls)


@pytest.mark.parametrize("crystal", [True, False])
def test_the_unchanged_stm32f746_image_equals_the_reference(model, crystal, tmp_path):
    board = load_board("stm32f746g-disco")
    part = Stm32F746(model.firmware(board, tmp_path).elf, crystal=crystal)

    def ask(command: str) -> list[str]:
        part.send(f"{command}%".encode())
        return part.read_until(b"m-ready\r\n").decode().split("\r\n")

    assert "m-init-done" in part.read_until(b"m-ready\r\n").decode().split("\r\n")
    assert ask("name")[0] == f"m-name-dut-[{board.title}]"
    assert f"m-model-hash-[{HASH}]" in ask("model")
    assert ask("clock")[0] == f"m-clock-hz-{216_000_000 if crystal else 16_000_000}"
    outputs = []
    for sample in model.inputs:
        data = sample.tobytes()
        ask(f"db load {len(data)}")
        *_, last = [ask(f"db {data[at : at + 32].hex()}") for at in range(0, len(data), 32)]
        assert last[0] == "m-load-done"
        inferred = ask("infer 1 0")
        assert "m-infer-done" in inferred
        (results,) = [line for line in inferred if line.startswith("m-results-[")]
        assert ask("results")[0] == results
        outputs.append(np.frombuffer(bytes.fromhex(ask("outputs")[0].removeprefix("m-outputs-")), np.int8))
    assert_same_outputs(np.stack(outputs), model.expected, model.inputs)


def test_the_image_takes_the_arena_that_was_planned(model, tmp_path):
    image = model.firmware(load_board("stm32f746g-disco"), tmp_path)
    assert image.arena_bytes == (model.program.arena_bytes + 3) // 4 * 4
    assert image.constant_bytes >= model.program.constants_bytes
