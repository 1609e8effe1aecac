"""``compile --keep-input``: what the caller wrote into the arena is still there after a run."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given

from mcu_nas.boards import load_board
from mcu_nas.compiler.emit import emit_sources, write_sources
from mcu_nas.compiler.planner import Optimize
from mcu_nas.compiler.program import Program, compile_graph
from mcu_nas.cost.board_program import load_program_for
from mcu_nas.tflite.writer import serialize_tflite
from tests.command_line import mcu_nas
from tests.compiler.small_program import compile_c, run, small_program
from tests.graphs import GraphMaker, graphs

RUN_ONCE = """\
#include <stdio.h>
#include <string.h>
#include "kws.h"

static uint8_t arena[KWS_ARENA_BYTES];

int main(void) {
    uint8_t loaded[KWS_INPUT0_BYTES];
    for (int i = 0; i < KWS_INPUT0_BYTES; i++) loaded[i] = (uint8_t)(i * 37);
    memcpy(kws_input(arena, 0), loaded, sizeof loaded);
    kws_run(arena);
    puts(memcmp(kws_input(arena, 0), loaded, sizeof loaded) == 0 ? "kept" : "overwritten");
}
"""


def compiled(keep: bool) -> Program:
    return compile_graph(small_program().graph, "kws", "0" * 16, keep_inputs=keep)


@pytest.mark.parametrize(("keep", "said"), [(True, "kept\n"), (False, "overwritten\n")])
def test_input_survives_a_run_where_it_is_asked_for(keep, said, tmp_path):
    write_sources(compiled(keep), tmp_path)
    objects = compile_c("gcc", tmp_path)
    (tmp_path / "main.c").write_text(RUN_ONCE)
    run("gcc", "main.c", *objects, "-o", "main", cwd=tmp_path)
    assert run(tmp_path / "main", cwd=tmp_path) == said


@given(graphs())
def test_nothing_else_ever_lies_where_a_kept_input_lies(graph):
    program = compile_graph(graph, "kws", "0" * 16, keep_inputs=True)
    network, offsets = program.graph.network, program.plan.offsets
    for kept in network.inputs:
        end = offsets[kept] + network.tensors[kept].bytes
        for tensor in set(network.lifetimes) - {kept}:
            after = offsets[tensor] >= end
            before = offsets[tensor] + network.tensors[tensor].bytes <= offsets[kept]
            assert after or before, f"tensor {tensor} lies in input {kept}"


def test_every_input_is_kept_of_a_model_with_several():
    maker = GraphMaker(0)
    a, b = maker.activation("a", (1, 4, 4, 2)), maker.activation("b", (1, 4, 4, 2))
    graph = maker.graph((a, b), (maker.add(a, b),))
    assert compile_graph(graph, "sum", "0" * 16).arena_bytes == 64
    assert compile_graph(graph, "sum", "0" * 16, keep_inputs=True).arena_bytes == 96


def test_header_says_what_becomes_of_the_input():
    def header(keep: bool) -> str:
        return re.sub(r"\s+\*?\s*", " ", emit_sources(compiled(keep))["kws.h"])

    assert "A run may overwrite its inputs;" in header(False)
    assert "A run leaves its inputs as they are;" in header(True)


def test_compile_command_keeps_the_input_with_the_option_only(tmp_path):
    (tmp_path / "kws.tflite").write_bytes(serialize_tflite(small_program().graph))
    command = ("compile", str(tmp_path / "kws.tflite"), "--board", "stm32f746g-disco", "--json")
    command += ("--optimize", "memory")
    plain = json.loads(mcu_nas(*command, "--out", str(tmp_path / "plain")).out)
    kept = json.loads(mcu_nas(*command, "--out", str(tmp_path / "kept"), "--keep-input").out)
    assert (plain["keeps_input"], kept["keeps_input"]) == (False, True)
    board = load_board("stm32f746g-disco")
    program = load_program_for(tmp_path / "kws.tflite", board, optimize=Optimize.MEMORY, keep_inputs=True)
    assert kept["arena_bytes"] == program.arena_bytes > plain["arena_bytes"]
