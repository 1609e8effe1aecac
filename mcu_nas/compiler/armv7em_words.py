"""Rows of the kernels in ARMv7E-M assembly that take values four a word, without weights: ADD, averages.

As armv7em_kernels.py says: by shape alone; ``effort`` as armv7em_efforts.py says.
"""

from __future__ import annotations

import math

from mcu_nas.compiler.armv7em_kernels import generated
from mcu_nas.compiler.portable_kernels import is_dense
from mcu_nas.network import Network, window_axes
from mcu_nas.operators import Add, AveragePool2D, Mean

_MOST_PIXELS = 256  # whose sum fits a half of a word
_LEAST_CHANNELS, _MOST_CHANNELS = 4, 4095


def _two_activations(network: Network, op: Add) -> bool:
    """Dense, and neither operand is a constant."""
    return is_dense(network, op) and len(network.activations_in(op)) == 2


def _whole_window(network: Network, op: AveragePool2D) -> bool:
    """One window, which holds the whole image."""
    reach = (axis.outputs == 1 and axis.taps - axis.before >= axis.size for axis in window_axes(network, op))
    return all(reach) and _in_halves(network, op)


def _whole_image(network: Network, op: Mean) -> bool:
    """As far as shapes tell: over height and width."""
    shape = network.shape(op.inputs[0])
    over_pixels = len(shape) == 4 and math.prod(network.shape(op.outputs[0])) == shape[3]
    return over_pixels and _in_halves(network, op)


def _in_halves(network: Network, op: AveragePool2D | Mean) -> bool:
    _, height, width, channels = network.shape(op.inputs[0])
    return height * width <= _MOST_PIXELS and _LEAST_CHANNELS <= channels <= _MOST_CHANNELS


def _add_effort(network: Network, op: Add) -> float:
    """Four elements, 22 instructions, and half of a loop's end."""
    return 5.75 * math.prod(network.shape(op.outputs[0]))


def _sums_effort(network: Network, op: AveragePool2D | Mean) -> float:
    """Four values, 3 instructions and a share of the loop; five an output."""
    values = math.prod(network.shape(op.inputs[0]))
    return 0.82 * values + 8 * math.prod(network.shape(op.outputs[0]))


ARMV7E_M_WORD_KERNELS = (
    generated(
        "add_words",
        Add,
        condition=_two_activations,
        constants_bytes=lambda network, op: 16,
        in_place=(0, 1),
        effort=_add_effort,
    ),
    generated(
        "global_average",
        AveragePool2D,
        condition=_whole_window,
        constants_bytes=lambda network, op: 8,
        effort=_sums_effort,
    ),
    generated(
        "global_mean",
        Mean,
        condition=_whole_image,
        constants_bytes=lambda network, op: 16,
        effort=_sums_effort,
    ),
)
