"""The floors of generated kernels as their inner loops have them."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.kernels import layers
from mcu_nas.compiler.catalogue import KERNELS
from mcu_nas.compiler.generators.inner_loops import inner_loop_of
from mcu_nas.compiler.kernel_calls import kernel_call
from mcu_nas.compiler.target import Loads
from mcu_nas.network import Network
from mcu_nas.quantize.synthetic import random_graph

KERNEL = {kernel.name: kernel for kernel in KERNELS if kernel.is_nhwc}
CONVOLUTION, POINTWISE = layers.convolution((8, 8, 8), 6, (3, 3)), layers.convolution((8, 8, 8), 6)


@pytest.mark.parametrize(
    ("name", "network", "ldm", "ldrd", "unit"),
    [
        ("winograd_4x4", CONVOLUTION, 10 / 64, 12 / 64, "MACs"),
        ("winograd_2x2_bytes", CONVOLUTION, 10 / 36, 12 / 36, "MACs"),
        ("conv_lanes", CONVOLUTION, 11 / 24, 14 / 24, "MACs"),
        ("conv_blocks", CONVOLUTION, 11 / 24, 14 / 24, "MACs"),
        ("conv_rows", CONVOLUTION, 11 / 24, 14 / 24, "MACs"),
        ("pointwise_lanes", POINTWISE, 11 / 24, 14 / 24, "MACs"),
        ("pointwise_blocks", POINTWISE, 11 / 24, 14 / 24, "MACs"),
        ("pointwise_pairs", POINTWISE, 10 / 16, 11 / 16, "MACs"),
        ("depthwise_plane", layers.depthwise((12, 12, 4), 3), 45 / 54, 46 / 54, "MACs"),
        ("fully_connected_wide", layers.fully_connected(32, 8), 21 / 32, 26 / 32, "MACs"),
        ("fully_connected_bytes", layers.fully_connected(32, 8), 27 / 32, 30 / 32, "MACs"),
        ("add_words", layers.addition((8, 8, 8)), 22 / 4, 22 / 4, "elements"),
        ("global_mean", layers.mean((8, 8, 8)), 3 / 4, 3 / 4, "values"),
    ],
)
def test_floors(name: str, network: Network, ldm: float, ldrd: float, unit: str) -> None:
    graph = random_graph(network, np.random.default_rng(1))
    for loads, floor in ((Loads.LDM, ldm), (Loads.LDRD, ldrd)):
        made = kernel_call(graph, network.ops[0], KERNEL[name], "kernel", loads=loads).generated
        assert made is not None
        loop = inner_loop_of(str(made.assembly))
        assert (loop.floor, loop.unit) == (pytest.approx(floor), unit)
