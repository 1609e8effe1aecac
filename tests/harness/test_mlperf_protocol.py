"""The device protocol of MLPerf Tiny, line by line, against the harness built for the host."""

import re
from pathlib import Path

import pytest

from tests.harness.toy_device import Ask, build, exchange

BOOT = [
    "m-hello-[toy 0123456789abcdef]",
    "m-timestamp-mode-performance",
    "m-lap-us-N",
    "m-init-done",
    "m-ready",
]
LOADED = ("db load 12", "db 000102030405060708090a0b")


def without_times(lines: list[str]) -> list[str]:
    return [re.sub(r"^m-lap-us-\d+$", "m-lap-us-N", line) for line in lines]


def test_boot_says_hello_and_then_the_protocols_four_lines(toy_device: Path) -> None:
    assert without_times(exchange(toy_device, b"")) == BOOT


def test_stock_runner_hears_exactly_the_documented_lines(toy_device: Path) -> None:
    """EEMBC's runner in performance mode: one load, then 10 warm-up runs and 10 timed ones."""
    said = b"name%profile%timestamp%db load 12%db 0001020304050607%db 08090a0b%infer 10 10%results%"
    assert without_times(exchange(toy_device, said)) == [
        *BOOT,
        *("m-name-dut-[toy board]", "m-ready"),
        *("m-profile-[ULPMark for tinyML Firmware V0.0.1]", "m-model-[toy]", "m-ready"),
        *("m-lap-us-N", "m-ready"),
        *("m-[Expecting 12 bytes]", "m-ready"),
        "m-ready",
        *("m-load-done", "m-ready"),
        *("m-warmup-start-10", "m-warmup-done", "m-infer-start-10", "m-lap-us-N", "m-lap-us-N"),
        *("m-infer-done", "m-results-[0.012,0.027,-0.918]", "m-ready"),
        *("m-results-[0.012,0.027,-0.918]", "m-ready"),
    ]


def test_lap_times_are_microseconds_of_the_timer_and_never_go_back(toy_device: Path) -> None:
    lines = exchange(
        toy_device, b"timestamp%" * 3 + b"".join(f"{c}%".encode() for c in (*LOADED, "infer 5 5"))
    )
    laps = [int(match[1]) for line in lines if (match := re.fullmatch(r"m-lap-us-(\d+)", line))]
    assert len(laps) == 1 + 3 + 2
    assert laps == sorted(laps)
    assert laps[-1] - laps[0] < 60_000_000


def test_infer_without_numbers_runs_once_after_ten_warm_up_runs(ask: Ask) -> None:
    assert ask(*LOADED, "infer")[:3] == ["m-warmup-start-10", "m-warmup-done", "m-infer-start-1"]


def test_results_are_those_of_the_first_run_after_the_load(ask: Ask) -> None:
    """The toy model overwrites its input: a second run computes on the first one's outputs."""
    first = ask(*LOADED, "infer 1 0", "results")
    assert ask(*LOADED, "infer 7 3", "infer 1 0", "infer 1 0", "results") == first


def test_a_new_load_gives_new_results(ask: Ask) -> None:
    again = ("db load 12", "db ff00000000000000000000ff")
    assert ask(*LOADED, "infer 1 0", *again, "infer 1 0", "results") == [
        "m-results-[1.000,0.000,0.996]",
        "m-ready",
    ]


def test_db_print_shows_the_bytes_as_they_were_sent(ask: Ask) -> None:
    assert ask(*LOADED, "db print") == [
        "m-buffer-00-01-02-03-04-05-06-07",
        "m-buffer-08-09-0a-0b",
        "m-ready",
    ]


def test_an_int8_model_gets_its_bytes_unchanged(tmp_path: Path) -> None:
    device = build(tmp_path / "toy", "-DTOY_ENCODING=MCU_INT8")
    lines = exchange(device, b"db load 12%db 80818283fffefdfc7f000000%db print%infer 1 0%outputs%")
    assert "m-buffer-80-81-82-83-ff-fe-fd-fc" in lines
    assert "m-outputs-83ff7f" in lines


def test_help_lists_every_command(ask: Ask) -> None:
    ours = {"model", "clock", "crc", "ticks", "outputs", "layers", "memory"}
    standard = {"name", "profile", "help", "timestamp", "db", "infer", "results"}
    assert {line.split(" : ")[0] for line in ask("help")[1:-1]} == standard | ours


@pytest.mark.parametrize(
    ("before", "command", "reason"),
    [
        ((), "nonsense", "Unknown command: nonsense"),
        ((), "NAME", "Unknown command: NAME"),
        ((), "name please", "Too many words: name"),
        ((), "", "Empty command"),
        ((), "db", "Command 'db' requires a subcommand"),
        ((), "db load", "Command 'db load' requires the # of bytes"),
        ((), "db load twelve", "Command 'db load' requires the # of bytes"),
        ((), "db load -1", "Command 'db load' requires the # of bytes"),
        ((), "db load 11", "The model's input has 12 bytes"),
        ((), "db load 4294967308", "Command 'db load' requires the # of bytes"),  # 12 in 32 bits
        ((), "db 00", "'db load N' must come before data"),
        (LOADED, "db 00", "'db load N' must come before data"),
        ((), "db print", "No input is loaded, or a run has used it up"),
        ((*LOADED, "infer 1 0"), "db print", "No input is loaded, or a run has used it up"),
        ((), "infer 1 0", "No input is loaded"),
        (LOADED[:1], "infer 1 0", "The input is not complete"),
        ((*LOADED, "infer 1 0", "db load 12"), "infer 1 0", "The input is not complete"),
        (LOADED, "infer 0", "Inference iterations must be >0"),
        (LOADED, "infer many", "Inference iterations must be >0"),
        (LOADED, "infer 1 -1", "Inference warmup must be >=0"),
        (LOADED, "infer 1 0 0", "Too many words: infer"),
        (LOADED, "results", "No run since the last load"),
        (LOADED, "outputs", "No run since the last load"),
        ((*LOADED, "infer 1 0"), "layers", "No input is loaded, or a run has used it up"),
        ((), "crc", "No input is loaded"),
        ((), "ticks", "No 'infer' since boot"),
    ],
)
def test_what_cannot_be_done_is_refused_with_the_reason(
    ask: Ask, before: tuple[str, ...], command: str, reason: str
) -> None:
    assert ask(*before, command) == [f"e-[{reason}]", "m-ready"]


def test_a_model_that_does_not_fit_the_arena_is_refused_at_boot_and_at_load(tmp_path: Path) -> None:
    device = build(tmp_path / "toy", "-UMCU_ARENA_BYTES", "-DMCU_ARENA_BYTES=11")
    lines = exchange(device, b"db load 12%infer 1 0%")
    assert lines[1] == "e-[The arena is smaller than the model needs]"
    assert lines[-4:] == [
        "e-[The arena is smaller than the model needs]",
        "m-ready",
        "e-[No input is loaded]",
        "m-ready",
    ]


def test_more_outputs_than_the_harness_keeps_are_refused(tmp_path: Path) -> None:
    device = build(tmp_path / "toy", "-DHARNESS_OUTPUT_BYTES=2")
    assert exchange(device, b"")[1] == "e-[HARNESS_OUTPUT_BYTES is smaller than the model's outputs]"
