"""The STM32F746 image, unchanged, on a simulated part: boot, hello, load, infer, outputs and results."""

from __future__ import annotations

import re
import zlib
from pathlib import Path

import numpy as np
import pytest

from mcu_nas.boards import load_board
from mcu_nas.compiler.emit import write_sources
from mcu_nas.compiler.program import Program
from mcu_nas.devices.build import build_firmware
from mcu_nas.devices.host import HostModel
from tests.devices.stm32f746_simulator import Stm32F746


@pytest.fixture(scope="module")
def elf(program: Program, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("f746")
    write_sources(program, folder / "c")
    return build_firmware(folder / "c", program.name, load_board("stm32f746g-disco"), folder).elf


def ask(part: Stm32F746, command: str) -> list[str]:
    part.send(f"{command}%".encode())
    return part.read_until(b"m-ready\r\n").decode().split("\r\n")[:-2]


def test_f746_image_gives_the_hosts_outputs(elf: Path, program: Program) -> None:
    part = Stm32F746(elf)
    boot = part.read_until(b"m-ready\r\n").decode().split("\r\n")
    assert boot[0] == "m-hello-[small 0123456789abcdef]"
    assert boot[3:] == ["m-init-done", "m-ready", ""]
    assert ask(part, "name") == ["m-name-dut-[STM32F746G-DISCO]"]
    assert ask(part, "clock") == ["m-clock-hz-216000000", "m-timer-[cycles]", "m-timer-hz-216000000"]

    image = np.random.default_rng(2).integers(0, 256, (12, 12, 3), dtype=np.uint8)
    data = image.tobytes()
    assert ask(part, f"db load {len(data)}") == [f"m-[Expecting {len(data)} bytes]"]
    answers = [ask(part, f"db {data[i : i + 38].hex()}") for i in range(0, len(data), 38)]
    assert answers[:-1] == [[]] * (len(answers) - 1)
    assert answers[-1] == ["m-load-done"]
    assert ask(part, "crc") == [f"m-crc-{zlib.crc32(data):08x}"]

    expected = HostModel(program).run((image[None] ^ 0x80).view(np.int8)).reshape(-1)
    infer = ask(part, "infer 2 1")
    assert [re.sub(r"(lap-us|results)-.*", r"\1", line) for line in infer] == [
        "m-warmup-start-1",
        "m-warmup-done",
        "m-infer-start-2",
        *["m-lap-us"] * 2,
        "m-infer-done",
        "m-results",
    ]
    assert ask(part, "outputs") == [f"m-outputs-{expected.tobytes().hex()}"]

    graph = program.graph
    quantization = graph.quantization[graph.network.outputs[0]]
    real = (expected.astype(float) - quantization.zero_point) * quantization.scale
    said = [float(number) for number in ask(part, "results")[0].removeprefix("m-results-[")[:-1].split(",")]
    assert said == pytest.approx(real.tolist(), abs=0.000501)
