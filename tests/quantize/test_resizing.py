"""Float networks resize as TFLite does."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mcu_nas.compiler.calls.movement import nearest_pixels
from mcu_nas.network import Network, Tensor
from mcu_nas.operators import ResizeNearestNeighbor
from mcu_nas.quantize.execution import execute
from mcu_nas.quantize.float_network import FloatNetwork


@pytest.mark.parametrize(("corners", "half"), [(False, False), (False, True), (True, False)])
def test_a_float_network_takes_the_pixels_that_the_generated_c_takes(corners: bool, half: bool) -> None:
    op = ResizeNearestNeighbor((0,), (1,), corners, half)
    network = Network((Tensor("in", (1, 5, 7, 1)), Tensor("out", (1, 8, 3, 1))), (op,), (0,), (1,))
    pixels = torch.arange(35.0).reshape(1, 5, 7, 1)
    rows, columns = nearest_pixels(op, 5, 8).tolist(), nearest_pixels(op, 7, 3).tolist()
    expected = [[7 * row + column for column in columns] for row in rows]
    assert execute(FloatNetwork(network, {}, 1.0), pixels)[0, :, :, 0].tolist() == expected


def test_half_pixel_centers_take_other_pixels() -> None:
    plain, half = (
        ResizeNearestNeighbor((0,), (1,)),
        ResizeNearestNeighbor((0,), (1,), half_pixel_centers=True),
    )
    assert not np.array_equal(nearest_pixels(plain, 7, 3), nearest_pixels(half, 7, 3))
