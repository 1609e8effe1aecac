"""``mcu-nas flash`` without a board: programs in the place of the flash tools record how they are called."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from serial.tools import list_ports
from serial.tools.list_ports_common import ListPortInfo

from mcu_nas.board_tables import Flash
from mcu_nas.boards import load_board
from mcu_nas.compiler.emit import write_sources
from mcu_nas.compiler.export import load_program
from mcu_nas.devices.build import build_firmware
from mcu_nas.devices.emulator import emulate
from mcu_nas.devices.flasher import choose_probe, find_port, find_probes, flash_commands, openocd_setup
from mcu_nas.errors import UsageError
from tests.cli.small_run import write_digits, write_model, write_run
from tests.command_line import Outcome, mcu_nas
from tests.harness.toy_device import build, on_terminal

BOARD = load_board("stm32f746g-disco")
EMULATED = load_board("qemu-cortex-m7")
FLASH = ("flash", "m.tflite", "--board", BOARD.name)
ONE, OTHER = "066CFF505750827567154312", "0670FF495254707867213231"
COMPILING = (
    "arm-none-eabi-gcc",
    "arm-none-eabi-nm",
    "arm-none-eabi-objcopy",
    "arm-none-eabi-objdump",
    "arm-none-eabi-size",
    "qemu-system-arm",
    "setpriv",
)


class Answer(NamedTuple):
    """What a stand-in says, and the exit code it ends with."""

    text: str = ""
    code: int = 0


OPENOCD_WRITES = Answer("** Programming Finished **\n** Verified OK **")
OPENOCD_IS_LOCKED_OUT = Answer(
    "Info : clock speed 2000 kHz\nError: init mode failed (unable to connect to the target)", 1
)
OPENOCD_MISREADS = Answer("** Programming Finished **\n** Verify Failed **", 1)
ST_FLASH_WRITES = Answer("Flash written and verified! jolly good!")
ST_FLASH_IS_LOCKED_OUT = Answer("2026-01-01T00:00:00 WARN common.c: Can not connect to target.", 255)
ST_FLASH_MISREADS = Answer("ERROR flash_loader.c: Verification of flash failed at offset: 4096", 255)


class Bench:
    """The only programs on the PATH, and how they were called."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._log = folder / "calls"

    def place(self, tool: str, *answers: Answer) -> None:
        """A program that gives one answer a call, the last one ever after."""
        cases = "\n".join(
            f"{number if answer is not answers[-1] else '*'}) printf '%s\\n' {shlex.quote(answer.text)}"
            f"; exit {answer.code};;"
            for number, answer in enumerate(answers)
        )
        script = self.folder / tool
        script.write_text(
            f"#!/bin/sh\n{{ printf '%s' {tool}; printf ' <%s>' \"$@\"; echo; }} >> {self._log}\n"
            f"read -r calls < {script}.calls\necho $((calls + 1)) > {script}.calls\n"
            f"case $calls in\n{cases}\nesac\n"
        )
        script.chmod(0o755)
        Path(f"{script}.calls").write_text("0\n")

    def probes(self, *serials: str) -> None:
        """What st-info lists."""
        listed = "\n".join(f"  version:    V2J33S25\n  serial:     {serial}" for serial in serials)
        self.place("st-info", Answer(f"Found {len(serials)} stlink programmers\n{listed}"))

    def calls(self, tool: str) -> list[str]:
        lines = self._log.read_text().splitlines() if self._log.exists() else []
        return [line.removeprefix(f"{tool} ") for line in lines if line.startswith(f"{tool} ")]


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """m.tflite in the current folder; a PATH with the compiler, the emulator and no flash tool."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for tool in COMPILING:
        (programs / tool).symlink_to(shutil.which(tool) or pytest.skip(f"{tool} is not installed"))
    monkeypatch.setenv("PATH", str(programs))
    monkeypatch.setattr(
        list_ports, "comports", list
    )  # a probe of this computer's own is none of our business
    monkeypatch.chdir(tmp_path)
    write_model(tmp_path / "m.tflite")
    return Bench(programs)


def assert_refused(done: Outcome, code: int, message: str) -> None:
    assert done.out == ""
    assert done.err.startswith("error: ")
    assert done.err.count("\n") == 1
    assert message in done.err
    assert done.code == code


def test_openocd_writes_verifies_and_resets_through_the_only_probe(bench: Bench, tmp_path: Path) -> None:
    bench.place("openocd", OPENOCD_WRITES)
    bench.probes(ONE)
    done = mcu_nas(*FLASH)
    assert done.code == 0, done.err
    binary = "firmware/stm32f746g-disco/m_m-stm32f746g-disco.bin"
    assert (tmp_path / binary).stat().st_size > 1_000
    assert bench.calls("openocd") == [
        f"<-f> <board/stm32f746g-disco.cfg> <-c> <adapter serial {ONE}>"
        f" <-c> <program {{{binary}}} 0x08000000 verify reset exit>"
    ]
    assert "not asked which model it holds: --port names" in done.out


def test_st_flash_writes_and_resets(bench: Bench) -> None:
    bench.place("openocd", OPENOCD_WRITES)
    bench.place("st-flash", ST_FLASH_WRITES)
    bench.probes(ONE)
    done = mcu_nas(*FLASH, "--tool", "st-flash", "--out", "here")
    assert done.code == 0, done.err
    binary = "here/m_m-stm32f746g-disco.bin"
    assert bench.calls("st-flash") == [f"<--serial> <{ONE}> <--reset> <write> <{binary}> <0x08000000>"]
    assert bench.calls("openocd") == []


def test_firmware_of_a_run_lies_in_its_winners_folder(bench: Bench, tmp_path: Path) -> None:
    bench.place("st-flash", ST_FLASH_WRITES)
    write_run(tmp_path / "run", write_digits(tmp_path / "digits"))
    done = mcu_nas("flash", "run", "--board", BOARD.name, "--json")
    binary = json.loads(done.out)["binary"]
    assert binary == f"run/winner/firmware/{BOARD.name}/model-{BOARD.name}.bin"
    assert (tmp_path / binary).is_file()


@pytest.mark.parametrize(
    ("tool", "answers", "held"),
    [
        ("openocd", (OPENOCD_IS_LOCKED_OUT, OPENOCD_WRITES), "<reset_config connect_assert_srst>"),
        ("st-flash", (ST_FLASH_IS_LOCKED_OUT, ST_FLASH_WRITES), "<--connect-under-reset>"),
    ],
)
def test_what_does_not_connect_is_tried_once_more_under_reset(
    bench: Bench, tool: str, answers: tuple[Answer, ...], held: str
) -> None:
    bench.place(tool, *answers)
    done = mcu_nas(*FLASH, "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out)["under_reset"] is True
    assert [held in call for call in bench.calls(tool)] == [False, True]


@pytest.mark.parametrize(
    ("tool", "answer", "reason"),
    [
        ("openocd", OPENOCD_IS_LOCKED_OUT, "init mode failed (unable to connect to the target)"),
        ("st-flash", ST_FLASH_IS_LOCKED_OUT, "common.c: Can not connect to target."),
    ],
)
def test_second_failure_is_the_last_and_says_why(
    bench: Bench, tool: str, answer: Answer, reason: str
) -> None:
    bench.place(tool, answer)
    assert_refused(mcu_nas(*FLASH), 1, f"{tool} failed, also under reset: {reason}: are board and probe")
    assert len(bench.calls(tool)) == 2


@pytest.mark.parametrize(("tool", "answer"), [("openocd", OPENOCD_MISREADS), ("st-flash", ST_FLASH_MISREADS)])
def test_failed_verification_is_named_and_not_tried_again(bench: Bench, tool: str, answer: Answer) -> None:
    bench.place(tool, answer)
    assert_refused(mcu_nas(*FLASH), 1, f"{tool}: verification failed: the flash does not hold")
    assert len(bench.calls(tool)) == 1


# ---- probes


def test_missing_probe_ends_before_anything_is_built(bench: Bench, tmp_path: Path) -> None:
    bench.place("openocd", OPENOCD_WRITES)
    bench.probes()
    assert_refused(mcu_nas(*FLASH), 1, "no ST-LINK probe found")
    assert bench.calls("openocd") == []
    assert not (tmp_path / "firmware").exists()


def test_several_probes_are_listed_and_one_must_be_chosen(bench: Bench) -> None:
    bench.place("openocd", OPENOCD_WRITES)
    bench.probes(ONE, OTHER)
    assert_refused(mcu_nas(*FLASH), 2, f"2 probes found, {ONE}, {OTHER}: choose one with --probe")
    assert_refused(mcu_nas(*FLASH, "--probe", "12AB"), 2, f"12AB is not plugged in: found {ONE}, {OTHER}")
    assert mcu_nas(*FLASH, "--probe", OTHER.lower()).code == 0
    (call,) = bench.calls("openocd")
    assert f"<adapter serial {OTHER}>" in call


def test_serial_number_never_reaches_openocd_as_a_command() -> None:
    with pytest.raises(UsageError, match="is no serial number of a probe"):
        choose_probe(None, "1; shutdown")


@pytest.fixture
def plugged(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two ST-LINKs and another serial device on USB."""
    ports = []
    for number, (vendor, product, serial) in enumerate(
        [(0x0483, 0x374B, ONE), (0x0483, 0x374E, OTHER), (0x0403, 0x6001, "FTDI")]
    ):
        port = ListPortInfo(f"/dev/ttyACM{number}")
        port.vid, port.pid, port.serial_number = vendor, product, serial
        ports.append(port)
    monkeypatch.setattr(list_ports, "comports", lambda: ports)


@pytest.mark.usefixtures("plugged")
def test_without_st_info_probes_are_known_by_their_serial_ports() -> None:
    assert find_probes(BOARD) == (ONE, OTHER)
    assert find_port(BOARD, OTHER) == "/dev/ttyACM1"
    assert find_port(BOARD, None) is None  # which of two?


@pytest.mark.usefixtures("plugged")
def test_board_with_another_kind_of_probe_is_left_to_openocd() -> None:
    board = BOARD.model_copy(update={"flash": Flash(tools=("openocd",), openocd_config="board/own.cfg")})
    assert find_probes(board) is None
    assert find_port(board, None) is None


# ---- the model on the board


@pytest.fixture
def flashed(bench: Bench, tmp_path: Path) -> Iterator[str]:
    """A port where m.tflite's firmware answers: the emulated board in the place of the flashed one."""
    bench.place("openocd", OPENOCD_WRITES)
    program = load_program(tmp_path / "m.tflite")
    write_sources(program, tmp_path / "c")
    image = build_firmware(tmp_path / "c", program.name, EMULATED, tmp_path / "emulated")
    with emulate(EMULATED, image.elf) as port:
        yield port


def test_board_is_asked_for_the_model_just_flashed(flashed: str, tmp_path: Path) -> None:
    done = mcu_nas(*FLASH, "--port", flashed)
    assert done.code == 0, done.err
    assert f"the board holds 'm_m' ({load_program(tmp_path / 'm.tflite').model_hash})" in done.out
    assert done.out.splitlines()[-1] == f"next: mcu-nas run m.tflite --board {BOARD.name} --port {flashed}"


@pytest.fixture(scope="module")
def toy_device(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The harness with another model, as a process."""
    return build(tmp_path_factory.mktemp("toy") / "toy")


def test_another_model_on_the_port_is_an_error(bench: Bench, toy_device: Path) -> None:
    bench.place("openocd", OPENOCD_WRITES)
    with on_terminal(toy_device) as attached:
        done = mcu_nas(*FLASH, "--port", attached.port)
    assert_refused(done, 1, f"{attached.port}: the device holds model 'toy' (0123456789abcdef), not 'm_m'")


# ---- what is printed, and what cannot be


def test_dry_run_prints_what_would_be_called_and_calls_nothing(bench: Bench, tmp_path: Path) -> None:
    bench.place("st-flash", ST_FLASH_WRITES)
    bench.probes(ONE, OTHER)
    before = sorted(tmp_path.iterdir())
    printed = mcu_nas(*FLASH, "--dry-run", "--out", "o ut")
    write = "--reset write 'o ut/m_m-stm32f746g-disco.bin' 0x08000000"
    assert printed.out.splitlines() == [
        f"st-flash {write}",
        "# and if that fails:",
        f"st-flash --connect-under-reset {write}",
        f"next: mcu-nas flash m.tflite --board {BOARD.name} --out 'o ut'",
    ]
    assert bench.calls("st-flash") == bench.calls("st-info") == []
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.usefixtures("bench")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (FLASH, "neither openocd nor st-flash is installed: `apt install openocd` or"),
        ((*FLASH, "--tool", "st-flash"), "st-flash is not installed: `apt install stlink-tools`"),
        (
            ("flash", "m.tflite", "--board", EMULATED.name),
            f"{EMULATED.name} cannot be flashed: its file has no",
        ),
        ((*FLASH, "--port", ""), "--port is empty"),
        ((*FLASH, "--dry-run", "--out", "a}b"), "OpenOCD takes no braces or backslashes in a path"),
    ],
)
def test_what_cannot_be_flashed_is_a_usage_error(arguments: tuple[str, ...], message: str) -> None:
    assert_refused(mcu_nas(*arguments), 2, message)


# ---- the real tool


def openocd(*arguments: str) -> subprocess.CompletedProcess[str]:
    if shutil.which("openocd") is None:
        pytest.skip("openocd is not installed")
    return subprocess.run(["openocd", *arguments], capture_output=True, text=True, timeout=30, check=False)


@pytest.mark.parametrize("under_reset", [False, True])
@pytest.mark.parametrize("probe", [None, ONE])
def test_openocd_accepts_the_shipped_configuration(probe: str | None, under_reset: bool) -> None:
    """It reads the whole configuration and ends before it would look for a probe."""
    _, *setup = openocd_setup(BOARD, probe, under_reset=under_reset)
    done = openocd(*setup, "-c", "reset_config", "-c", "flash banks", "-c", "shutdown")
    assert done.returncode == 0, done.stderr
    assert ("connect_assert_srst" in done.stderr) == under_reset
    assert "stm32f2x" in done.stdout + done.stderr


def test_openocd_takes_the_image_path_and_its_options_apart_as_meant() -> None:
    """Its own `program` runs; the commands that touch a target only say how they are called."""
    _, *arguments = flash_commands(BOARD, "openocd", Path("o ut/$[x].bin"), None).plain
    quiet = [
        f"proc {name} {{args}} {{ echo [list {name} {{*}}$args] }}" for name in ("init", "reset", "shutdown")
    ]
    quiet += ["proc targets {args} {}", "proc flash {args} { echo [list flash {*}$args] }"]
    quiet += ["proc verify_image {args} { echo [list verify_image {*}$args] }"]
    options = [option for line in quiet for option in ("-c", line)]
    done = openocd(*arguments[:2], *options, *arguments[2:], "-c", "exit")
    assert "verify_image {o ut/$[x].bin} 0x08000000" in done.stderr + done.stdout, done.stderr
