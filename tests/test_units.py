"""Sizes and times as people write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcu_nas.errors import UsageError
from mcu_nas.units import format_bytes, format_duration, format_kib, parse_bytes, parse_duration_ms


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("320KiB", 327_680),
        ("1MiB", 1_048_576),
        ("0.5MiB", 524_288),
        ("64kB", 64_000),
        ("2MB", 2_000_000),
        ("65536", 65_536),
        ("512B", 512),
        (" 16 KiB ", 16_384),
    ],
)
def test_size_is_read(text: str, size: int) -> None:
    assert parse_bytes(text) == size


@pytest.mark.parametrize("text", ["64KB", "64k", "64K", "64kb"])
def test_kilobytes_of_two_readings_are_refused_with_both(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_bytes(text)
    assert str(caught.value) == (
        f"'{text}' has two readings: write 64KiB (65,536 bytes) or 64kB (64,000 bytes)"
    )


def test_megabytes_of_two_readings_are_refused_with_both() -> None:
    with pytest.raises(UsageError) as caught:
        parse_bytes("1M")
    assert str(caught.value) == (
        "'1M' has two readings: write 1MiB (1,048,576 bytes) or 1MB (1,000,000 bytes)"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "'' is not a size such as 320KiB, 1MiB or 65536"),
        ("big", "'big' is not a size such as 320KiB, 1MiB or 65536"),
        ("-4KiB", "'-4KiB' is not a size such as 320KiB, 1MiB or 65536"),
        ("3GiB", "'3GiB': unknown unit 'GiB', write KiB, MiB, kB (decimal) or plain bytes"),
        ("0", "'0' is not a whole positive number of bytes"),
        ("1.3", "'1.3' is not a whole positive number of bytes"),
    ],
)
def test_size_that_cannot_be_read_says_what_can(text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_bytes(text)
    assert str(caught.value) == message


@pytest.mark.parametrize(("text", "ms"), [("40ms", 40), ("0.04s", 40), ("800us", 0.8), ("1.5 s", 1500)])
def test_time_is_read(text: str, ms: float) -> None:
    assert parse_duration_ms(text) == pytest.approx(ms)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("40", "'40' needs a unit: us, ms or s, such as 40ms"),
        ("40m", "'40m' needs a unit: us, ms or s, such as 40ms"),
        ("soon", "'soon' is not a time such as 40ms or 0.04s"),
        ("0ms", "'0ms': a time limit must be more than nothing"),
    ],
)
def test_time_that_cannot_be_read_says_what_can(text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_duration_ms(text)
    assert str(caught.value) == message


@given(st.text(max_size=12))
def test_any_text_is_a_size_or_an_error(text: str) -> None:
    try:
        assert parse_bytes(text) >= 1
    except UsageError:
        return


@pytest.mark.parametrize(
    ("size", "text"), [(812, "812 B"), (327_680, "320 KiB"), (14_541, "14.2 KiB"), (1_572_864, "1.5 MiB")]
)
def test_size_is_printed_with_its_unit(size: int, text: str) -> None:
    assert format_bytes(size) == text


def test_sizes_in_a_column_have_one_decimal() -> None:
    assert format_kib(1_404_928) == "1372.0"


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0:00"), (45, "0:45"), (727, "12:07"), (10_930, "3:02:10")]
)
def test_time_to_wait_is_printed_as_clocks_do(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text
