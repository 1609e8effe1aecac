"""Bytes that no runner would send: each gets its error, none a crash (the harness runs under sanitizers)."""

import zlib
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.harness.toy_device import Ask, exchange

LOADED = ("db load 12", "db 000102030405060708090a0b")
COMMANDS = b"name profile help timestamp db infer results model clock crc ticks outputs layers memory".split()


def test_a_command_of_eighty_characters_is_read(ask: Ask) -> None:
    word = "x" * 80
    assert ask(word) == [f"e-[Unknown command: {word}]", "m-ready"]


@pytest.mark.parametrize("length", [81, 200, 100_000])
def test_a_longer_command_is_refused_whole(ask: Ask, length: int) -> None:
    assert ask("name " + "x" * (length - 5)) == ["e-[Command is longer than 80 characters]", "m-ready"]


def test_after_an_overlong_command_the_next_is_read_normally(ask: Ask) -> None:
    assert ask("x" * 500, "name") == ["m-name-dut-[toy board]", "m-ready"]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("db 000", "Insufficient number of hex digits"),
        ("db 00zz", "Invalid hex digits: 00zz"),
        ("db 0x10", "Invalid hex digits: 0x10"),
        ("db " + "00" * 13, "More bytes than 'db load' announced"),
        ("db 00 01", "Too many words: db"),
    ],
)
def test_a_bad_data_line_stores_nothing_and_can_be_sent_again(ask: Ask, line: str, reason: str) -> None:
    assert ask("db load 12", line) == [f"e-[{reason}]", "m-ready"]
    assert ask("db load 12", line, LOADED[1]) == ["m-load-done", "m-ready"]


def test_data_beyond_the_announced_bytes_cannot_leave_the_input(ask: Ask) -> None:
    assert ask("db load 12", "db 00010203040506", "db 0708090a0b0c") == [
        "e-[More bytes than 'db load' announced]",
        "m-ready",
    ]


def test_binary_garbage_is_refused_at_its_end(toy_device: Path) -> None:
    lines = exchange(toy_device, bytes(range(256)) + b"%name%")
    assert lines[-4:] == [
        "e-[Command holds bytes that are not printable ASCII]",
        "m-ready",
        "m-name-dut-[toy board]",
        "m-ready",
    ]


def test_half_a_command_waits_and_a_percent_sign_ends_it(toy_device: Path) -> None:
    assert exchange(toy_device, b"nam")[-1] == "m-ready"
    assert exchange(toy_device, b"nam%name%")[-4:] == [
        "e-[Unknown command: nam]",
        "m-ready",
        "m-name-dut-[toy board]",
        "m-ready",
    ]


def test_line_ends_of_a_terminal_are_skipped(ask: Ask) -> None:
    assert ask("\r\nna\nme\r\n") == ["m-name-dut-[toy board]", "m-ready"]


def expected_refusal(command: bytes) -> str | None:
    """What the form of a command demands, or None where its meaning decides."""
    text = command.replace(b"\r", b"").replace(b"\n", b"")
    if any(byte < 0x20 or byte > 0x7E for byte in text):
        return "e-[Command holds bytes that are not printable ASCII]"
    if len(text) > 80:
        return "e-[Command is longer than 80 characters]"
    words = [word for word in text.split(b" ") if word]
    if not words:
        return "e-[Empty command]"
    if words[0] not in COMMANDS:
        return f"e-[Unknown command: {words[0].decode()}]"
    return None


command_like = st.lists(
    st.one_of(
        st.sampled_from([*COMMANDS, b"load", b"print", b"12", b"0", b"1", b"4294967296", b"00010203", b"%"]),
        st.binary(max_size=6),
        st.binary(min_size=75, max_size=90).map(lambda raw: raw.hex()[:82].encode()),
    ),
    max_size=4,
).map(b" ".join)


@settings(max_examples=150, deadline=None)
@given(st.lists(command_like, max_size=12))
def test_any_bytes_give_one_answer_for_each_percent_sign(toy_device: Path, pieces: list[bytes]) -> None:
    said = b"%".join(pieces)
    answers = "\n".join(exchange(toy_device, said)).split("m-ready")[1:-1]
    ended = said.split(b"%")[:-1]
    assert len(answers) == len(ended)
    for command, answer in zip(ended, answers, strict=True):
        if (refusal := expected_refusal(command)) is not None:
            assert answer.strip("\n") == refusal


@settings(max_examples=60, deadline=None)
@given(st.binary(min_size=12, max_size=12), st.sets(st.integers(1, 11)), st.booleans(), st.integers(1, 3))
def test_however_an_input_is_cut_into_lines_it_arrives(
    toy_device: Path, data: bytes, cuts: set[int], upper: bool, blanks: int
) -> None:
    edges = [0, *sorted(cuts), 12]
    parts = [data[a:b].hex() for a, b in pairwise(edges)]
    said = "db load 12%" + "".join(f"db{' ' * blanks}{p.upper() if upper else p}%" for p in parts) + "crc%"
    lines = exchange(toy_device, said.encode())
    assert lines[-2:] == [f"m-crc-{zlib.crc32(data):08x}", "m-ready"]
