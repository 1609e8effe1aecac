"""One planner: what a search predicts is what the firmware allocates, and all of it is used."""

from __future__ import annotations

import re

import numpy as np
import pytest

from mcu_nas.compiler.emit_header import emit_header
from mcu_nas.compiler.planner import Optimize, plan
from mcu_nas.compiler.program import Program, compile_graph
from mcu_nas.cost.core_profile import load_core_profile
from mcu_nas.cost.macs import network_macs
from mcu_nas.devices.host import HostModel
from mcu_nas.errors import JobError
from mcu_nas.quantize.synthetic import random_graph
from mcu_nas.spaces.architecture import Architecture
from mcu_nas.spaces.segment_table import SegmentTable
from mcu_nas.spaces.space import Space, mbconv_space
from mcu_nas.tflite.reader import parse_tflite
from mcu_nas.tflite.writer import serialize_tflite

ARCHITECTURES = 500
BUILT = 24
LARGEST_BUILT_MACS = 2_000_000


def spaces() -> list[Space]:
    """Small and large template, grey and colour, odd and even sizes."""
    return [mbconv_space(28, 1, 10), mbconv_space(33, 3, 4), mbconv_space(80, 3, 100)]


def compiled(space: Space, architecture: Architecture, rng: np.random.Generator) -> Program:
    """Through a .tflite file, as a user's model: the reader knows nothing of blocks."""
    tflite = serialize_tflite(random_graph(space.lower(architecture), rng))
    return compile_graph(parse_tflite(tflite, "searched"), "searched", "0" * 16)


def arena_in_header(program: Program) -> int:
    found = re.search(r"#define SEARCHED_ARENA_BYTES (\d+)", emit_header(program))
    assert found
    return int(found[1])


def test_segment_table_planner_and_header_give_one_number_for_500_architectures() -> None:
    rng = np.random.default_rng(0)
    table = SegmentTable(load_core_profile("cortex-m7"))
    for number in range(ARCHITECTURES):
        space = spaces()[number % 3]
        architecture = space.sample(rng)
        one = space.restricted({"resolution": [architecture["resolution"]], "width": [architecture["width"]]})
        row = np.array([[p.options.index(architecture[p.name]) for p in one.positions]])
        predicted = int(table.plan_costs(one, row, Optimize.MEMORY).peak_bytes[0])
        network = space.lower(architecture)
        assert predicted == plan(network).arena_bytes, architecture
        assert predicted == arena_in_header(compiled(space, architecture, rng)), architecture


@pytest.mark.parametrize("seed", range(BUILT))
def test_model_runs_in_exactly_the_predicted_arena_and_needs_its_last_byte(seed: int) -> None:
    rng = np.random.default_rng(seed)
    space = spaces()[seed % 2]
    architecture = space.sample(rng)
    while network_macs(space.lower(architecture)) > LARGEST_BUILT_MACS:
        architecture = space.sample(rng)
    program = compiled(space, architecture, rng)
    shape = program.graph.network.shape(program.graph.network.inputs[0])[1:]
    pixels = rng.integers(-128, 128, (1, *shape), dtype=np.int8)

    model = HostModel(program, sanitize=True)
    assert model.arena_bytes == plan(space.lower(architecture)).arena_bytes
    model.run(pixels)
    model.arena_bytes -= 1
    with pytest.raises(JobError, match="heap-buffer-overflow"):
        model.run(pixels)
