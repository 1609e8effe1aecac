"""The lag of overlapping buffers is exactly what the windows of all pixels ask for."""

from __future__ import annotations

from hypothesis import assume, example, given
from hypothesis import strategies as st

from mcu_nas.compiler.overlaps import window_lag
from mcu_nas.network import Network, Tensor, output_size, window_axes
from mcu_nas.operators import Conv2D, Padding

sizes = st.tuples(st.integers(1, 9), st.integers(1, 9))
small = st.tuples(st.integers(1, 3), st.integers(1, 3))


def convolution(size, taps, stride, dilation, padding, channels) -> Network:
    out = [output_size(padding, *side) for side in zip(size, taps, stride, dilation, strict=True)]
    if min(out) < 1:
        assume(False)  # the window does not fit
    tensors = (
        Tensor("in", (1, *size, channels[0])),
        Tensor("weights", (channels[1], *taps, channels[0])),
        Tensor("bias", (channels[1],), "int32"),
        Tensor("out", (1, *out, channels[1])),
    )
    op = Conv2D((0, 1, 2), (3,), stride, padding, dilation=dilation)
    return Network(tensors, (op,), (0,), (3,), frozenset({1, 2}))


def brute_force_lag(network: Network) -> int:
    """From the list of bytes that each pixel's window reads."""
    rows, columns = window_axes(network, network.ops[0])
    channels, out_channels = network.shape(0)[3], network.shape(3)[3]
    reads = []  # per output pixel: first byte and end of the last one that its window reads
    for y in range(rows.outputs):
        for x in range(columns.outputs):
            inside = [
                (row * columns.size + column) * channels
                for row in taps_inside(rows, y)
                for column in taps_inside(columns, x)
            ]
            reads.append((min(inside), max(inside) + channels) if inside else (None, None))
    in_bytes, out_bytes = network.tensors[0].bytes, network.tensors[3].bytes
    ascending = descending = 0
    for pixel in range(len(reads)):
        later = [first for first, _ in reads[pixel:] if first is not None]
        earlier = [end for _, end in reads[: pixel + 1] if end is not None]
        if later:
            ascending = max(ascending, (pixel + 1) * out_channels - min(later))
        if earlier:
            descending = max(descending, max(earlier) - pixel * out_channels + out_bytes - in_bytes)
    return min(max(ascending, descending), out_bytes)


def taps_inside(axis, output: int) -> list[int]:
    positions = (output * axis.stride - axis.before + tap * axis.dilation for tap in range(axis.taps))
    return [position for position in positions if 0 <= position < axis.size]


@given(sizes, small, small, st.sampled_from(Padding), small)
@example((5, 5), (3, 3), (1, 1), Padding.SAME, (2, 2))
@example((5, 4), (3, 3), (2, 2), Padding.SAME, (1, 4))
def test_lag_is_what_the_windows_of_all_pixels_ask_for(size, taps, stride, padding, channels):
    network = convolution(size, taps, stride, (1, 1), padding, channels)
    assert window_lag(network, network.ops[0]) == brute_force_lag(network)


@given(sizes, small, small, st.sampled_from(Padding), small)
def test_lag_under_dilation_is_never_less_than_needed(size, taps, dilation, padding, channels):
    network = convolution(size, taps, (1, 1), dilation, padding, channels)
    assert window_lag(network, network.ops[0]) >= brute_force_lag(network)


def test_lag_of_a_huge_image_is_found_by_its_sides() -> None:
    network = convolution((60_000, 60_000), (3, 3), (1, 1), (1, 1), Padding.SAME, (8, 8))
    assert window_lag(network, network.ops[0]) == (60_000 + 2) * 8
