"""The memory map draws the plan: every activation at its place and time, overlaps seen, bytes repeatable."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings

pytest.importorskip("matplotlib")

from mcu_nas.boards import load_board
from mcu_nas.compiler.planner import plan
from mcu_nas.cost.peak_advice import peak_op
from mcu_nas.cost.peak_rules import planned
from mcu_nas.graph import Graph
from mcu_nas.report.memory_map import Box, boxes, write_memory_map
from tests.graphs import GraphMaker, graphs

BOARD = load_board("stm32f746g-disco")


def residual() -> Graph:
    maker = GraphMaker(1)
    pixels = maker.activation("pixels", (1, 16, 16, 3))
    x = maker.conv(pixels, 20, (3, 3))
    y = maker.conv(maker.conv(x, 40, (3, 3)), 20, (3, 3))
    return maker.graph((pixels,), (maker.fully_connected(maker.mean(maker.add(x, y)), 10),))


@given(graphs())
@settings(deadline=None, max_examples=60)
def test_boxes_of_a_column_cover_what_the_plan_occupies_there(graph: Graph) -> None:
    network, the_plan = graph.network, plan(graph.network)
    drawn = boxes(network, the_plan)
    assert len(drawn) == len(network.lifetimes) + len(the_plan.scratch)
    for index in range(len(network.ops)):
        column = [box for box in drawn if box.first <= index <= box.last]
        covered = {offset for box in column for offset in range(box.low, box.high)}
        assert len(covered) == planned(network, the_plan, index) <= the_plan.arena_bytes


def test_boxes_overlap_where_an_operator_writes_over_its_input() -> None:
    one, other = Box(1, 0, 3, 0, 100), Box(2, 3, 5, 50, 150)
    assert one.overlap(other) == Box(1, 3, 3, 50, 100)
    assert one.overlap(Box(3, 4, 5, 0, 100)) is None
    assert one.overlap(Box(3, 0, 3, 100, 120)) is None


@pytest.mark.parametrize("ending", ["svg", "png"])
def test_same_network_gives_the_same_bytes(ending: str, tmp_path: Path) -> None:
    network = residual().network
    files = [tmp_path / f"{name}.{ending}" for name in ("one", "two")]
    for file in files:
        write_memory_map(network, plan(network), BOARD, "residual", file)
    assert files[0].read_bytes() == files[1].read_bytes()
    assert sorted(tmp_path.iterdir()) == files


def test_svg_tells_peak_sizes_and_operators(tmp_path: Path) -> None:
    network = residual().network
    the_plan = plan(network)
    write_memory_map(network, the_plan, BOARD, "residual", tmp_path / "map.svg")
    texts = re.findall(r"<!-- (.*?) -->", (tmp_path / "map.svg").read_text())
    share = f"{100 * the_plan.arena_bytes / BOARD.usable_sram_bytes:.1f} %"
    title = f"residual: arena {the_plan.arena_bytes:,} B, {share} of the 316 KiB usable on {BOARD.name}"
    assert title in texts
    index, size = peak_op(network, the_plan)
    assert f"peak: op {index} {network.ops[index].tflite_name}, {size:,} B" in texts
    assert {f"{index} {op.tflite_name}" for index, op in enumerate(network.ops)} <= set(texts)
    assert not any(text.startswith("usable SRAM") for text in texts)
    assert "16×16×40" in " ".join(texts)
