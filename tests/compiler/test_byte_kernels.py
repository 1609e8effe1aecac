"""What the catalogue states of generated convolutions holds for any weights."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcu_nas.compiler.armv7em_byte_kernels import ARMV7E_M_BYTE_KERNELS, even_blocks, group_tiles
from mcu_nas.compiler.armv7em_kernels import ARMV7E_M_KERNELS
from mcu_nas.compiler.armv7em_pairs import ARMV7E_M_PAIR_KERNELS
from mcu_nas.compiler.calls.generated import generate
from mcu_nas.compiler.catalogue import choose
from mcu_nas.compiler.target import Target, WeightStorage
from mcu_nas.cores import InstructionSet
from mcu_nas.network import Network
from mcu_nas.operators import Activation, Conv2D
from mcu_nas.quantize.synthetic import random_graph
from mcu_nas.spaces.builder import NetworkBuilder

ROWS = [
    row for row in (*ARMV7E_M_KERNELS, *ARMV7E_M_PAIR_KERNELS, *ARMV7E_M_BYTE_KERNELS) if row.serves is Conv2D
]
ON_A_CORTEX_M7 = Target(InstructionSet.ARMV7E_M, WeightStorage.BYTES)


def conv(
    side: int,
    inputs: int,
    outputs: int,
    kernel: int,
    activation: Activation = Activation.RELU6,
    stride: int = 1,
) -> Network:
    builder = NetworkBuilder()
    x = builder.input("x", (1, side, side, inputs))
    return builder.build(builder.conv("conv", x, outputs, kernel, stride, activation))


@settings(max_examples=25, deadline=None)
@given(
    side=st.integers(4, 20),
    inputs=st.integers(1, 3) | st.integers(1, 20).map(lambda count: 4 * count),
    outputs=st.integers(3, 20),
    kernel=st.sampled_from([1, 3, 5]),
    stride=st.sampled_from([1, 2]),
    activation=st.sampled_from([Activation.RELU6, Activation.NONE]),
    weight=st.sampled_from([None, -128, 127]),
)
def test_scratch_and_constants_are_at_most_what_the_row_states(
    side: int,
    inputs: int,
    outputs: int,
    kernel: int,
    stride: int,
    activation: Activation,
    weight: int | None,
) -> None:
    network = conv(side, inputs, outputs, kernel, activation, stride)
    (op,) = network.ops
    graph = random_graph(network, np.random.default_rng(side))
    if weight is not None:
        weights = np.full_like(graph.constants[op.inputs[1]], weight)
        graph = dataclasses.replace(graph, constants={**graph.constants, op.inputs[1]: weights})
    rows = [row for row in ROWS if row.condition(network, op)]
    assert rows
    for row in rows:
        kernels = [generate(graph, op, row, "layer", descending=order) for order in (False, True)]
        for made in kernels:
            assert made.scratch_bytes <= row.scratch_bytes(network, op), row.name
            assert made.constants.nbytes <= row.constants_bytes(network, op), row.name
        assert np.array_equal(kernels[0].constants, kernels[1].constants)


@pytest.mark.parametrize(
    ("shape", "kernel"),
    [
        ((32, 16, 16, 3), "winograd_4x4_bytes"),
        ((8, 64, 64, 3), "winograd_4x4_bytes"),
        ((3, 64, 64, 3), "winograd_2x2_bytes"),
        ((12, 64, 64, 1), "pointwise_blocks"),
        ((32, 3, 16, 3), "conv_rows"),
        ((15, 3, 16, 3), "conv_blocks"),
    ],
)
def test_the_fastest_kernel_of_a_layer(shape: tuple[int, int, int, int], kernel: str) -> None:
    network = conv(*shape)
    assert choose(network, network.ops[0], ON_A_CORTEX_M7).name == kernel


@pytest.mark.parametrize(
    ("pixels", "most", "block"),
    [(125, 64, 64), (125, 204, 64), (1024, 56, 54), (7, 100, 4), (2, 1, 2), (9, 5, 4), (100, 50, 50)],
)
def test_blocks_are_as_equal_as_they_can_be(pixels: int, most: int, block: int) -> None:
    assert even_blocks(pixels, most) == block


@pytest.mark.parametrize(
    ("shape", "size", "tiles"),
    [
        ((32, 16, 16, 3), 4, 8),  # a row of tiles: 12 would fit
        ((20, 16, 16, 3), 4, 10),  # two rows, as a row is an odd number
        ((16, 32, 32, 3), 4, 4),
        ((8, 64, 64, 3), 4, 4),  # beyond the limit, but all there are
        ((4, 64, 64, 3), 4, 2),
        ((64, 32, 32, 3), 4, 4),
    ],
)
def test_groups_are_whole_rows_of_tiles_where_one_fits(
    shape: tuple[int, int, int, int], size: int, tiles: int
) -> None:
    network = conv(*shape)
    assert group_tiles(network, network.ops[0], size) == tiles
