"""A compiled model on an emulated board, asked over its serial line: the same bytes as on the host."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from mcu_nas.boards import load_board
from mcu_nas.compiler.emit import write_sources
from mcu_nas.compiler.program import Program
from mcu_nas.devices.build import build_firmware
from mcu_nas.devices.emulator import emulate
from mcu_nas.devices.host import HostModel
from mcu_nas.devices.measurement import measure_accuracy, measure_latency, measure_layers
from mcu_nas.devices.serial_link import DeviceLink


@contextmanager
def device(program: Program, board_name: str, folder: Path) -> Iterator[DeviceLink]:
    board = load_board(board_name)
    write_sources(program, folder / "c")
    image = build_firmware(folder / "c", program.name, board, folder)
    with emulate(board, image.elf) as port, DeviceLink(port, board.serial.baud) as link:
        yield link


@pytest.mark.parametrize("board_name", ["qemu-cortex-m7", "qemu-cortex-m4"])
def test_emulated_board_gives_the_hosts_outputs(program: Program, board_name: str, tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (8, 12, 12, 3), dtype=np.uint8)
    expected = HostModel(program).run((images ^ 0x80).view(np.int8))
    with device(program, board_name, tmp_path) as link:
        hello = link.hello()
        assert (hello.model, hello.model_hash) == ("small", "0123456789abcdef")
        assert (hello.arena_bytes, hello.input_bytes, hello.output_bytes) == (program.arena_bytes, 432, 10)
        for image, outputs in zip(images, expected, strict=True):
            link.load(image.tobytes())
            link.infer(runs=2, warmup=1)
            assert link.outputs().tolist() == outputs.reshape(-1).tolist()
        accuracy = measure_accuracy(link, images[:4], expected[:4].argmax(axis=-1), emulated=True)
        assert (accuracy.correct, accuracy.count, accuracy.kind) == (4, 4, "emulated")


def test_emulated_counts_are_the_same_in_every_run_and_boot(program: Program, tmp_path: Path) -> None:
    image = np.random.default_rng(1).integers(0, 256, (12, 12, 3), dtype=np.uint8)
    counts = []
    for boot in ("first", "second"):
        with device(program, "qemu-cortex-m7", tmp_path / boot) as link:
            layers = measure_layers(link, image, emulated=True)
            link.load(image.tobytes())
            latency = measure_latency(link, runs=3, warmup=1, emulated=True)
            memory = link.memory()
        counts.append((latency, layers))
        assert latency.least == latency.median == latency.most
        assert str(latency.unit) == "instructions (emulated)"
        assert latency.milliseconds is None
        assert [layer.name for layer in layers.layers] == [
            "CONV_2D",
            "DEPTHWISE_CONV_2D",
            "CONV_2D",
            "ADD",
            "MEAN",
            "FULLY_CONNECTED",
        ]
        # Apart, each layer carries its own reading of the timer.
        assert latency.median < layers.total < 1.1 * latency.median
        assert 0 < memory.stack_used < memory.stack_bytes
    assert counts[0] == counts[1]
