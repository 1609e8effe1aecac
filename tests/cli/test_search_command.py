"""`mcu-nas search --from` and `--boards`, from what is typed to what is printed, on a search of seconds."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mcu_nas.search.effort import EFFORTS
from mcu_nas.search.run.board_runs import BoardRuns
from mcu_nas.search.run.run_folder import RunFolder
from tests.command_line import Outcome, mcu_nas
from tests.fashion import needs_fashion_mnist
from tests.search.small_search import TINY, write_data

pytestmark = needs_fashion_mnist

BOARD = """
name = "{name}"
title = "a Cortex-M4 with little memory"
core = "cortex-m4"
clock_hz = 25_000_000
port = "mps2"
emulator = "mps2-an386"
memory = [
    {{ name = "flash", origin = 0x0, bytes = 4_194_304, kind = "flash" }},
    {{ name = "ram", origin = 0x2000_0000, bytes = {sram}, kind = "ram" }},
]
reserve = {{ stack_bytes = 2_048, harness_bytes = 2_048, flash_bytes = 12_288 }}
serial = {{ baud = 115_200 }}
"""


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The current folder: images/, boards/ with one that holds small networks and one that holds none, and
    two/, a finished search for two boards. --effort quick takes seconds."""
    folder = tmp_path_factory.mktemp("here")
    write_data(folder / "images")
    (folder / "boards").mkdir()
    for name, sram in (("small", 4_096 + 1_400), ("tiny", 4_096 + 400)):
        (folder / "boards" / f"{name}.toml").write_text(BOARD.format(name=name, sram=sram))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setitem(EFFORTS, "quick", replace(TINY, name="quick"))
        yield folder


def search(*arguments: str) -> Outcome:
    return mcu_nas("search", *arguments)


SMALL = ("--data", "images", "--resolutions", "12", "--widths", "0.2,0.3", "--threads", "1", "--seed", "3")


@pytest.fixture(scope="module")
def several(here: Path) -> Outcome:
    return search("--boards", "tiny", "qemu-cortex-m4", "small", *SMALL, "--run", "two")


def test_table_of_several_boards_has_a_row_a_board_and_exits_one_where_one_gets_nothing(
    several: Outcome,
) -> None:
    assert several.code == 1
    head, tiny, large, small, *_ = several.out.splitlines()
    assert head.split()[:3] == ["board", "int8", "accuracy"]
    assert tiny.split() == ["tiny", "-", "-", "-", "-", "-", "nothing", "fits"]
    assert (large.split()[0], large.split()[-1]) == ("qemu-cortex-m4", "two/qemu-cortex-m4")
    assert (small.split()[0], small.split()[-1]) == ("small", "two/small")
    refusal = "tiny: no subnet of the supernet of two/qemu-cortex-m4 fits: the smallest needs"
    assert any(line.startswith(refusal) for line in several.out.splitlines())


def test_all_boards_have_networks_of_one_supernet_within_their_memory(several: Outcome) -> None:
    runs = BoardRuns.open(Path("two"))
    assert runs.trainer == "qemu-cortex-m4"
    large, small = runs.folder("qemu-cortex-m4"), runs.folder("small")
    assert small.supernet.read_bytes() == large.supernet.read_bytes()
    source = small.request().source
    assert source is not None
    assert source.run == "two/qemu-cortex-m4"
    assert small.section("winner")["peak_bytes"] <= 1_400
    assert small.section("emulated")["equals_host"]


def test_finished_boards_are_left_alone_and_the_table_is_the_same(several: Outcome) -> None:
    before = {path: path.read_bytes() for path in Path("two").rglob("run.json")}
    again = search("--resume", "--run", "two")
    assert (again.code, again.out) == (several.code, several.out)
    assert mcu_nas("show", "two").out == several.out
    assert {path: path.read_bytes() for path in Path("two").rglob("run.json")} == before


def test_board_whose_run_is_missing_is_searched_on_resume(several: Outcome, tmp_path: Path) -> None:
    Path("again").mkdir()
    shutil.copytree(Path("two") / "qemu-cortex-m4", Path("again") / "qemu-cortex-m4")
    kept = BoardRuns.open(Path("two"))
    BoardRuns(Path("again"), kept.requests, kept.trainer).facing({})
    shown = json.loads(mcu_nas("show", "again", "--json").out)
    assert shown["next"] == "mcu-nas search --resume --run again"
    assert [row["finished"] for row in shown["boards"]] == [False, True, False]
    done = search("--resume", "--run", "again", "--boards", "tiny,qemu-cortex-m4,small", "--json")
    rows = {row["board"]: row for row in json.loads(done.out)["boards"]}
    earlier = RunFolder(Path("two/small"))
    assert rows["small"]["accuracy"] == earlier.section("accuracy")["int8"]
    assert RunFolder(Path("again/small")).model.read_bytes() == earlier.model.read_bytes()
    assert rows["tiny"]["obstacle"].startswith("no subnet")


def test_run_from_another_is_an_ordinary_run(several: Outcome) -> None:
    done = search("--from", "two/qemu-cortex-m4", "--sram", "1300", "--run", "tight")
    assert done.code == 0
    assert "Supernet of two/qemu-cortex-m4: " in done.out
    assert done.out.splitlines()[-1] == "next: mcu-nas measure tight --board qemu-cortex-m4"
    request = RunFolder(Path("tight")).request()
    assert (request.board, request.seed, request.sram_bytes) == ("qemu-cortex-m4", 3, 1300)
    assert request.predictor
    assert mcu_nas("export", "tight", "--out", "out").code == 0
    assert mcu_nas("compile", "tight", "--board", "qemu-cortex-m4", "--out", "c").code == 0
    assert mcu_nas("measure", "tight", "--board", "qemu-cortex-m4", "--images", "3", "--runs", "2").code == 0
    assert "finished" in mcu_nas("show", "tight").out.splitlines()[1]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ("--from two/qemu-cortex-m4 --board tiny", 1, "no subnet of the supernet of two/qemu-cortex-m4 fits"),
        ("--from two/qemu-cortex-m4 --seed 4", 2, "--seed 4: with --from it is that of two/qemu-cortex-m4"),
        ("--from two/qemu-cortex-m4 --widths 0.2", 2, "with --from it is that of two/qemu-cortex-m4"),
        ("--from nowhere", 2, "nowhere is not a run folder"),
        ("--resume --run two/small --from two/small", 2, "--from is part of what the run was asked"),
        ("--boards small,small --data images", 2, "a board is named twice"),
        ("--boards small, --data images", 2, "'small,' is not a list of names"),
        ("--boards small,x --data images", 2, "unknown board 'x'"),
        ("--boards small --board small --data images", 2, "--boards names them all"),
        ("--boards small --board tiny", 2, "--boards names them all"),
        ("--boards tiny --data images --resolutions 12", 1, "tiny: nothing fits"),
        ("--boards small,tiny --data images --run two", 2, "two exists already: --resume continues it"),
        ("--boards small,tiny --resume --run two", 2, "the search was asked for tiny,qemu-cortex-m4,small"),
        ("--seed 4 --resume --run two", 2, "--seed 4: the run was asked with 3"),
    ],
)
def test_search_that_cannot_be_is_one_line_and_makes_nothing(
    arguments: str, code: int, message: str, several: Outcome
) -> None:
    before = sorted(Path().rglob("*"))
    done = search(*arguments.split())
    assert (done.code, done.out) == (code, "")
    assert done.err.splitlines()[-1].startswith("error: ")
    assert message in done.err
    assert sorted(Path().rglob("*")) == before
