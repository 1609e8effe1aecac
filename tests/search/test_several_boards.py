"""Whose space the supernet of several boards is trained for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mcu_nas.errors import BoardError, NothingFitsError
from mcu_nas.search.request import SearchRequest
from mcu_nas.search.several_boards import choose_trainer
from tests.fashion import needs_fashion_mnist
from tests.search.small_search import EFFORTS, request

pytestmark = needs_fashion_mnist


def asked(data: Path, board: str, **limits: int) -> SearchRequest:
    return replace(request(data), board=board, latency_ms=None, **limits)


def test_of_boards_that_are_served_equally_the_first_trains(data: Path) -> None:
    for boards in (("qemu-cortex-m7", "qemu-cortex-m4"), ("qemu-cortex-m4", "qemu-cortex-m7")):
        assert choose_trainer([asked(data, board) for board in boards], EFFORTS) == boards[0]


def test_board_whose_space_serves_more_boards_trains(data: Path) -> None:
    """At 12 px and width 0.5 almost nothing fits the weights that the second board has room for."""
    wide = replace(asked(data, "qemu-cortex-m7"), widths=(0.5,))
    narrow = replace(asked(data, "qemu-cortex-m4", weights_bytes=9_000), widths=(0.2,))
    assert choose_trainer([wide, narrow], EFFORTS) == "qemu-cortex-m4"


def test_unknown_board_is_an_error_and_boards_without_any_network_are_named(data: Path) -> None:
    with pytest.raises(BoardError, match="unknown board 'x'"):
        choose_trainer([asked(data, "qemu-cortex-m7"), asked(data, "x")], EFFORTS)
    with pytest.raises(NothingFitsError, match=r"qemu-cortex-m7: nothing fits.*qemu-cortex-m4: nothing fits"):
        choose_trainer(
            [asked(data, board, sram_bytes=300) for board in ("qemu-cortex-m7", "qemu-cortex-m4")], EFFORTS
        )
