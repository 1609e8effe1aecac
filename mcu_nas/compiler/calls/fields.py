"""Members of kernels' argument structs that several kernels share."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mcu_nas.compiler.requantize import Multiplier, activation_range
from mcu_nas.graph import Graph
from mcu_nas.network import window_axes
from mcu_nas.operators import Activation, Conv2D, DepthwiseConv2D, Op, Pool2D

Fields = Mapping[str, "int | Mapping[str, int]"]
Arguments = tuple[Fields, Mapping[str, np.ndarray]]  # scalar members, constants by member


def output_fields(graph: Graph, op: Op, activation: Activation) -> dict[str, int]:
    """``struct mcu_output``."""
    output = graph.quantization[op.outputs[0]]
    low, high = activation_range(activation, output)
    return {"zero_point": output.zero_point, "min": low, "max": high}


def factor_fields(multiplier: Multiplier) -> dict[str, int]:
    """``struct mcu_factor``."""
    return {"multiplier": multiplier.value, "shift": multiplier.shift}


def axes(graph: Graph, op: Conv2D | DepthwiseConv2D | Pool2D) -> dict[str, Mapping[str, int]]:
    """The two ``struct mcu_axis`` of a window operator."""
    return {
        name: {
            "in_size": axis.size,
            "out_size": axis.outputs,
            "taps": axis.taps,
            "stride": axis.stride,
            "pad": axis.before,
            "dilation": axis.dilation,
        }
        for name, axis in zip("yx", window_axes(graph.network, op), strict=True)
    }
