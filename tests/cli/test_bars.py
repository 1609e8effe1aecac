"""Bars of used memory: one width, ASCII, and honest beyond the end."""

from __future__ import annotations

import pytest

from mcu_nas.cli.bars import usage_bar


@pytest.mark.parametrize(
    ("used", "bar"),
    [
        (0, "RAM   [                    ]   0.0 % (used 0 B of 1000 B)"),
        (521, "RAM   [==========          ]  52.1 % (used 521 B of 1000 B)"),
        (1000, "RAM   [====================] 100.0 % (used 1000 B of 1000 B)"),
        (1001, "RAM   [===================!] 100.1 % (used 1001 B of 1000 B)"),
        (9000, "RAM   [===================!] 900.0 % (used 8.8 KiB of 1000 B)"),
    ],
)
def test_bar_shows_share_and_amounts(used: int, bar: str) -> None:
    assert usage_bar("RAM", used, 1000) == bar


def test_bars_stand_in_one_column() -> None:
    assert usage_bar("flash", 1, 1000).index("[") == usage_bar("RAM", 1, 1000).index("[")
