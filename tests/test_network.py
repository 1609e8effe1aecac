"""Padding and output sizes against their definition, window by window."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mcu_nas.network import output_size, same_pad
from mcu_nas.operators import Padding

sizes = st.integers(1, 64)
kernels = st.integers(1, 9)
strides = st.integers(1, 4)
dilations = st.integers(1, 3)


def windows(size: int, kernel: int, stride: int, dilation: int) -> int:
    """How many windows fit wholly into ``size`` elements."""
    reach = (kernel - 1) * dilation
    return sum(1 for start in range(0, size, stride) if start + reach < size)


@given(sizes, kernels, strides, dilations)
def test_same_padding_is_the_least_that_gives_one_output_per_stride(
    size: int, kernel: int, stride: int, dilation: int
) -> None:
    wanted = len(range(0, size, stride))
    total = next(pad for pad in range(200) if windows(size + pad, kernel, stride, dilation) >= wanted)
    before, after = same_pad(size, kernel, stride, dilation)
    assert before + after == total
    assert after - before in (0, 1)
    assert output_size(Padding.SAME, size, kernel, stride, dilation) == wanted


@given(sizes, kernels, strides, dilations)
def test_valid_output_size_counts_the_windows_inside(
    size: int, kernel: int, stride: int, dilation: int
) -> None:
    inside = windows(size, kernel, stride, dilation)
    if inside:
        assert output_size(Padding.VALID, size, kernel, stride, dilation) == inside


def test_stride_two_pads_by_the_parity_of_the_size() -> None:
    assert [same_pad(size, 3, 2) for size in (27, 28)] == [(1, 1), (0, 1)]
