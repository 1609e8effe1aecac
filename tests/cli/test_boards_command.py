"""``mcu-nas boards``"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mcu_nas.boards import board_names, load_board
from tests.command_line import mcu_nas


def test_table_shows_every_board_with_what_a_model_may_use() -> None:
    shown = mcu_nas("boards")
    assert shown.code == 0
    rows = {line.split()[0]: line.split() for line in shown.out.splitlines() if line}
    assert set(board_names()) <= set(rows)
    board = load_board("stm32f746g-disco")
    usable = [f"{size / 1024:,.0f}" for size in (board.usable_sram_bytes, board.usable_flash_bytes)]
    memory = ["320", usable[0], "1,024", usable[1]]
    assert rows[board.name][1:] == ["cortex-m7", "216", "MHz", *memory, "-", "openocd,", "st-flash"]


def test_last_line_is_the_next_command() -> None:
    assert mcu_nas("boards").out.splitlines()[-1].startswith("next: mcu-nas space --board ")


def test_json_holds_the_numbers_of_each_board() -> None:
    found = {board["name"]: board for board in json.loads(mcu_nas("boards", "--json").out)["boards"]}
    assert set(found) == set(board_names())
    for name, record in found.items():
        board = load_board(name)
        assert record["usable_sram_bytes"] == board.usable_sram_bytes
        assert record["clock_hz"] == board.clock_hz


def test_broken_board_of_ones_own_is_named_with_file_and_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "boards").mkdir()
    (tmp_path / "boards" / "acme.toml").write_text('name = "acme"\n')
    monkeypatch.chdir(tmp_path)
    refused = mcu_nas("boards")
    assert refused.code == 2
    assert refused.out == ""
    assert refused.err.startswith("error: boards/acme.toml: title is missing: ")
