"""Building firmware: what fits links, what does not fit says by how much, and failures leave nothing."""

from __future__ import annotations

import pytest

from mcu_nas.boards import board_names, load_board
from mcu_nas.devices.build import build_program, port_sources
from mcu_nas.errors import BoardError, BuildError, ToolError
from mcu_nas.resources import firmware_dir
from tests.devices.probe import PROBE, build_probe

HARNESS = sorted((firmware_dir() / "harness").glob("*.c"))
TOY_MODEL = PROBE.parents[1] / "harness" / "toy_model.c"


@pytest.fixture
def board():
    return load_board("stm32f746g-disco")


def refusal(board, out_dir, *flags, error=BuildError, **more) -> str:
    with pytest.raises(error) as caught:
        build_probe(board, out_dir, *flags, **more)
    assert not out_dir.exists()
    return str(caught.value)


def test_an_arena_of_all_usable_sram_links(board, tmp_path):
    image = build_probe(board, tmp_path, f"-DPROBE_ARENA_BYTES={board.usable_sram_bytes}")
    assert image.arena_bytes == board.usable_sram_bytes
    assert image.sram_bytes <= board.sram_bytes
    assert sorted(tmp_path.iterdir()) == [image.binary, image.elf]


def test_an_arena_one_byte_larger_does_not_link(board, tmp_path):
    message = refusal(board, tmp_path / "out", f"-DPROBE_ARENA_BYTES={board.usable_sram_bytes + 1}")
    assert message == (
        "probe does not fit stm32f746g-disco: "
        f"4 B over the {board.usable_sram_bytes:,} B of SRAM that stack and harness leave to the arena"
    )


def test_constants_beyond_the_flash_do_not_link(board, tmp_path):
    weights = tmp_path / "weights.c"
    weights.write_text(
        f"const char weights[{board.flash_bytes}] = {{1}};\n"
        'void probe_extra(void) { __asm volatile("" ::"r"(weights)); }\n'
    )
    message = refusal(board, tmp_path / "out", extra=(weights,))
    assert message.startswith("probe does not fit stm32f746g-disco: ")
    assert message.endswith(f" B over the {board.flash_bytes:,} B of flash")


def test_variables_beyond_the_harness_reserve_do_not_link(board, tmp_path):
    variables = tmp_path / "variables.c"
    variables.write_text(
        f"char buffer[{board.reserve.harness_bytes}];\n"
        'void probe_extra(void) { __asm volatile("" ::"r"(buffer)); }\n'
    )
    message = refusal(board, tmp_path / "out", extra=(variables,), error=BoardError)
    assert "B of [reserve] harness_bytes" in message


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"port_constants": {"HSE_HZ": 25_500_000}}, 'static assertion failed: "HSE_HZ: whole MHz, 2 to 63"'),
        ({"port_constants": {}}, "'HSE_HZ' undeclared here"),
        ({"clock_hz": 217_000_000}, 'static assertion failed: "clock_hz: whole MHz, 25 to 216"'),
    ],
)
def test_numbers_that_do_not_suit_the_port_are_the_boards_fault(board, tmp_path, change, fault):
    message = refusal(board.model_copy(update=change), tmp_path / "out", error=BoardError)
    prefix = "stm32f746g-disco: its clock_hz and [port_constants] do not suit the port stm32f7: "
    assert message.replace("‘", "'").replace("’", "'").startswith(prefix + fault)


def test_constants_of_a_port_are_no_business_of_other_sources(board, tmp_path):
    extra = tmp_path / "extra.c"
    extra.write_text(
        "#ifdef HSE_HZ\n#error seen\n#endif\nvoid probe_extra(void);\nvoid probe_extra(void) {}\n"
    )
    assert build_probe(board, tmp_path / "out", extra=(extra,)).elf.exists()


def test_a_compiler_error_names_file_and_line(board, tmp_path):
    broken = tmp_path / "broken.c"
    broken.write_text("int main(void) {\n    return x;\n}\n")
    message = refusal(board, tmp_path / "out", extra=(broken,))
    assert message.startswith("broken.c does not compile: ")
    assert "broken.c:2:12: error: 'x' undeclared" in message.replace("‘", "'").replace("’", "'")


def test_a_missing_function_is_named(board, tmp_path):
    caller = tmp_path / "caller.c"
    caller.write_text("void absent(void);\nvoid probe_extra(void) { absent(); }\n")
    message = refusal(board, tmp_path / "out", extra=(caller,))
    assert message.startswith("probe does not link: ")
    assert "absent" in message


def test_a_missing_compiler_is_named_with_its_package(board, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolError) as caught:
        build_probe(board, tmp_path / "out")
    assert str(caught.value) == (
        "arm-none-eabi-gcc is not installed: "
        "`apt install gcc-arm-none-eabi libnewlib-arm-none-eabi` brings it on Debian"
    )


@pytest.mark.parametrize("name", board_names())
def test_harness_and_port_compile_without_warnings_and_fit_their_reserve(name, tmp_path):
    board = load_board(name)
    strict = [
        "-Werror",
        "-Wconversion",
        "-Wshadow",
        "-Wstrict-prototypes",
        "-Wmissing-prototypes",
        f"-I{TOY_MODEL.parent}",
    ]
    model = [
        '-DMCU_MODEL_HEADER="toy_model.h"',
        "-DMCU_MODEL_SYMBOL=toy_model",
        "-DMCU_ARENA_BYTES=TOY_ARENA_BYTES",
    ]
    image = build_program(
        [TOY_MODEL, *HARNESS, *port_sources(board)],
        [*strict, *model, f"-DBOARD_BAUD={board.serial.baud}u"],
        "toy",
        board,
        tmp_path,
    )
    assert image.flash_bytes <= board.reserve.flash_bytes
    assert image.variable_bytes <= board.reserve.harness_bytes
    assert image.binary.stat().st_size == image.flash_bytes
