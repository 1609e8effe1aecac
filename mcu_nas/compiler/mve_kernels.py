"""The kernels in C with Helium's intrinsics, firmware/kernels/*_mve.c: what each serves and needs.

Each computes what a kernel in portable C does and may overlap its input as that does, so that its row is that
kernel's but for what is named here.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from mcu_nas.compiler.kernel import Kernel
from mcu_nas.compiler.portable_kernels import PORTABLE_KERNELS, is_pointwise
from mcu_nas.cores import InstructionSet
from mcu_nas.network import Network
from mcu_nas.operators import Conv2D, DepthwiseConv2D, FullyConnected

_PORTABLE = {kernel.name: kernel for kernel in PORTABLE_KERNELS}
VECTOR_VALUES = 16  # int8 values of a vector
PRODUCT_GROUP = 4  # output channels that product_mve.h computes together
DEPTHWISE_GROUP = 8  # channels, of depthwise_mve.c
BEHIND = VECTOR_VALUES - 1  # bytes behind what does not fill its last vector
_PARAMETERS = 12  # bytes of a product's channel: bias, multiplier, shift
_DEPTHWISE_PARAMETERS = 16  # bytes of a channel: two biases, multiplier, shift


def _in_groups(network: Network, op: Conv2D | FullyConnected) -> bool:
    return network.shape(op.inputs[1])[0] >= PRODUCT_GROUP


def _pointwise(network: Network, op: Conv2D) -> bool:
    return is_pointwise(network, op) and _in_groups(network, op)


def _windowed(network: Network, op: Conv2D) -> bool:
    return not is_pointwise(network, op) and _in_groups(network, op)


def _product_constants(network: Network, op: Conv2D | FullyConnected) -> int:
    """Weights and parameters of whole groups."""
    channels, *window = network.shape(op.inputs[1])
    inputs = math.prod(window)
    behind = BEHIND if inputs % VECTOR_VALUES else 0
    return -(-channels // PRODUCT_GROUP) * PRODUCT_GROUP * (inputs + _PARAMETERS) + behind


def _window_scratch(network: Network, op: Conv2D) -> int:
    """One pixel's window, stored in whole vectors."""
    return math.prod(network.shape(op.inputs[1])[1:]) + BEHIND


def _in_eights(network: Network, op: DepthwiseConv2D) -> bool:
    """As many outputs as inputs."""
    channels = network.shape(op.inputs[0])[3]
    return network.shape(op.outputs[0])[3] == channels >= DEPTHWISE_GROUP


def _depthwise_constants(network: Network, op: DepthwiseConv2D) -> int:
    """Weights and parameters of whole groups."""
    _, rows, columns, channels = network.shape(op.inputs[1])
    whole = -(-channels // DEPTHWISE_GROUP) * DEPTHWISE_GROUP
    return whole * (rows * columns + _DEPTHWISE_PARAMETERS)


def _like(name: str, **differences: Any) -> Kernel:
    return replace(_PORTABLE[name], name=f"{name}_mve", instruction_set=InstructionSet.MVE, **differences)


MVE_KERNELS = (
    _like("pointwise_s8", condition=_pointwise, constants_bytes=_product_constants),
    _like(
        "conv_s8",
        condition=_windowed,
        constants_bytes=_product_constants,
        scratch_bytes=_window_scratch,
    ),
    _like(
        "depthwise_s8",
        condition=_in_eights,
        constants_bytes=_depthwise_constants,
    ),
    _like("fully_connected_s8", condition=_in_groups, constants_bytes=_product_constants),
    _like("add_s8", arguments_of="add_s8"),
    _like("mean_s8", arguments_of="mean_s8"),
    _like("average_pool_s8", arguments_of="average_pool_s8"),
    _like("max_pool_s8", arguments_of="max_pool_s8"),
)
