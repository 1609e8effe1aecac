"""The host's end of the line, over a real pseudo-terminal with pyserial, against the harness as a process."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import serial

from mcu_nas.devices.answers import ClockInfo, DeviceInfo, LayerCount
from mcu_nas.devices.serial_link import DeviceLink
from mcu_nas.errors import DeviceError, UsageError
from tests.harness.toy_device import on_terminal, terminal

PIXELS = bytes(range(12))
RESETS, HANGS, BABBLES = (bytes([first]) + bytes(11) for first in (0xEE, 0xDD, 0xCC))


@pytest.fixture
def link(port: str) -> Iterator[DeviceLink]:
    with DeviceLink(port, timeout=2.0, run_timeout=0.3) as link:
        yield link


def test_hello_names_board_and_model(link: DeviceLink) -> None:
    assert link.hello() == DeviceInfo("toy board", "toy", "0123456789abcdef", ("pixel_u8",), 12, 3, 12, 2)


def test_clock_says_what_the_timer_counts(link: DeviceLink) -> None:
    assert link.clock() == ClockInfo(core_hz=1_000_000_000, timer="ticks", timer_hz=1_000_000_000)


def test_an_input_goes_in_and_its_outputs_come_back(link: DeviceLink) -> None:
    link.load(PIXELS)
    timing = link.infer(runs=3, warmup=2)
    assert timing.runs == 3
    assert 0 < timing.least <= timing.most <= timing.total
    assert link.outputs().tolist() == [3 - 128, 7 - 128, 11 - 128]
    assert link.outputs().dtype == np.int8
    assert link.results() == (0.012, 0.027, -0.918)


def test_each_of_many_inputs_gives_its_own_outputs(link: DeviceLink) -> None:
    rng = np.random.default_rng(0)
    for pixels in rng.integers(0, 0xCC, (50, 12), dtype=np.uint8):
        link.load(pixels.tobytes())
        link.infer()
        expected = pixels.reshape(3, 4).max(axis=1) ^ 0x80
        assert link.outputs().tolist() == expected.view(np.int8).tolist()


def test_layers_are_timed_one_by_one_and_give_the_outputs(link: DeviceLink) -> None:
    link.load(PIXELS)
    counts = link.layers()
    assert [(layer.name, layer.macs) for layer in counts.layers] == [("CUSTOM", 0), ("MAX_POOL_2D", 12)]
    assert counts.total == sum(layer.ticks for layer in counts.layers)
    assert counts.timing < counts.total
    assert isinstance(counts.layers[0], LayerCount)
    assert link.outputs().tolist() == [3 - 128, 7 - 128, 11 - 128]


def test_memory_knows_the_stack_from_above_and_below(link: DeviceLink) -> None:
    memory = link.memory()
    assert 0 < memory.stack_used < memory.stack_bytes == 65536
    assert memory.arena_bytes == 12


def test_an_input_of_another_size_is_refused_before_it_is_sent(link: DeviceLink) -> None:
    with pytest.raises(UsageError, match=r"^the input has 11 bytes: the model takes 12$"):
        link.load(PIXELS[:11])


def test_a_refused_command_is_an_error_with_the_devices_reason(link: DeviceLink) -> None:
    with pytest.raises(DeviceError, match=r"the device refuses 'infer 1 0%': No input is loaded$"):
        link.infer()
    link.load(PIXELS)  # and the line is still in step


def test_board_that_resets_mid_inference_gives_error_not_number(link: DeviceLink) -> None:
    link.load(RESETS)
    with pytest.raises(DeviceError, match=r"the device restarted instead of answering 'infer 5 0%'"):
        link.infer(runs=5)


def test_board_that_resets_mid_layer_gives_error_not_number(link: DeviceLink) -> None:
    link.load(RESETS)
    with pytest.raises(DeviceError, match=r"the device restarted instead of answering 'layers%'"):
        link.layers()


def test_board_that_hangs_mid_inference_gives_error_not_number(port: str) -> None:
    with DeviceLink(port, timeout=0.3, run_timeout=0.1) as link:
        link.load(HANGS)
        with pytest.raises(DeviceError, match=r"no answer to 'infer 2 1%' within 0\.6 s"):
            link.infer(runs=2, warmup=1)


def test_board_that_babbles_mid_inference_gives_error_not_number(link: DeviceLink) -> None:
    link.load(BABBLES)
    with pytest.raises(DeviceError, match=r"is no answer to 'infer 1 0%': is the baud rate right"):
        link.infer()


def test_device_that_dies_gives_one_line(toy_device: Path) -> None:
    with on_terminal(toy_device) as attached, DeviceLink(attached.port, timeout=0.3) as link:
        link.command("name")
        attached.process.kill()
        with pytest.raises(DeviceError, match=r"no answer to 'name%' within 0\.3 s"):
            link.command("name")


def test_half_a_command_of_an_interrupted_program_does_no_harm(port: str) -> None:
    with serial.Serial(port) as interrupted:
        interrupted.write(b"db load 12%db 0001")
        interrupted.flush()
    with DeviceLink(port) as link:
        link.load(PIXELS)


def test_silent_port_is_named_with_what_to_check() -> None:
    with terminal() as (_, path), pytest.raises(DeviceError) as caught, DeviceLink(path, timeout=0.3):
        pass
    assert str(caught.value) == (
        f"{path} at 115200 baud: no answer to 'name%' within 0.3 s:"
        " is the firmware flashed, and the port right?"
    )


@contextmanager
def answering(text: bytes) -> Iterator[str]:
    """A port at which something that is not our firmware says ``text`` again and again."""
    stop = threading.Event()
    with terminal() as (master, path):

        def babble() -> None:
            while not stop.is_set():
                os.write(master, text)
                time.sleep(0.01)

        thread = threading.Thread(target=babble)
        thread.start()
        try:
            yield path
        finally:
            stop.set()
            thread.join()


@pytest.mark.parametrize("text", [b"\xff\xfe\x00\x80", b"login: ", b"m-ready\r\n", b"m-name-dut-[x]\r\n"])
def test_port_with_another_device_is_an_error_within_the_time_limit(text: bytes) -> None:
    with (
        answering(text) as port,
        pytest.raises(DeviceError, match=r"no answer to 'name%': is the baud rate right"),
    ):
        DeviceLink(port, timeout=0.5).__enter__()


def test_missing_port_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match=r"^/dev/ttyNONE0: does not exist: is the board plugged in\?"):
        DeviceLink("/dev/ttyNONE0").__enter__()


def test_port_that_is_no_serial_line_is_a_usage_error(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.write_bytes(b"")
    with pytest.raises(UsageError, match=r"plain: cannot be opened as a serial port"):
        DeviceLink(str(plain)).__enter__()


def test_port_in_use_is_a_usage_error(port: str) -> None:
    with (
        DeviceLink(port),
        pytest.raises(UsageError, match=r": is in use: close the program that has it open$"),
    ):
        DeviceLink(port).__enter__()
