"""What a clumsy or hostile user types: one line on stderr, the right exit code, and nothing half-written.

2: the command, a file or the installation must change. 1: nothing fits, or the device stays silent.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from mcu_nas.resources import boards_dir
from mcu_nas.search.run.run_folder import RunFolder
from tests.cli.small_run import PX, contents, write_digits, write_idx, write_model, write_run
from tests.command_line import Outcome, mcu_nas
from tests.harness.toy_device import build, on_terminal, terminal

BOARD, EMULATED = "stm32f746g-disco", "qemu-cortex-m7"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: m.tflite, digits/ (data), run/ (a winner), full/ (somebody's files)."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    write_model(folder / "m.tflite")
    write_run(folder / "run", write_digits(folder / "digits"))
    (folder / "full").mkdir()
    (folder / "full" / "thesis.txt").write_text("years of work")
    return folder


@pytest.fixture
def refused(here: Path) -> Callable[..., str]:
    """Runs a command that must fail; its one line, once the folder was found unchanged."""

    def run(*arguments: str, code: int = 2) -> str:
        before = contents(here)
        done = mcu_nas(*arguments)
        assert_one_line(done, code)
        assert contents(here) == before
        return done.err.removeprefix("error: ").removesuffix("\n")

    return run


def assert_one_line(done: Outcome, code: int) -> None:
    assert done.out == ""
    assert re.fullmatch(r"error: \S[^\n]*\n", done.err), done.err
    assert done.code == code


# ---- boards and limits


@pytest.mark.parametrize(
    ("board", "guess"),
    [
        ("stm32f746-disco", "did you mean 'stm32f746g-disco'? "),
        ("STM32F746G-DISCO", "did you mean 'stm32f746g-disco'? "),
        ("qemu", "did you mean 'qemu-cortex-m0' or 'qemu-cortex-m3'? "),
        ("zzz", ""),
        ("", ""),
        ("../boards/stm32f746g-disco", "did you mean 'stm32f746g-disco'? "),
    ],
)
def test_unknown_board_offers_near_names(refused: Callable, board: str, guess: str) -> None:
    line = refused("audit", "m.tflite", "--board", board)
    assert line == f"unknown board '{board}': {guess}`mcu-nas boards` lists all"


@pytest.mark.parametrize(
    ("found", "written", "message"),
    [
        (r"^clock_hz.*$", "", "clock_hz is missing: clock of the core in hertz"),
        (r"^clock_hz.*$", "clock_hz = -1", "clock_hz is -1: input should be greater than 0"),
        (r"^clock_hz.*$", "clock_hz = " + 5000 * "9", "cannot be read as TOML: "),
        (r"^baud", "boud", "serial.baud is missing: bits per second"),
        (r"^\[reserve\]", "[reserv]", "reserve is missing: the [reserve] table"),
        (r"\Z", "\nspeed = 3\n", "serial.speed is not a key of a board: known here are baud"),
        (r"\A", "deep = " + 3000 * "[", "cannot be read as TOML: "),
    ],
)
def test_wrong_key_of_a_board_file_is_named(
    refused: Callable, here: Path, found: str, written: str, message: str
) -> None:
    text = (boards_dir() / f"{EMULATED}.toml").read_text().replace(EMULATED, "acme")
    text = re.sub(r"(?s)\[serial\].*?(?=\n\[|\Z)", "", text) + "\n[serial]\nbaud = 115_200\n"
    (here / "boards").mkdir()
    (here / "boards" / "acme.toml").write_text(re.sub(found, written, text, count=1, flags=re.MULTILINE))
    assert refused("audit", "m.tflite", "--board", "acme").startswith(f"boards/acme.toml: {message}")


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        ("--samples 0", 2, "'--samples': 0 is not in the range"),
        ("--samples 9999999999", 2, "'--samples': 9999999999 is not in the range"),
        ("--widths 0", 2, "each must be more than 0 and at most 10,000. See `mcu-nas space --help`."),
        ("--widths nan", 2, "each must be more than 0"),
        ("--widths 1e9", 2, "each must be more than 0"),
        ("--widths 1e300", 2, "each must be more than 0"),
        ("--widths ,", 2, "is not a list of numbers"),
        ("--resolutions 7", 2, "resolution 7 px cannot be used with digits, whose images are 12×12 px"),
        ("--resolutions 13", 2, "or others from 8 to 12"),
        ("--resolutions 9.5", 2, "is not a list of whole numbers"),
        ("--latency -1ms", 2, "'-1ms' is not a time such as 40ms"),
        ("--latency nanms", 2, "'nanms' is not a time"),
        ("--latency 40", 2, "'40' needs a unit"),
        (f"--latency {400 * '9'}ms", 2, "is too large to be a time"),
        ("--latency 0.0000001ms", 1, "nothing fits: the smallest network at width 0.2, 8 px needs"),
        ("--sram 1GB", 2, "unknown unit 'GB'"),
        ("--sram 64KB", 2, "'64KB' has two readings"),
        ("--sram 64k", 2, "'64k' has two readings"),
        ("--sram 1M", 2, "'1M' has two readings"),
        ("--sram 0", 2, "is not a whole positive number of bytes"),
        (f"--sram {400 * '9'}MiB", 2, "is too large to be a size"),
        ("--sram 1MiB", 2, "a limit of 1,048,576 B SRAM is more than stm32f746g-disco leaves"),
        ("--sram 1", 1, "nothing fits: the smallest network at width 0.2, 8 px needs"),
        ("--flash 1 --json", 1, "B of flash (limit 1 B)"),
        ("--min-share nan", 2, "'nan' is not a number from 0 to 1"),
        ("--seed -1", 2, "'--seed': -1 is not in the range"),
        (f"--seed {50 * '9'}", 2, "is not in the range"),
    ],
)
def test_absurd_limit_is_refused(refused: Callable, options: str, code: int, message: str) -> None:
    line = refused("space", "--board", BOARD, "--data", "digits", *options.split(), code=code)
    assert message in line


# ---- data


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("fashion-mnits", "unknown data set 'fashion-mnits': did you mean 'fashion-mnist'? known: "),
        ("", "unknown data set ''"),
        ("../gone", "unknown data set '../gone'"),
        ("m.tflite", "unknown data set 'm.tflite'"),
        ("two\nlines", "unknown data set 'two lines'"),
        ("full", "full: no class folders: images belong into train/<class>/ and test/<class>/, or <class>/"),
    ],
)
def test_data_that_is_not_there_is_refused(refused: Callable, data: str, message: str) -> None:
    assert refused("space", "--board", BOARD, "--data", data).startswith(message)


@pytest.mark.parametrize(("height", "width"), [(0, 28), (1, 1), (7, 28)])
def test_images_too_small_for_any_network_are_refused(
    refused: Callable, here: Path, height: int, width: int
) -> None:
    write_digits(here / "tiny", height, width)
    line = refused("space", "--board", BOARD, "--data", "tiny")
    assert line == f"tiny: its images are {height}×{width} px; a search needs 8 px at least"


def test_labels_that_do_not_match_the_images_are_refused(refused: Callable, here: Path) -> None:
    write_idx(here / "digits" / "t10k-labels-idx1-ubyte", np.zeros(5))
    assert "12 images and 5 labels" in refused("space", "--board", BOARD, "--data", "digits")


# ---- models


def changed_model(change: Callable[[Any], None]) -> bytes:
    model = schema.ModelT.InitFromPackedBuf(Path("m.tflite").read_bytes())
    change(model)
    builder = flatbuffers.Builder()
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def with_float_input(model: Any) -> None:
    graph = model.subgraphs[0]
    graph.tensors[graph.inputs[0]].type = schema.TensorType.FLOAT32


def with_cosine(model: Any) -> None:
    code = model.operatorCodes[model.subgraphs[0].operators[-1].opcodeIndex]
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.COS


@pytest.mark.parametrize("command", ["audit", "compile", "run"])
@pytest.mark.parametrize(
    ("data", "message"),
    [
        (lambda: b"", r"not a \.tflite file"),
        (lambda: b"\x89PNG\r\n\x1a\n" * 9, r"not a \.tflite file"),
        (lambda: Path("m.tflite").read_bytes()[:900], "truncated or damaged"),
        (
            lambda: changed_model(with_float_input),
            "input 'pixels' is float32: the model is not fully quantized",
        ),
        (lambda: changed_model(with_cosine), r"op 2 COS \(output 'out2'\) is not supported"),
    ],
    ids=["empty", "png", "truncated", "float", "cosine"],
)
def test_model_that_cannot_be_compiled_says_why(
    refused: Callable, here: Path, command: str, data: Callable[[], bytes], message: str
) -> None:
    (here / "bad model.tflite").write_bytes(data())
    out = ("--out", "c") if command == "compile" else ()
    assert re.match(
        f"bad model.tflite: {message}", refused(command, "bad model.tflite", "--board", EMULATED, *out)
    )


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("gone.tflite", "no such file or folder"),
        ("full", "neither a .tflite file nor a run folder"),
        ("run/run.json", "not a .tflite file"),
        ("/dev/null", "neither a .tflite file nor a run folder"),
        ("", "the path is empty"),
        ("x" * 300, "no such file or folder|File name too long"),
    ],
)
def test_target_that_is_no_model_is_refused(refused: Callable, target: str, message: str) -> None:
    assert re.search(message, refused("audit", target, "--board", BOARD))


@pytest.mark.parametrize("name", ["", "1x", "a b", "a-b", "../x", "int", "é", "a;system()", "x" * 300])
def test_name_that_is_no_c_identifier_is_refused(refused: Callable, name: str) -> None:
    line = refused("compile", "m.tflite", "--board", BOARD, "--out", "c", "--name", name)
    assert line.startswith(f"--name '{name}' cannot prefix C symbols: ")


# ---- folders to write to


@pytest.mark.parametrize("out", ["m.tflite", "m.tflite/c", "/proc/c", "/sys/c", "", "x" * 300])
@pytest.mark.parametrize("command", [("compile", "m.tflite", "--board", BOARD), ("export", "run")])
def test_folder_that_cannot_be_written_is_named(
    refused: Callable, command: tuple[str, ...], out: str
) -> None:
    assert (out or "'--out': the path is empty") in refused(*command, "--out", out)


@pytest.mark.parametrize("command", [("compile", "m.tflite", "--board", BOARD), ("export", "run")])
def test_folder_in_a_files_place_leaves_the_others_unwritten(
    refused: Callable, here: Path, command: tuple[str, ...]
) -> None:
    stem = "m_m" if command[0] == "compile" else "model"
    (here / "out" / f"{stem}_weights.h").mkdir(parents=True)
    assert "is a folder" in refused(*command, "--out", "out")


@pytest.mark.parametrize("command", [("compile", "m.tflite", "--board", BOARD), ("export", "run")])
def test_a_file_of_the_users_is_not_overwritten(
    refused: Callable, here: Path, command: tuple[str, ...]
) -> None:
    (here / "out").mkdir()
    (here / "out" / "CMakeLists.txt").write_text("project(mine C)\n")
    assert "CMakeLists.txt: mcu_nas did not write it" in refused(*command, "--out", "out")
    assert [path.name for path in (here / "out").iterdir()] == ["CMakeLists.txt"]
    assert (here / "out" / "CMakeLists.txt").read_text() == "project(mine C)\n"


@pytest.mark.parametrize("target", ["gone", "m.tflite", "full"])
def test_export_and_measure_want_a_run_folder(refused: Callable, target: str) -> None:
    assert target in refused("export", target)
    assert f"{target} is not a run folder: run.json is missing" in refused("measure", target)


# ---- inputs


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (
            lambda path: np.save(path, np.zeros((PX, PX, 1), np.float32)),
            "is float32, the model takes int8 or",
        ),
        (lambda path: np.save(path, np.zeros((PX, PX, 1), bool)), "is bool, the model takes int8 or uint8"),
        (
            lambda path: np.save(path, np.zeros((3, 3), np.uint8)),
            r"is \(3, 3\), the model takes \(12, 12, 1\)",
        ),
        (lambda path: np.save(path, np.array([{}]), allow_pickle=True), "is a broken .npy file: "),
        (lambda path: path.write_bytes(b""), "is not an .npy file"),
        (lambda path: path.write_bytes(Path("m.tflite").read_bytes()), "is not an .npy file"),
        (lambda path: path.write_bytes(b"\x93NUMPY\x01\x00\x10\x00{'a':((((((((("), "is a broken .npy file"),
        (lambda path: np.savez(path.open("wb"), a=np.zeros(3)), "is not an .npy file"),
        (lambda path: path.mkdir(), "cannot be read: is a directory"),
        (lambda path: None, "cannot be read: no such file or directory"),
    ],
)
def test_input_that_does_not_suit_is_refused(
    refused: Callable, here: Path, write: Callable[[Path], object], message: str
) -> None:
    write(here / "x.npy")
    assert re.match(f"x.npy: {message}", refused("run", "m.tflite", "--board", EMULATED, "--input", "x.npy"))


def test_input_whose_header_promises_a_terabyte_takes_no_memory(refused: Callable, here: Path) -> None:
    header = {"descr": "|u1", "fortran_order": False, "shape": (10**12,)}
    with (here / "x.npy").open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
    assert "is a broken .npy file" in refused("run", "m.tflite", "--board", EMULATED, "--input", "x.npy")


@pytest.mark.parametrize(
    "command",
    [
        ("compile", "m.tflite", "--core", "cortex-m3", "--out", "c"),
        ("compile", "m.tflite", "--board", "qemu-cortex-m3", "--out", "c"),
        ("audit", "m.tflite", "--board", "qemu-cortex-m3"),
    ],
)
def test_wide_weights_on_a_core_without_kernels_for_them_are_refused(
    refused: Callable, command: tuple[str, ...]
) -> None:
    line = refused(*command, "--weight-storage", "wide")
    assert "kernels of cortex-m3 are in C, which stores weights as bytes" in line


def test_wide_weights_without_a_core_are_refused(refused: Callable) -> None:
    line = refused("compile", "m.tflite", "--out", "c", "--weight-storage", "wide")
    assert line.startswith("--weight-storage wide: portable C stores weights as bytes: --board or --core")


# ---- tools and devices


@pytest.mark.parametrize(
    ("command", "tools", "message"),
    [
        (("run", "m.tflite", "--board", EMULATED), (), "apt install gcc-arm-none-eabi"),
        (("measure", "run", "--board", EMULATED, "--images", "4"), (), "apt install gcc-arm-none-eabi"),
        (("search", "--board", BOARD, "--data", "digits", "--run", "n"), (), "apt install gcc-arm-none-eabi"),
        (
            ("run", "m.tflite", "--board", EMULATED),
            tuple(f"arm-none-eabi-{tool}" for tool in ("gcc", "nm", "objcopy", "objdump", "size")),
            "apt install qemu-system-arm",
        ),
    ],
)
def test_missing_tool_is_named_with_its_package(
    refused: Callable,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: tuple[str, ...],
    tools: tuple[str, ...],
    message: str,
) -> None:
    for tool in tools:
        (tmp_path / tool).symlink_to(shutil.which(tool) or pytest.skip(f"{tool} is not installed"))
    monkeypatch.setenv("PATH", str(tmp_path) if tools else "")
    assert message in refused(*command)


@pytest.mark.parametrize("command", [("run", "m.tflite"), ("measure", "run", "--images", "4")])
@pytest.mark.parametrize(
    ("port", "message"),
    [
        (("--port", "/dev/ttyNONE0"), "/dev/ttyNONE0: does not exist: is the board plugged in?"),
        (("--port", "m.tflite"), "m.tflite: cannot be opened as a serial port"),
        (("--port", ""), "--port is empty"),
        ((), f"{BOARD} has no emulator: --port names the serial port"),
    ],
)
def test_no_way_to_the_device_is_a_usage_error(
    refused: Callable, command: tuple[str, ...], port: tuple[str, ...], message: str
) -> None:
    assert message in refused(*command, "--board", BOARD, *port)


def test_silent_port_exits_one_with_what_to_check(refused: Callable) -> None:
    with terminal() as (_, port):
        line = refused("run", "m.tflite", "--board", BOARD, "--port", port, "--json", code=1)
    assert f"{port} at 115200 baud: no answer to 'name%' within 5 s: is the firmware flashed" in line


def test_other_firmware_on_the_device_is_named(refused: Callable, tmp_path: Path) -> None:
    with on_terminal(build(tmp_path / "toy")) as attached:
        line = refused("run", "m.tflite", "--board", BOARD, "--port", attached.port, code=1)
    assert re.match(
        r"the device holds model 'toy' \([0-9a-f]{16}\), not 'm_m' \([0-9a-f]{16}\): `mcu-nas flash` ",
        line,
    )


# ---- run folders


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("", "--board and --data are needed (or --run DIR --resume, or --from RUN)"),
        ("--boards --data digits", "Option '--boards' requires an argument. See `mcu-nas search --help`."),
        ("--resume", "--run DIR, or --board and --data, is needed"),
        ("--run gone --resume", "gone is not a run folder: run.json is missing; `mcu-nas search --run gone`"),
        ("--run full --resume", "full is not a run folder: run.json is missing"),
        ("--run m.tflite --resume", "m.tflite is not a run folder"),
        ("--run run --resume --latency 50ms", "--latency 50.0: the run was asked with 40.0"),
        ("--run run --resume --sram 64KiB", "--sram 65536: the run was asked without"),
        ("--run run --resume --seed 7", "--seed 7: the run was asked with 0"),
        ("--run run --resume --board qemu-cortex-m4", "the run was asked with stm32f746g-disco"),
        ("--run n --board x --data digits", "unknown board 'x'"),
        ("--run n --board stm32f746g-disco", "--board and --data are needed"),
        ("--run n --board stm32f746g-disco --data digits --threads 0", "'--threads': 0 is not in the range"),
        (
            "--run n --board stm32f746g-disco --data digits --effort huge",
            "one of 'quick', 'thorough', 'standard'",
        ),
        (
            "--run n --board stm32f746g-disco --data digits",
            "12 images of 4 classes to train on: a search sets an eighth aside to validate on, and needs 32",
        ),
    ],
)
def test_search_that_cannot_begin_or_go_on_is_refused(refused: Callable, options: str, message: str) -> None:
    assert message in refused("search", *options.split())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": 1}, "schema 1, this version reads 2"),
        ({"request": []}, "run.json: request: "),
        ({"request": {"board": BOARD}}, "run.json: request.data: field required"),
        ({"request": {"board": 5}}, "run.json: request."),
    ],
)
@pytest.mark.parametrize("command", [("search", "--resume", "--run"), ("export",), ("measure",)])
def test_run_json_of_another_version_is_refused(
    refused: Callable, here: Path, command: tuple[str, ...], change: dict[str, Any], message: str
) -> None:
    file = here / "run" / "run.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **change}))
    assert message in refused(*command, "run")


def test_run_of_an_unknown_effort_is_refused(refused: Callable, here: Path) -> None:
    file = here / "run" / "run.json"
    file.write_text(file.read_text().replace('"quick"', '"tiny"'))
    assert "effort 'tiny' is none of quick, thorough, standard" in refused(
        "search", "--resume", "--run", "run"
    )


@pytest.mark.parametrize("command", ["export", "measure"])
def test_unfinished_run_says_how_to_go_on(refused: Callable, here: Path, command: str) -> None:
    write_run(here / "my run", here / "digits")
    (here / "my run" / "winner" / "model.tflite").unlink()
    options = ("--board", EMULATED) if command == "measure" else ()
    line = refused(command, "my run", *options)
    assert line.endswith("no winner yet; `mcu-nas search --resume --run 'my run'` goes on with it")


def test_empty_pick_is_not_taken_for_the_winner(refused: Callable, here: Path) -> None:
    RunFolder(here / "run").record("winner", {})
    assert refused("export", "run", "--pick", "").startswith("--pick : the log holds no evaluations")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--images 0", "'--images': 0 is not in the range"),
        ("--images 13", "--images 13: digits has 12 test images"),
        ("--runs 0", "'--runs': 0 is not in the range"),
        ("--runs 1e9", "'1e9' is not a valid integer"),
        ("--warmup -1", "'--warmup': -1 is not in the range"),
    ],
)
def test_absurd_measurement_is_refused(refused: Callable, options: str, message: str) -> None:
    assert message in refused("measure", "run", "--board", EMULATED, *options.split())


@pytest.mark.parametrize("address", ["ray://localhost:1", "ray://nowhere.invalid:10001", "ray://localhost:x"])
def test_cluster_that_does_not_answer_is_told_before_a_supernet_is_trained(
    refused: Callable, large_digits: str, address: str
) -> None:
    pytest.importorskip("ray", reason="the extra ray is not installed")
    command = ("search", "--board", BOARD, "--data", large_digits, "--run", "n", "--workers", address)
    assert refused(*command).startswith(f"--workers {address}: no Ray cluster answers: ")


@pytest.mark.parametrize("workers", ["0", "-1", "two", "", "ray://", "ray://:10001", "http://head:10001"])
def test_absurd_number_of_workers_is_refused(refused: Callable, workers: str) -> None:
    line = refused("search", "--board", BOARD, "--data", "digits", "--run", "n", "--workers", workers)
    assert f"'{workers}' is neither a number of processes nor a ray:// address" in line


def test_search_interrupted_before_its_folder_is_made_offers_no_resume(
    refused: Callable, large_digits: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*arguments: Any, **options: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("mcu_nas.search.task.require_firmware_tools", interrupted)
    command = ("search", "--board", BOARD, "--data", large_digits, "--run", "n")
    assert refused(*command, code=130) == "interrupted"


def with_supernet(run: Path) -> None:
    """Makes a run look as if its supernet were trained."""
    folder = RunFolder(run)
    folder.record("supernet", {})
    folder.supernet.parent.mkdir()
    folder.supernet.write_bytes(b"weights")


@pytest.fixture
def large_digits(here: Path) -> Iterator[str]:
    """Enough images for a search to begin."""
    rng = np.random.default_rng(0)
    for part, count in (("train", 9000), ("t10k", 40)):
        write_idx(here / "digits" / f"{part}-images-idx3-ubyte", rng.integers(0, 256, (count, 8, 8)))
        write_idx(here / "digits" / f"{part}-labels-idx1-ubyte", np.arange(count) % 4)
    return "digits"


@pytest.mark.parametrize(
    ("folder", "message"),
    [
        ("full", "full is not empty: --run names a new folder"),
        ("run", "run exists already: --resume continues it"),
        ("m.tflite", "m.tflite is not a folder"),
        ("m.tflite/run", "Not a directory"),
        ("/proc/run", "/proc/run: "),
        ("", "'--run': the path is empty"),
    ],
)
def test_search_takes_no_folder_that_is_in_use(
    refused: Callable, large_digits: str, folder: str, message: str
) -> None:
    assert message in refused("search", "--board", BOARD, "--data", large_digits, "--run", folder)


@pytest.mark.parametrize("start", [("--data", "digits"), ("--from", "run")])
def test_one_unknown_board_of_several_is_told_before_anything_begins(
    refused: Callable, here: Path, large_digits: str, start: tuple[str, str]
) -> None:
    with_supernet(here / "run")
    line = refused("search", "--boards", BOARD, "qemu-cortex-m8", *start, "--run", "n")
    assert line.startswith("unknown board 'qemu-cortex-m8': did you mean ")


def test_search_in_which_nothing_fits_exits_one_and_makes_no_folder(
    refused: Callable, large_digits: str
) -> None:
    command = ("search", "--board", BOARD, "--data", large_digits, "--run", "n", "--sram", "1")
    assert "nothing fits: " in refused(*command, code=1)


def test_folder_in_which_a_search_is_running_is_refused(refused: Callable, large_digits: str) -> None:
    folder = RunFolder(Path("run"))
    with folder.locked():
        line = refused("search", "--run", "run", "--resume")
    assert line == "run: another search is running in this folder"


# ---- odd names, odd streams


@pytest.mark.parametrize("stem", ["two words", "it's", 'say "hi"', "../here/up", "日本", "-dash", ".hidden"])
def test_odd_names_work_and_are_quoted_in_the_next_command(here: Path, stem: str) -> None:
    shutil.copy("m.tflite", f"{stem}.tflite")
    done = mcu_nas("compile", "--board", BOARD, "--out", f"{stem} c", "--", f"{stem}.tflite")
    assert (done.code, done.err) == (0, "")
    following = done.out.splitlines()[-1].removeprefix("next: ")
    shown = subprocess.run(
        ["sh", "-c", f"printf '%s\\n' {following}"], capture_output=True, text=True, check=True
    )
    assert f"{stem}.tflite" in shown.stdout.splitlines()


def process(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from mcu_nas.cli import main; main()", *arguments]
    return subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False, **options)


def test_output_in_another_encoding_is_no_traceback() -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = process("audit", "m.tflite", "--board", BOARD, env=environment, stdout=subprocess.PIPE)
    assert (done.returncode, done.stderr) == (0, "")


def test_full_disk_is_one_line() -> None:
    with Path("/dev/full").open("w") as full:
        done = process("boards", stdout=full)
    assert (done.returncode, done.stderr) == (2, "error: input or output: No space left on device\n")


def test_reader_that_has_seen_enough_is_no_error() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = process("boards", stdout=writer)
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, "")
