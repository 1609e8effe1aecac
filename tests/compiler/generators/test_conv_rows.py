"""Generated convolutions by rows of outputs, on a simulated Cortex-M7, equal firmware/kernels/conv.c."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mcu_nas.compiler.generators.conv_layer import ConvLayer
from mcu_nas.compiler.generators.conv_rows import conv_rows
from mcu_nas.compiler.generators.generated import Refusal
from mcu_nas.compiler.overlaps import block_lag
from tests.compiler.generators.in_place import run_in_place
from tests.compiler.generators.test_conv_lanes import ANY_SIGN, Pair, check, expected, image_of, layer_of

ORDERS = pytest.mark.parametrize("descending", [False, True])


@ORDERS
@pytest.mark.parametrize("rows", [1, 2, 3, 5])
@pytest.mark.parametrize("stride", [(1, 1), (2, 2), (2, 1), (1, 2), (3, 3)])
def test_rows_and_strides(stride: Pair, rows: int, descending: bool) -> None:
    image = (5 * stride[0], 6 * stride[1])
    layer = layer_of(image, (3, 4), (3, 3), stride, zero_point=ANY_SIGN)
    check(conv_rows(layer, "layer_3", rows, descending=descending), layer, image_of(layer))


@ORDERS
@pytest.mark.parametrize("window", [(1, 2), (2, 5), (5, 5), (10, 4), (1, 1)])
@pytest.mark.parametrize("channels", [(1, 3), (2, 5), (5, 4)])
def test_windows_and_channels(window: Pair, channels: Pair, descending: bool) -> None:
    for stride in ((1, 1), (2, 2)):
        layer = layer_of((13, 8), channels, window, stride)
        if layer.weights[0].size <= 160:
            check(conv_rows(layer, "layer_3", 2, descending=descending), layer, image_of(layer), align=2)


@ORDERS
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("same", [False, True])
@pytest.mark.parametrize("image", [(6, 4), (7, 7), (5, 8), (8, 11), (9, 40)])
def test_three_columns_at_a_stride_of_two(image: Pair, same: bool, channels: int, descending: bool) -> None:
    layer = layer_of(image, (channels, 4), (3, 3), (2, 2), same=same, zero_point=ANY_SIGN)
    if layer.out[1] % 2 == 0:
        rows = min(2, layer.out[0])
        check(conv_rows(layer, "layer_3", rows, descending=descending), layer, image_of(layer), align=1)


@pytest.mark.parametrize("image", [(40, 36), (9, 66)])
def test_rows_long_enough_for_loops(image: Pair) -> None:
    for stride in ((1, 1), (2, 2)):
        layer = layer_of(image, (4, 3), (3, 3), stride, same=image[0] > 9)
        rows = min(4, layer.out[0])
        check(conv_rows(layer, "layer_3", rows), layer, image_of(layer))


@settings(max_examples=20, deadline=None)
@given(
    image=st.tuples(st.integers(3, 12), st.integers(3, 12)),
    channels=st.tuples(st.integers(1, 5), st.integers(3, 8)),
    window=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    stride=st.tuples(st.integers(1, 3), st.integers(1, 2)),
    same=st.booleans(),
    rows=st.integers(1, 4),
    descending=st.booleans(),
)
@example((8, 8), (4, 4), (3, 3), (1, 1), True, 3, True)
@example((9, 12), (4, 8), (3, 3), (2, 2), True, 2, False)
def test_output_may_overlap_its_input_at_the_lag_in_both_orders(
    image: Pair, channels: Pair, window: Pair, stride: Pair, same: bool, rows: int, descending: bool
) -> None:
    layer = layer_of(image, channels, window, stride, same=same, zero_point=ANY_SIGN)
    if layer.out[1] % 2 or layer.pixels < 2:
        return
    rows = min(rows, layer.out[0])
    kernel = conv_rows(layer, "layer_3", rows, descending=descending)
    want = expected(layer, image_of(layer)).reshape(-1)
    lag = block_lag(*layer.axes, layer.in_channels, layer.out_channels, rows * layer.out[1])
    got, _ = run_in_place(kernel, image_of(layer), lag, want.size, descending=descending)
    assert np.array_equal(got, want)


@pytest.mark.parametrize(
    ("layer", "rows"),
    [
        (layer_of((6, 5), (3, 4), (3, 3), (1, 1)), 2),
        (layer_of((6, 6), (18, 4), (3, 3), (1, 1)), 2),
        (layer_of((6, 6), (3, 4), (3, 3), (1, 1)), 7),
        (layer_of((6, 6), (3, 4), (3, 3), (1, 1)), 0),
    ],
)
def test_what_it_does_not_serve_is_refused(layer: ConvLayer, rows: int) -> None:
    with pytest.raises(Refusal, match="rows of"):
        conv_rows(layer, "layer_3", rows)
