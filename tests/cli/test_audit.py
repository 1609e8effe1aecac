"""`mcu-nas audit`: what it prints, its exit codes, and the wording of its verdicts."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from mcu_nas.boards import load_board
from mcu_nas.cost.board_program import load_program_for
from mcu_nas.cost.peak_rules import RULES
from mcu_nas.operators import Relu
from mcu_nas.tflite.reader import read_tflite
from mcu_nas.tflite.writer import serialize_tflite
from mcu_nas.units import format_bytes
from tests.command_line import Outcome, mcu_nas
from tests.elementwise import unary
from tests.graphs import GraphMaker

BOARD = "stm32f746g-disco"


def classifier(resolution: int, channels: int, classes: int) -> bytes:
    """Stem, one residual block, mean, classifier."""
    maker = GraphMaker(1)
    pixels = maker.activation("pixels", (1, resolution, resolution, 3))
    x = maker.conv(pixels, channels, (3, 3), (2, 2))
    y = maker.conv(x, 3 * channels, (1, 1))
    y = maker.conv(maker.depthwise(y, 1, (3, 3)), channels, (1, 1))
    x = maker.mean(maker.add(x, y))
    return serialize_tflite(maker.graph((pixels,), (maker.fully_connected(x, classes),)))


def audit(target: Path, *options: str, board: str = BOARD) -> Outcome:
    return mcu_nas("audit", str(target), "--board", board, *options)


@pytest.fixture
def small(tmp_path: Path) -> Path:
    path = tmp_path / "small.tflite"
    path.write_bytes(classifier(28, 16, 10))
    return path


def test_model_that_fits_exits_zero_and_says_what_it_uses(small: Path) -> None:
    done = audit(small)
    assert done.code == 0
    assert done.err == ""
    verdict = done.out.splitlines()[-2]
    assert re.fullmatch(
        rf"fits {BOARD}: 1[34](\.\d)? KiB of [\d.]+ KiB SRAM \([\d.]+ %\), "
        r"[\d.]+ KiB of [\d.]+ KiB flash \([\d.]+ %\)",
        verdict,
    )


def test_table_has_a_line_per_operator_with_every_rule(small: Path) -> None:
    lines = audit(small, "--optimize", "memory").out.splitlines()
    assert lines[0].split() == ["op", "layer", "output", "MACs", "weights", *RULES]
    assert lines[3].split() == [
        *("2", "DEPTHWISE_CONV_2D", "out2", "14×14×48", "84,672", "432"),
        *("21.4", "12.4", "21.4", "12.4", "12.8"),
    ]
    assert lines[5].split() == [
        *("4", "ADD", "add4", "14×14×16", "-", "-"),
        *("-", "-", "9.2", "6.1", "6.1"),
    ]
    assert lines[8].split() == [
        *("total,", "peak", "470,560", "2,560"),
        *("21.4", "12.4", "21.4", "12.4", "12.8"),
    ]


def test_last_line_is_the_next_command(small: Path) -> None:
    done = audit(small)
    assert done.out.splitlines()[-1] == f"next: mcu-nas compile {small} --board {BOARD} --out small_c"


def test_too_little_sram_names_the_layer_and_the_missing_bytes(tmp_path: Path) -> None:
    path = tmp_path / "big.tflite"
    path.write_bytes(classifier(160, 64, 10))
    done = audit(path)
    assert done.code == 1
    assert done.err == ""
    verdict, following = done.out.splitlines()[-2:]
    expected = (
        rf"does not fit {BOARD}: op 2 DEPTHWISE_CONV_2D \(out2\) blocks: the arena needs 1\.6 MiB of SRAM, "
        r"[\d.]+ MiB \([\d,]+ B\) more than the usable [\d.]+ KiB"
    )
    assert re.fullmatch(expected, verdict)
    assert following == "next: mcu-nas boards"


def test_layers_that_do_not_fit_by_themselves_are_marked(tmp_path: Path) -> None:
    path = tmp_path / "big.tflite"
    path.write_bytes(classifier(160, 64, 10))
    lines = audit(path).out.splitlines()
    assert [line.split()[0] for line in lines[1:8]] == ["!0", "!1", "!2", "!3", "!4", "!5", "6"]


def test_too_little_flash_names_the_largest_layer(tmp_path: Path) -> None:
    path = tmp_path / "fat.tflite"
    path.write_bytes(classifier(28, 64, 20_000))
    done = audit(path)
    assert done.code == 1
    expected = (
        rf"does not fit {BOARD}: constants and kernels need 1\.[\d] MiB of flash, "
        r"[\d.]+ KiB \([\d,]+ B\) more than the usable [\d.]+ KiB; "
        r"the largest layer, op 6 FULLY_CONNECTED \(out6\), needs 1\.\d MiB"
    )
    assert re.fullmatch(expected, done.out.splitlines()[-2])


def test_json_has_the_documented_keys(small: Path) -> None:
    record = json.loads(audit(small, "--json").out)
    documented = (Path(__file__).parents[2] / "docs" / "json.md").read_text()
    documented = documented.partition("## audit\n")[2].partition("\n## ")[0]
    assert set(re.findall(r"`([a-z_]+)`", documented)) >= set(record) | set(record["layers"][0])
    assert record["fits"] is True
    assert record["tflite_bytes"] == small.stat().st_size
    assert record["macs"] == sum(layer["macs"] for layer in record["layers"])
    assert record["arena_bytes"] == record["peak_bytes"]["planned"]
    assert record["flash_bytes_estimated"] == record["constants_bytes"] + record["code_bytes_estimated"]
    assert len(record["layers"]) == len(read_tflite(small).network.ops)


def test_json_of_a_model_that_does_not_fit_exits_one(tmp_path: Path) -> None:
    path = tmp_path / "big.tflite"
    path.write_bytes(classifier(160, 64, 10))
    done = audit(path, "--json")
    assert done.code == 1
    assert json.loads(done.out)["fits"] is False


def test_run_folder_means_its_winner(small: Path, tmp_path: Path) -> None:
    winner = tmp_path / "run" / "winner"
    winner.mkdir(parents=True)
    (winner / "model.tflite").write_bytes(small.read_bytes())
    done = audit(tmp_path / "run")
    assert done.code == 0
    assert done.out.splitlines()[-1].startswith(f"next: mcu-nas compile {tmp_path / 'run'} --board")


def test_run_without_a_winner_says_how_to_go_on(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text("{}")
    done = audit(tmp_path)
    assert done.code == 2
    assert done.err == (
        f"error: {tmp_path}: the run has no winner yet; "
        f"`mcu-nas search --resume --run {tmp_path}` goes on with it\n"
    )


def test_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    done = audit(tmp_path)
    assert done.code == 2
    assert done.err == (f"error: {tmp_path}: neither a .tflite file nor a run folder of `mcu-nas search`\n")


def test_missing_model_is_refused(tmp_path: Path) -> None:
    done = audit(tmp_path / "gone.tflite")
    assert done.code == 2
    assert done.out == ""
    assert done.err == (
        f"error: {tmp_path / 'gone.tflite'}: no such file or folder; give a .tflite file or a run folder\n"
    )


def test_broken_model_is_one_line_on_stderr(small: Path) -> None:
    small.write_bytes(small.read_bytes()[:400])
    done = audit(small)
    assert done.code == 2
    assert done.out == ""
    assert done.err == (f"error: {small}: truncated or damaged: an offset inside the file leads nowhere\n")


def test_unknown_board_is_one_line_on_stderr(small: Path) -> None:
    done = audit(small, board="stm32f746-disco")
    assert done.code == 2
    assert done.err == (
        "error: unknown board 'stm32f746-disco': did you mean 'stm32f746g-disco'? "
        "`mcu-nas boards` lists all\n"
    )


def test_bars_peak_and_advice_stand_before_the_verdict(small: Path) -> None:
    lines = audit(small).out.splitlines()
    bars = [line for line in lines if "] " in line and "% (used" in line]
    assert [bar.split()[0] for bar in bars] == ["RAM", "flash"]
    peak = next(line for line in lines if line.startswith("peak: "))
    assert re.fullmatch(r"peak:   op \d \w+ \(\w+\) holds [\d.]+ KiB of the arena's [\d.]+ KiB", peak)
    lower = next(line for line in lines if line.startswith("lower: "))
    assert re.fullmatch(
        r"lower:  .+ \((needs retraining|same weights, measure its accuracy)\)"
        r" would bring the arena from [\d.]+ KiB to [\d.]+ K?i?B",
        lower,
    )


def test_best_change_of_json_is_the_one_of_the_text(small: Path) -> None:
    peak = json.loads(audit(small, "--json").out)["peak"]
    assert f"lower:  {peak['changes'][0]['what']} (" in audit(small).out
    assert peak["arena_bytes"] > peak["changes"][0]["arena_bytes"]


def test_model_above_a_limit_exits_one_and_names_it(small: Path) -> None:
    done = audit(small, "--fail-above", "sram=3%", "--fail-above", "macs=1M", "--fail-above", "flash=1KiB")
    assert done.code == 1
    assert done.out.splitlines()[-1].startswith("next: ")
    assert re.fullmatch(
        rf"error: {small}: sram is [\d.]+ % \([\d.]+ KiB of [\d.]+ KiB\), above sram=3%; "
        r"flash is [\d,]+ B, above flash=1KiB\n",
        done.err,
    )


def test_json_names_what_is_above_too(small: Path) -> None:
    done = audit(small, "--json", "--fail-above", "macs=1000")
    assert done.code == 1
    assert json.loads(done.out)["above"] == ["macs is 470,560, above macs=1000"]


def test_model_under_every_limit_exits_zero(small: Path) -> None:
    done = audit(small, "--fail-above", "sram=80%", "--fail-above", "flash=200KiB")
    assert (done.code, done.err) == (0, "")


def test_unreadable_limit_exits_two_in_one_line(small: Path) -> None:
    done = audit(small, "--fail-above", "ram=80%")
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("error: Invalid value for '--fail-above': 'ram=80%': no limit 'ram': did you")
    assert done.err.count("\n") == 1


def test_map_is_written_where_it_is_asked_for(small: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    for name, start in (("map.svg", b"<?xml"), ("map.png", b"\x89PNG")):
        done = audit(small, "--map", str(tmp_path / name))
        assert done.code == 0
        assert f"map:    {tmp_path / name}" in done.out.splitlines()
        assert (tmp_path / name).read_bytes().startswith(start)


def test_map_of_another_kind_is_refused(small: Path, tmp_path: Path) -> None:
    done = audit(small, "--map", str(tmp_path / "map.pdf"))
    assert (done.code, done.out) == (2, "")
    assert done.err == f"error: {tmp_path / 'map.pdf'}: the map is written as .svg or .png\n"


def test_map_without_matplotlib_names_what_to_install(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mcu_nas.extras.find_spec", lambda name: None)
    done = audit(small, "--map", "map.svg")
    assert (done.code, done.out) == (2, "")
    assert done.err == (
        "error: --map needs matplotlib, which is not installed: pip install 'mcu-nas[pictures]'\n"
    )


def test_build_tells_flash_from_the_linked_image(small: Path) -> None:
    if not shutil.which("arm-none-eabi-gcc"):
        pytest.skip("no Arm compiler")
    linked = json.loads(audit(small, "--build", "--json").out)["linked"]
    program = load_program_for(small, load_board(BOARD))
    assert linked["weights_bytes"] + linked["constants_bytes"] == program.constants_bytes
    assert linked["arena_bytes"] == -(-program.arena_bytes // 4) * 4
    assert "kernels " in next(line for line in audit(small, "--build").out.splitlines() if "(linked)" in line)


def test_model_that_does_not_fit_is_not_built(tmp_path: Path) -> None:
    path = tmp_path / "big.tflite"
    path.write_bytes(classifier(160, 64, 10))
    done = audit(path, "--build")
    assert done.code == 1
    assert "not built: the model does not fit" in done.out.splitlines()


def test_passes_say_what_they_saved(tmp_path: Path) -> None:
    maker = GraphMaker(0)
    source = maker.activation("pixels", (1, 16, 16, 3))
    x = maker.conv(source, 8, (3, 3))
    maker.constants[maker.ops[-1].inputs[1]][2:] = 0  # six of eight channels are constant
    x = unary(maker, Relu, maker.conv(x, 4, (1, 1)))
    path = tmp_path / "pruned.tflite"
    path.write_bytes(serialize_tflite(maker.graph((source,), (maker.mean(x),))))
    lines = audit(path).out.splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("passes:"))
    assert lines[at + 1] == "        activations into layers: 1 operator"
    assert re.fullmatch(r"        dead channels: 47,616 MACs, 186 B of weights, .* of arena", lines[at + 2])
    record = json.loads(audit(path, "--json").out)
    assert [layer["op"] for layer in record["layers"]] == ["CONV_2D", "CONV_2D", "MEAN"]
    assert record["given_arena_bytes"] > record["arena_bytes"]
    assert record["arena_bytes"] == load_program_for(path, load_board(BOARD)).arena_bytes
    assert [saving["name"] for saving in record["passes"]] == ["activations into layers", "dead channels"]


def test_passes_that_find_nothing_say_so(small: Path) -> None:
    assert "passes: none found anything to save" in audit(small).out


def test_build_judges_the_linked_image(small: Path) -> None:
    if not shutil.which("arm-none-eabi-gcc"):
        pytest.skip("no Arm compiler")
    record = json.loads(audit(small, "--build", "--json").out)
    linked = record["linked"]
    assert -(-record["arena_bytes"] // 4) * 4 == linked["arena_bytes"]
    shown = audit(small, "--build").out
    model = sum(linked[f"{part}_bytes"] for part in ("weights", "constants", "model_code", "kernels"))
    (bar,) = (line for line in shown.splitlines() if line.startswith("flash ["))
    assert f"(used {format_bytes(model)} of" in bar
    assert f"{format_bytes(model)} of" in record["verdict"]


def test_exceeded_limit_is_followed_by_the_picture_of_what_takes_the_memory(small: Path) -> None:
    done = audit(small, "--fail-above", "sram=1KiB", "--optimize", "memory")
    assert done.code == 1
    assert done.out.splitlines()[-1].endswith("--optimize memory --map small.svg")
