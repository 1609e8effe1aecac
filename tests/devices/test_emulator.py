"""The emulated boards: boot, serial line, an instruction count that repeats, and an emulator that ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import serial

from mcu_nas.boards import load_board
from mcu_nas.devices.build import FirmwareImage
from mcu_nas.devices.emulator import INSTRUCTIONS_PER_SECOND, emulate
from mcu_nas.errors import BoardError, DeviceError, ToolError, UsageError
from tests.devices.probe import build_probe

EMULATED = [f"qemu-cortex-{core}" for core in ("m7", "m4", "m3", "m33", "m0", "m55")]


@pytest.fixture(scope="module", params=EMULATED)
def probe(request, tmp_path_factory) -> tuple[str, FirmwareImage]:
    return request.param, build_probe(load_board(request.param), tmp_path_factory.mktemp("probe"))


def open_line(port: str) -> serial.Serial:
    return serial.Serial(port, 115_200, timeout=20)


def test_boot_is_heard_from_its_first_byte(probe):
    board = load_board(probe[0])
    with emulate(board, probe[1].elf) as port:
        time.sleep(0.3)  # the program has long spoken when somebody opens the line
        with open_line(port) as line:
            assert line.read_until(b"ready\r\n").decode().split() == [
                f"clock={board.clock_hz}",
                "timer=1",  # PORT_TIMER_TICKS: QEMU's cycle counter stands still
                f"timer_hz={board.clock_hz}",
                "initialised=42",
                "cleared=1",
                "ready",
            ]


def test_every_byte_crosses_the_line_in_both_directions(probe):
    sent = bytes(byte for byte in range(256) if byte not in b"to") * 40
    with emulate(load_board(probe[0]), probe[1].elf) as port, open_line(port) as line:
        line.read_until(b"ready\r\n")
        line.write(sent)
        assert line.read(len(sent)) == sent


def test_a_line_that_is_closed_and_opened_again_goes_on(probe):
    with emulate(load_board(probe[0]), probe[1].elf) as port:
        for text in (b"hell", b"again"):
            with open_line(port) as line:
                line.write(text)
                assert line.read_until(text).endswith(text)


def test_a_loop_takes_the_same_instructions_in_every_run(probe):
    def instructions(line: serial.Serial) -> int:
        line.write(b"t")
        ticks = int(line.read_until(b"\r\n").split(b"=")[1])
        return round(ticks * INSTRUCTIONS_PER_SECOND / load_board(probe[0]).clock_hz)

    counts = set()
    for _ in range(2):
        with emulate(load_board(probe[0]), probe[1].elf) as port, open_line(port) as line:
            line.read_until(b"ready\r\n")
            counts |= {instructions(line) for _ in range(5)}
    (count,) = counts
    assert 500_000 < count < 700_000  # 100,000 rounds of load, add, store, load, compare, branch


def test_a_stack_overflow_is_reported_on_the_line(probe):
    with emulate(load_board(probe[0]), probe[1].elf) as port, open_line(port) as line:
        line.read_until(b"ready\r\n")
        line.write(b"o")
        assert line.read_until(b"]\r\n").endswith(b", stack overflow]\r\n")


def test_a_dead_emulator_hangs_up(probe):
    with emulate(load_board(probe[0]), probe[1].elf) as port, open_line(port) as line:
        line.read_until(b"ready\r\n")
        (emulator,) = children_of(os.getpid())
        os.kill(emulator, signal.SIGKILL)
        with pytest.raises((serial.SerialException, OSError)):
            line.read(1)  # would wait for its whole timeout otherwise


def test_an_image_that_cannot_be_loaded_gives_the_emulators_reason(tmp_path):
    with pytest.raises(DeviceError) as caught, emulate(load_board(EMULATED[0]), tmp_path / "absent.elf"):
        pass
    reason = f"{tmp_path / 'absent.elf'}: No such file or directory"
    assert str(caught.value) == f"the emulator of qemu-cortex-m7 ended at once: {reason}"


def test_a_machine_that_the_emulator_does_not_have_is_the_boards_fault(tmp_path):
    board = load_board(EMULATED[0]).model_copy(update={"emulator": "mps9-an500"})
    with pytest.raises(BoardError) as caught, emulate(board, tmp_path / "x.elf"):
        pass
    reason = "emulator is 'mps9-an500', a machine that QEMU does not have"
    assert str(caught.value) == f"{board.name}: {reason}: `qemu-system-arm -M help` lists them"


def test_an_emulators_warning_is_not_taken_for_the_reason(tmp_path):
    board = load_board(EMULATED[0]).model_copy(update={"emulator": "mps3-an547"})  # warns of its network
    with pytest.raises(DeviceError) as caught, emulate(board, tmp_path / "absent.elf"):
        pass
    assert "absent.elf" in str(caught.value)
    assert "warning:" not in str(caught.value)


def test_a_board_without_emulator_is_refused(tmp_path):
    with pytest.raises(UsageError, match="stm32f746g-disco has no emulator"):
        emulate(load_board("stm32f746g-disco"), tmp_path / "x.elf").__enter__()


def test_a_missing_emulator_is_named_with_its_package(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolError, match="`apt install qemu-system-arm` brings it on Debian"):
        emulate(load_board(EMULATED[0]), tmp_path / "x.elf").__enter__()


OWNER = """
import sys, time
from pathlib import Path
from mcu_nas.boards import load_board
from mcu_nas.devices.emulator import emulate
with emulate(load_board(sys.argv[1]), Path(sys.argv[2])):
    print("runs", flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize("by", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_the_emulator_does_not_outlive_its_owner(probe, by):
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, probe[0], str(probe[1].elf)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=Path(__file__).parents[2],
    )
    assert owner.stdout is not None
    assert owner.stdout.readline() == b"runs\n"
    (emulator,) = children_of(owner.pid)
    owner.send_signal(by)
    owner.wait()
    assert gone(emulator)


def children_of(parent: int) -> list[int]:
    """Process numbers of a process's children."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, ppid = status.read_text().rpartition(")")[2].split()[:2]
        except OSError:
            continue
        if int(ppid) == parent and state != "Z":
            found.append(int(status.parent.name))
    return found


def gone(process: int, within_seconds: float = 10.0) -> bool:
    """Whether a process ends (or waits as a zombie for init) within some time."""
    until = time.monotonic() + within_seconds
    while time.monotonic() < until:
        try:
            state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return True
        if state == "Z":
            return True
        time.sleep(0.02)
    return False
