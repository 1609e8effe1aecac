"""One planner: what a search predicts is what the firmware allocates, and all of it is used."""

from __future__ import annotations

import re
from itertools import product

import numpy as np
import pytest

from mcu_nas.compiler.emit_header import emit_header
from mcu_nas.compiler.planner import Optimize, plan
from mcu_nas.compiler.program import Program, compile_graph
from mcu_nas.compiler.target import PORTABLE, targets
from mcu_nas.cost.core_profile import load_core_profile
from mcu_nas.cost.macs import network_macs
from mcu_nas.devices.host import HostModel
from mcu_nas.errors import JobError
from mcu_nas.graph import Graph
from mcu_nas.quantize.synthetic import random_graph
from mcu_nas.spaces.architecture import Architecture
from mcu_nas.spaces.segment_table import SegmentTable
from mcu_nas.spaces.space import Space, mbconv_space
from mcu_nas.tflite.reader import parse_tflite
from mcu_nas.tflite.writer import serialize_tflite

ARCHITECTURES = 500
ROOMS = (0, 16_384, 327_680)  # bytes
BUILT = 24
LARGEST_BUILT_MACS = 2_000_000


def spaces() -> list[Space]:
    """Small and large template, grey and colour, odd and even sizes."""
    return [mbconv_space(28, 1, 10), mbconv_space(33, 3, 4), mbconv_space(80, 3, 100)]


def exported(space: Space, architecture: Architecture, rng: np.random.Generator) -> Graph:
    """Through a .tflite file, as a user's model: the reader knows nothing of blocks."""
    return parse_tflite(serialize_tflite(random_graph(space.lower(architecture), rng)), "searched")


def arena_in_header(program: Program) -> int:
    found = re.search(r"#define SEARCHED_ARENA_BYTES (\d+)", emit_header(program))
    assert found
    return int(found[1])


def test_segment_table_planner_and_header_give_one_number_for_500_architectures() -> None:
    rng = np.random.default_rng(0)
    table = SegmentTable(load_core_profile("cortex-m7"))
    choices = list(product(targets("cortex-m7"), ROOMS))
    for number in range(ARCHITECTURES):
        space = spaces()[number % 3]
        architecture = space.sample(rng)
        one = space.restricted({"resolution": [architecture["resolution"]], "width": [architecture["width"]]})
        row = np.array([[p.options.index(architecture[p.name]) for p in one.positions]])
        target, room_bytes = choices[number % len(choices)]
        predicted = int(table.plan_costs(one, row, target, room_bytes).peak_bytes[0])
        network = space.lower(architecture)
        assert predicted == plan(network, Optimize.BOARD, target, room_bytes).arena_bytes, architecture
        if target is not PORTABLE and number % 5:  # assembly takes a while to generate
            continue
        graph = exported(space, architecture, rng)
        program = compile_graph(
            graph, "searched", "0" * 16, optimize=Optimize.BOARD, target=target, room_bytes=room_bytes
        )
        assert predicted == arena_in_header(program), architecture


@pytest.mark.parametrize("seed", range(BUILT))
def test_model_runs_in_exactly_the_predicted_arena_and_needs_its_last_byte(seed: int) -> None:
    rng = np.random.default_rng(seed)
    space = spaces()[seed % 2]
    architecture = space.sample(rng)
    while network_macs(space.lower(architecture)) > LARGEST_BUILT_MACS:
        architecture = space.sample(rng)
    program = compile_graph(exported(space, architecture, rng), "searched", "0" * 16)
    shape = program.graph.network.shape(program.graph.network.inputs[0])[1:]
    pixels = rng.integers(-128, 128, (1, *shape), dtype=np.int8)

    model = HostModel(program, sanitize=True)
    assert model.arena_bytes == plan(space.lower(architecture)).arena_bytes
    model.run(pixels)
    model.arena_bytes -= 1
    with pytest.raises(JobError, match="heap-buffer-overflow"):
        model.run(pixels)
