"""Board files: every shipped one loads, every rule of the schema has a file that breaks it."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import BaseModel

from mcu_nas.boards import (
    Board,
    Flash,
    Region,
    Reserve,
    Serial,
    board_names,
    load_board,
    merge_adjacent,
    read_board,
)
from mcu_nas.errors import BoardError
from mcu_nas.resources import boards_dir

SOUND = """\
name = "acme"
title = "Acme M7 kit"
core = "cortex-m7"
clock_hz = 216_000_000
port = "stm32f7"

[port_constants]
HSE_HZ = 25_000_000

[[memory]]
name = "flash"
origin = 0x0800_0000
bytes = 1_048_576
kind = "flash"

[[memory]]
name = "SRAM1"
origin = 0x2001_0000
bytes = 245_760
kind = "ram"

[reserve]
stack_bytes = 4_096
harness_bytes = 2_048
flash_bytes = 16_384

[serial]
baud = 115_200

[flash]
tools = ["openocd", "st-flash"]
openocd_config = "board/acme.cfg"
"""


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


def written(text: str, path: str = "boards/acme.toml") -> Path:
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, encoding="utf-8")
    return target


def complaint(text: str) -> str:
    with pytest.raises(BoardError) as caught:
        read_board(written(text))
    return str(caught.value)


@pytest.mark.parametrize("path", sorted(boards_dir().glob("*.toml")), ids=lambda path: path.stem)
def test_every_shipped_board_loads(path):
    assert read_board(path).name == path.stem


def test_the_boards_of_record_are_shipped():
    emulated = {f"qemu-cortex-{core}" for core in ("m0", "m3", "m33", "m4", "m55", "m7")}
    assert {"stm32f746g-disco", *emulated} <= set(board_names())


def test_memory_of_the_f746_is_one_region_of_320_kib():
    board = load_board("stm32f746g-disco")
    assert (board.sram_bytes, board.flash_bytes) == (320 * 1024, 1024 * 1024)
    assert board.largest_region("ram").name == "DTCM+SRAM1+SRAM2"


def test_usable_memory_is_what_the_reserve_leaves():
    board = read_board(written(SOUND))
    assert board.usable_sram_bytes == 245_760 - 4_096 - 2_048
    assert board.usable_flash_bytes == 1_048_576 - 16_384


def test_only_adjacent_regions_of_one_kind_merge():
    def region(name: str, origin: int, size: int, kind: str = "ram") -> Region:
        return Region(name=name, origin=origin, bytes=size, kind=kind)

    memory = (
        region("c", 0x60, 0x20),
        region("a", 0, 0x10),
        region("b", 0x10, 0x20),
        region("f", 0x80, 16, "flash"),
    )
    assert [(r.name, r.origin, r.bytes) for r in merge_adjacent(memory, "ram")] == [
        ("a+b", 0, 48),
        ("c", 96, 32),
    ]


BROKEN = {
    "region_lies_within_the_address_space": (
        ("origin = 0x2001_0000", "origin = 0xFFFF_FFF0"),
        "memory[1] ends at 0x10003bff0, beyond the 32-bit address space",
    ),
    "origin_is_aligned_to_sixteen_bytes": (
        ("origin = 0x2001_0000", "origin = 0x2001_0008"),
        "memory[1].origin is 0x20010008: must be a multiple of 16, the alignment of an arena",
    ),
    "reserve_is_a_multiple_of_sixteen_bytes": (
        ("stack_bytes = 4_096", "stack_bytes = 4_100"),
        "reserve.stack_bytes is 4100: must be a multiple of 16, the alignment of an arena",
    ),
    "name_is_lower_case_words_joined_by_hyphens": (
        ('name = "acme"', 'name = "Acme_1"'),
        "name is 'Acme_1': use lower-case letters and digits, joined by single hyphens",
    ),
    "title_fits_a_line_of_the_serial_protocol": (
        ("Acme M7 kit", "Acme [M7]"),
        "title is 'Acme [M7]': use up to 60 letters, digits, blanks and ().,/+_-",
    ),
    "core_is_one_that_firmware_can_be_built_for": (
        ("cortex-m7", "cortex-m8"),
        "core is 'cortex-m8': did you mean 'cortex-m7' or 'cortex-m4'? known are ",
    ),
    "port_exists_in_the_firmware": (
        ('port = "stm32f7"', 'port = "stm32f8"'),
        "port is 'stm32f8': did you mean 'stm32f7'? known are ",
    ),
    "port_constants_are_upper_case_identifiers": (
        ("HSE_HZ", "hse-hz"),
        "port_constants has the key 'hse-hz': use upper-case letters, digits and underscores",
    ),
    "port_constants_leave_alone_what_the_build_defines": (
        ("HSE_HZ", "BOARD_CLOCK_HZ"),
        "port_constants has the key 'BOARD_CLOCK_HZ': BOARD_ and MCU_ begin what the build itself defines",
    ),
    "emulator_is_the_name_of_a_machine": (
        ('port = "stm32f7"', 'port = "stm32f7"\nemulator = "-help"'),
        "emulator is '-help': `qemu-system-arm -M help` lists the machines",
    ),
    "regions_have_names_of_their_own": (
        ('name = "SRAM1"', 'name = "flash"'),
        "memory has 2 regions called 'flash'",
    ),
    "regions_do_not_overlap": (
        ("origin = 0x2001_0000", "origin = 0x0808_0000"),
        "memory has overlapping regions: flash ends after SRAM1 begins",
    ),
    "memory_has_flash_and_ram": (
        ('kind = "ram"', 'kind = "flash"'),
        'memory has no region of kind "ram": code and data need one each',
    ),
    "openocd_has_a_configuration": (
        ('openocd_config = "board/acme.cfg"\n', ""),
        'flash has the tool "openocd" without openocd_config, such as "board/NAME.cfg"',
    ),
    "hot_code_goes_into_a_region_for_code": (
        ("[reserve]", '[placement]\nhot_code = "SRAM"\n[reserve]'),
        "placement.hot_code is 'SRAM': regions of kind \"code\" are none",
    ),
    "reserve_leaves_room_for_a_model": (
        ("stack_bytes = 4_096", "stack_bytes = 245_760"),
        "reserve takes 247,808 B of 245,760 B SRAM: nothing is left for a model",
    ),
}


@pytest.mark.parametrize("rule", BROKEN)
def test_a_file_that_breaks_a_rule_is_refused_with_its_reason(rule):
    (sound, broken), message = BROKEN[rule]
    assert sound in SOUND
    assert complaint(SOUND.replace(sound, broken)).startswith(f"boards/acme.toml: {message}")


def test_every_rule_has_a_file_that_breaks_it():
    def rules(table: type[BaseModel]) -> set[str]:
        decorators = table.__pydantic_decorators__
        return {*decorators.field_validators, *decorators.model_validators}

    assert rules(Board) | rules(Region) | rules(Reserve) | rules(Flash) == set(BROKEN)


@pytest.mark.parametrize(
    ("sound", "broken", "message"),
    [
        (
            '"st-flash"',
            '"dfu"',
            "flash.tools[1] is 'dfu': input should be 'openocd' or 'st-flash'",
        ),
        ("tools =", "tool =", "flash.tools is missing:"),
        ("board/acme.cfg", "board/acme.cfg -c exit", "flash.openocd_config is 'board/acme.cfg -c exit'"),
        (
            "bytes = 1_048_576\n",
            "",
            "memory[0].bytes is missing: size of the region in bytes, see the datasheet",
        ),
        ("baud = 115_200\n", "", "serial.baud is missing: bits per second, e.g. 115_200"),
        (
            "clock_hz = 216_000_000\n",
            "",
            "clock_hz is missing: clock of the core in hertz once the firmware has",
        ),
        (
            "flash_bytes =",
            "flash_byte =",
            "reserve.flash_bytes is missing: code and constants of harness and port",
        ),
        (
            "baud = 115_200",
            "baud = 115_200\nparity = 1",
            "serial.parity is not a key of a board: known here are baud",
        ),
        (
            "clock_hz",
            "clock_hz = 1\nclok_hz",
            "clok_hz is not a key of a board: did you mean 'clock_hz'? known here",
        ),
        ("baud = 115_200", 'baud = "fast"', "serial.baud is 'fast': input should be a valid integer"),
        ("bytes = 245_760", "bytes = 0", "memory[1].bytes is 0: input should be greater than 0"),
        ('kind = "ram"', 'kind = "rom"', "memory[1].kind is 'rom': input should be 'flash', 'ram' or 'code'"),
        ("25_000_000", "-1", "port_constants.HSE_HZ is -1: input should be greater than or equal to 0"),
        ("flash_bytes = 16_384", "flash_bytes = 1_048_576", "reserve takes 1,048,576 B of 1,048,576 B flash"),
        ("25_000_000", "4_294_967_296", "port_constants.HSE_HZ is 4294967296: input should be less than"),
        ("216_000_000", "4_294_967_296", "clock_hz is 4294967296: input should be less than 4294967296"),
        ("115_200", "2_147_483_648", "serial.baud is 2147483648: input should be less than 2147483648"),
        ('name = "acme"', 'name = "acme-2"', "name is 'acme-2': must be 'acme', as the file is called"),
        ('name = "acme"', "name = acme", "cannot be read as TOML: Invalid value (at line 1, column 8)"),
    ],
)
def test_a_wrong_or_missing_key_is_named_with_its_file(sound, broken, message):
    assert sound in SOUND
    assert complaint(SOUND.replace(sound, broken, 1)).startswith(f"boards/acme.toml: {message}")


def test_a_board_file_that_is_no_text_is_refused():
    path = written(SOUND)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BoardError, match=r"boards/acme\.toml: cannot be read as TOML: "):
        read_board(path)


def test_an_unknown_board_offers_near_names():
    with pytest.raises(BoardError) as caught:
        load_board("stm32f746-disco")
    assert str(caught.value) == (
        "unknown board 'stm32f746-disco': did you mean 'stm32f746g-disco'? `mcu-nas boards` lists all"
    )


@pytest.mark.parametrize("folder", ["boards", "config/mcu_nas/boards"])
def test_a_users_own_board_is_found(folder):
    written(SOUND, f"{folder}/acme.toml")
    assert load_board("acme").title == "Acme M7 kit"
    assert "acme" in board_names()


def test_a_board_in_the_current_folder_hides_one_further_away():
    written(SOUND, "config/mcu_nas/boards/acme.toml")
    written(SOUND.replace("Acme M7 kit", "mine"), "boards/acme.toml")
    assert load_board("acme").title == "mine"


def test_core_profiles_beside_the_boards_are_no_boards():
    written("[whatever]", "boards/cores/cortex-m7.toml")
    assert "cortex-m7" not in board_names()


def test_every_key_is_explained_in_the_documentation():
    text = (Path(__file__).parents[1] / "docs" / "boards.md").read_text(encoding="utf-8")
    keys = {
        *Board.model_fields,
        *Region.model_fields,
        *Reserve.model_fields,
        *Serial.model_fields,
        *Flash.model_fields,
    }
    assert [key for key in sorted(keys) if f"`{key}`" not in text and f"[{key}]" not in text] == []
