"""The generated writer of planes gives what formats.py says planes are."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.kernels.arm_function import ArmFunction
from mcu_nas.compiler.generators.formats import Planes
from mcu_nas.compiler.generators.generated import Refusal
from mcu_nas.compiler.generators.planes import planes


def assert_writes(layout: Planes, align: int = 1) -> None:
    rng = np.random.default_rng(layout.columns)
    image = rng.integers(-128, 128, (layout.rows, layout.columns, layout.channels), dtype=np.int8)
    expected = layout.from_nhwc(image)
    kernel = planes(layout, "write")
    call = ArmFunction(kernel.assembly, "write")(image, np.full_like(expected, 0x1234), align=(align, 4))
    np.testing.assert_array_equal(call.arrays[1], expected)
    assert call.stack_bytes <= kernel.stack_bytes < call.stack_bytes + 8


@pytest.mark.parametrize("border", [(0, 0, 0, 0), (1, 1, 1, 1), (0, 0, 1, 1), (3, 2, 3, 3)], ids=str)
def test_every_width_is_written_with_its_border(border: tuple[int, int, int, int]) -> None:
    for columns in (*range(1, 12), 24, 33):
        assert_writes(Planes(5, 1 + columns % 3, columns, *border, zero_point=columns - 20))


@pytest.mark.parametrize("channels", [4, 5, 6, 7, 8, 13, 63, 64, 300, 1024, 1365])
def test_every_number_of_channels_is_written(channels: int) -> None:
    assert_writes(Planes(channels, 2, 9, 1, 1, 1, 1, zero_point=-128))


@pytest.mark.parametrize("zero_point", [-128, -1, 0, 1, 127])
def test_the_border_holds_the_zero_point(zero_point: int) -> None:
    assert_writes(Planes(4, 2, 3, 2, 2, 2, 2, zero_point))


@pytest.mark.parametrize("align", [1, 2])
def test_pixels_need_no_alignment(align: int) -> None:
    assert_writes(Planes(6, 3, 10, 1, 1, 1, 1, zero_point=3), align)


@pytest.mark.parametrize(("channels", "reason"), [(3, "four are read"), (1366, "too far apart")])
def test_pixels_that_four_loads_cannot_read_are_refused(channels: int, reason: str) -> None:
    with pytest.raises(Refusal, match=reason):
        planes(Planes(channels, 2, 9, 1, 1, 1, 1, zero_point=0), "write")
