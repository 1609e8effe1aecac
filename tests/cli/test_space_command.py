"""``mcu-nas space``"""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pytest

from mcu_nas.boards import load_board
from mcu_nas.cost.constraints import constraints_for
from mcu_nas.spaces.space import mbconv_space
from mcu_nas.spaces.stage_one import optimize_space
from tests.command_line import Outcome, mcu_nas


def write_idx(path: Path, array: np.ndarray) -> None:
    header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    path.write_bytes(header + array.astype(np.uint8).tobytes())


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A data set of 24×24 images in four classes, as a folder with MNIST's files."""
    folder = tmp_path_factory.mktemp("digits")
    for part in ("train", "t10k"):
        write_idx(folder / f"{part}-images-idx3-ubyte", np.zeros((8, 24, 24)))
        write_idx(folder / f"{part}-labels-idx1-ubyte", np.arange(8) % 4)
    return str(folder)


def space(data: str, *options: str, board: str = "stm32f746g-disco") -> Outcome:
    return mcu_nas("space", "--board", board, "--data", data, "--samples", "40", *options)


def test_text_shows_limits_grid_choice_and_next_command(digits: str) -> None:
    shown = space(digits, "--latency", "40ms", "--sram", "64KiB", "--flash", "512KiB")
    assert shown.code == 0
    lines = shown.out.splitlines()
    assert lines[0].startswith("limits: SRAM 64 KiB, flash 512 KiB, 40 ms (estimated: ")
    header = next(line for line in lines if line.startswith("width"))
    assert header.split() == ["width", "12", "px", "16", "px", "24", "px"]
    assert sum(line.startswith("0.") for line in lines) == 8
    assert any(line.startswith("chosen: width ") for line in lines)
    assert lines[-1].startswith("next: mcu-nas search --board stm32f746g-disco")
    assert lines[-1].endswith("--sram 65536 --flash 524288 --latency 40ms")


def test_json_equals_stage_one_of_the_same_seed(digits: str) -> None:
    record = json.loads(space(digits, "--latency", "20ms", "--seed", "4", "--json").out)
    limits = constraints_for(load_board("stm32f746g-disco"), latency_ms=20.0)
    expected = optimize_space(mbconv_space(24, 1, 4), limits, seed=4, samples=40)
    assert [row["fitting"] for row in record["spaces"]] == [row.fitting for row in expected.statistics]
    assert record["chosen"]["reason"] == expected.reason
    assert record["chosen"]["count"] == expected.space.count()
    assert record["limits"]["instructions"] == limits.instruction_limit


def test_widths_and_resolutions_limit_the_candidates(digits: str) -> None:
    record = json.loads(space(digits, "--widths", "0.5,0.3", "--resolutions", "24,18", "--json").out)
    candidates = [(row["resolution"], row["width"]) for row in record["spaces"]]
    assert candidates == [(18, 0.3), (18, 0.5), (24, 0.3), (24, 0.5)]
    assert record["next"].endswith(" --resolutions 24,18 --widths 0.5,0.3")


def test_count_is_exact(digits: str) -> None:
    blocks = 3 * 4  # kernel sizes, expand ratios
    stage = 3 * sum(blocks**depth for depth in (1, 2, 3, 4))  # widths, depths
    expected = 3 * stage**3  # head ratios
    one = space(digits, "--count", "--resolutions", "24", "--widths", "0.5", "--json")
    assert json.loads(one.out)["count"] == expected
    shown = space(digits, "--count", "--resolutions", "24", "--widths", "1")
    assert f"{expected:,} architectures" in shown.out


def test_space_in_which_nothing_fits_says_what_its_smallest_network_needs(digits: str) -> None:
    shown = space(digits, "--sram", "1KiB", "--widths", "0.2,1.0", "--resolutions", "12,24")
    assert shown.code == 0
    needs = [line for line in shown.out.splitlines() if line.startswith("nothing fits: ")]
    assert len(needs) == 2
    assert "B of SRAM (limit 1,024 B)" in needs[1]


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (("--resolutions", "32"), 2, "resolution 32 px cannot be used with"),
        (
            ("--resolutions", "32"),
            2,
            "whose images are 24×24 px: choose among 12, 16, 24, or others from 8 to 24",
        ),
        (("--resolutions", "24,x"), 2, "'24,x' is not a list of whole numbers separated by commas"),
        (("--widths", "0.5,-1"), 2, "each must be more than 0"),
        (("--sram", "64KB"), 2, "'64KB' has two readings: write 64KiB"),
        (("--latency", "40"), 2, "'40' needs a unit"),
        (("--sram", "1MiB"), 2, "a limit of 1,048,576 B SRAM is more than stm32f746g-disco leaves"),
        (("--sram", "400"), 1, "nothing fits: the smallest network at width 0.2, 12 px needs"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    digits: str, options: tuple[str, ...], code: int, message: str
) -> None:
    refused = space(digits, *options)
    assert refused.code == code
    assert refused.out == ""
    assert refused.err.startswith("error: ")
    assert refused.err.count("\n") == 1
    assert message in refused.err


def test_unknown_board_and_data_are_offered_near_names(digits: str) -> None:
    assert "did you mean 'stm32f746g-disco'?" in space(digits, board="stm32f746-disco").err
    assert "did you mean 'fashion-mnist'?" in space("fashion-mnits").err
