"""The layers of a model beside their kernels' floors: nothing is left out, and nothing is below its floor."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmarks.engine.floors import KernelShare, floor_table, kernel_shares
from benchmarks.trained_weights import with_trained_weights
from mcu_nas.boards import load_board
from mcu_nas.compiler.emit import write_sources
from mcu_nas.compiler.planner import Optimize
from mcu_nas.compiler.program import compile_graph
from mcu_nas.compiler.target import targets
from mcu_nas.devices.build import build_firmware
from mcu_nas.devices.measurement import measure_layers
from mcu_nas.devices.session import emulated_device
from mcu_nas.operators import Activation
from mcu_nas.quantize.synthetic import random_graph
from mcu_nas.spaces.builder import NetworkBuilder


def test_shares_of_a_model_sum_up_to_it_and_lie_above_their_floors(tmp_path: Path) -> None:
    builder = NetworkBuilder()
    x = builder.conv("stem", builder.input("x", (1, 16, 16, 4)), 12, 3, 1, Activation.RELU)
    x = builder.depthwise("depthwise", x, 3, 1, Activation.RELU)
    x = builder.conv("first", x, 24, 1, 1, Activation.RELU)
    x = builder.conv("second", x, 24, 1, 1, Activation.RELU)
    network = builder.build(builder.fully_connected("classifier", builder.mean("mean", x), 10))
    board, rng = load_board("qemu-cortex-m7"), np.random.default_rng(1)
    graph = with_trained_weights(random_graph(network, rng), rng)
    target = targets(board.core)[0]
    program = compile_graph(graph, "model", "0" * 16, optimize=Optimize.SPEED, target=target)
    write_sources(program, tmp_path / "c")
    image = build_firmware(tmp_path / "c", program.name, board, tmp_path)
    with emulated_device(board, image.elf) as link:
        measured = measure_layers(link, np.zeros((16, 16, 4), np.int8), emulated=True)
    shares = kernel_shares(program, measured)
    assert sum(share.instructions for share in shares.values()) == measured.total - measured.between
    assert sum(share.layers for share in shares.values()) == len(network.ops)
    assert sum(share.work for share in shares.values() if share.unit == "MACs") == measured.macs
    assert shares["pointwise_lanes"].layers == 2
    assert all(share.floor <= share.instructions for share in shares.values())


def test_table_adds_up_the_models_and_leaves_kernels_in_c_without_a_floor() -> None:
    generated, in_c = KernelShare(1, 100, "MACs", 60, 45.0), KernelShare(2, 60, "outputs", 30, 0.0)
    lines = list(floor_table({"wide": [{"fast": generated, "plain": in_c}, {"fast": generated}]}))
    assert lines[2:] == [
        "| wide | fast | 2 | 200 MACs | 0.600 | 0.450 | 1.33 | 80.0 % |",
        "| wide | plain | 2 | 60 outputs | 0.500 | – | – | 20.0 % |",
    ]
