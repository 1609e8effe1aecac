"""A model that takes pixels, on the emulated M7: everything that `measure` asks of a device."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mcu_nas.boards import load_board
from mcu_nas.compiler.emit import write_sources
from mcu_nas.compiler.program import Encoding, compile_graph
from mcu_nas.devices.build import build_firmware
from mcu_nas.devices.emulator import emulate
from mcu_nas.devices.host import HostModel
from mcu_nas.devices.measurement import measure_accuracy, measure_latency, measure_layers
from mcu_nas.devices.serial_link import DeviceLink
from tests.graphs import GraphMaker


def test_an_emulated_board_classifies_pixels_as_the_host_does(tmp_path: Path) -> None:
    make = GraphMaker(seed=3)
    pixels = make.activation("pixels", (1, 12, 12, 3))
    stem = make.conv(pixels, 8, (3, 3), stride=(2, 2))
    classes = make.fully_connected(make.mean(stem), 10)
    graph = make.graph((pixels,), (classes,))
    program = compile_graph(graph, "small", "0123456789abcdef", Encoding.PIXEL_U8)
    images = np.random.default_rng(0).integers(0, 256, (6, 12, 12, 3), dtype=np.uint8)
    expected = HostModel(program).run((images ^ 0x80).view(np.int8))
    scale, zero_point = graph.quantization[classes].scale, graph.quantization[classes].zero_point

    board = load_board("qemu-cortex-m7")
    write_sources(program, tmp_path / "c")
    image = build_firmware(tmp_path / "c", program.name, board, tmp_path)
    with emulate(board, image.elf) as port, DeviceLink(port, board.serial.baud) as link:
        info = link.hello()
        assert (info.input_encodings, info.input_bytes, info.output_bytes) == (("pixel_u8",), 432, 10)
        accuracy = measure_accuracy(link, images, expected.argmax(axis=-1), emulated=True)
        assert (accuracy.correct, accuracy.count, accuracy.kind) == (6, 6, "emulated")
        real = (expected[-1].astype(float) - zero_point) * scale
        assert link.results() == pytest.approx(real.tolist(), abs=0.000501)
        latency = measure_latency(link, runs=3, warmup=1, emulated=True)
        assert str(latency.unit) == "instructions (emulated)"
        assert latency.milliseconds is None
        layers = measure_layers(link, images[-1], emulated=True)
        assert link.outputs().tolist() == expected[-1].tolist()
        assert layers.macs == 6 * 6 * 8 * 27 + 8 * 10
        assert layers.total == pytest.approx(latency.median, rel=0.02)
        assert 0 <= layers.between <= 8 * len(layers.layers)
        memory = link.memory()
        assert 0 < memory.stack_used < memory.stack_bytes == board.reserve.stack_bytes
        assert memory.arena_bytes == program.arena_bytes
