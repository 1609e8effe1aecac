"""`--fail-above`: what is read, what is refused, and what is above."""

from __future__ import annotations

import pytest

from mcu_nas.cli.ceilings import parse_ceiling
from mcu_nas.errors import UsageError
from tests.cost.test_audit import audited

MODEL = audited((40, 80), arena=80)  # of 100 B of SRAM; 120 of 1000 B of flash; 2 MACs


@pytest.mark.parametrize(
    ("limit", "complaint"),
    [
        ("sram=80%", None),
        ("sram=79.5%", "sram is 80.0 % (80 B of 100 B)"),
        ("sram=80", None),
        ("sram=79", "sram is 80 B"),
        ("flash=12%", None),
        ("flash=11%", "flash is 12.0 % (120 B of 1000 B)"),
        ("flash=1KiB", None),
        ("macs=2", None),
        ("macs=1", "macs is 2"),
        ("macs=0.5M", None),
    ],
)
def test_only_what_is_above_a_limit_is_named(limit: str, complaint: str | None) -> None:
    assert parse_ceiling(limit).complaint(MODEL) == complaint


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sram", "'sram' is not a limit such as sram=80%, flash=200KiB or macs=5M"),
        ("=80%", "'=80%': no limit '': write sram, flash or macs"),
        ("ram=80%", "'ram=80%': no limit 'ram': did you mean 'sram'? write sram, flash or macs"),
        ("sram=0%", "'sram=0%': a share is more than 0 and at most 100 %"),
        ("sram=101%", "'sram=101%': a share is more than 0 and at most 100 %"),
        ("sram=nan%", "'sram=nan%': a share is more than 0 and at most 100 %"),
        ("flash=200KB", "'200KB' has two readings: write 200KiB (204,800 bytes) or 200kB (200,000 bytes)"),
        ("macs=5X", "'macs=5X' is not a count such as macs=5M or macs=800000"),
        ("macs=50%", "'macs=50%' is not a count such as macs=5M or macs=800000"),
    ],
)
def test_unreadable_limits_are_refused_with_the_way_to_write_them(text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_ceiling(text)
    assert str(caught.value) == message
