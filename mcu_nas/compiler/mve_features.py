"""How often the loops of the kernels with Helium run, in the shape of LATENCY_FEATURES (latency_features.py).

Their names mean here: ``pixel`` output pixels; ``output`` groups of channels of a pixel; ``window_row`` rows
of windows that are gathered, or worked off group by group; ``mac`` vectors of products.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from mcu_nas.compiler.mve_kernels import DEPTHWISE_GROUP, PRODUCT_GROUP, VECTOR_VALUES
from mcu_nas.compiler.window_taps import taps_inside
from mcu_nas.network import Network
from mcu_nas.operators import Conv2D, DepthwiseConv2D, FullyConnected

_Features = tuple[float, float, float, float, float]


def _product(network: Network, op: Conv2D | FullyConnected) -> _Features:
    channels, *window = network.shape(op.inputs[1])
    pixels = math.prod(network.shape(op.outputs[0])) // channels
    groups = pixels * -(-channels // PRODUCT_GROUP)
    rows = pixels * window[0] if len(window) == 3 else 0
    return (1.0, pixels, groups, rows, groups * -(-math.prod(window) // VECTOR_VALUES))


def _depthwise(network: Network, op: DepthwiseConv2D) -> _Features:
    """Taps in the padding are skipped."""
    _, height, width, channels = network.shape(op.outputs[0])
    groups = -(-channels // DEPTHWISE_GROUP)
    rows, columns = taps_inside(network, op)
    pixels = height * width
    return (1.0, pixels, pixels * groups, rows * width * groups, rows * columns * groups)


MVE_FEATURES: Mapping[str, Callable[[Network, Any], _Features]] = {
    "pointwise_s8_mve": _product,
    "conv_s8_mve": _product,
    "depthwise_s8_mve": _depthwise,
    "fully_connected_s8_mve": _product,
}
