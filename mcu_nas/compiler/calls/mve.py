"""Arguments of the kernels with Helium: those of the kernels in portable C, constants packed for its loops.

The layouts are those that firmware/kernels/product_mve.h and depthwise_mve.h state.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from mcu_nas.compiler.calls import pooling, weighted
from mcu_nas.compiler.calls.fields import Arguments
from mcu_nas.compiler.generators.generated import Refusal
from mcu_nas.compiler.mve_kernels import BEHIND, DEPTHWISE_GROUP, PRODUCT_GROUP, VECTOR_VALUES
from mcu_nas.graph import Graph
from mcu_nas.operators import DepthwiseConv2D, Mean

_WIDENED = np.array([0, 2, 4, 6, 1, 3, 5, 7])  # channels of a depthwise group, as lanes_mve.h has them


def product(portable: Callable[[Graph, Any], Arguments]) -> Callable[[Graph, Any], Arguments]:
    """A convolution's or a fully connected layer's arguments, from those of the kernel in portable C."""

    def arguments(graph: Graph, op: Any) -> Arguments:
        fields, arrays = portable(graph, op)
        factors = _below_one(arrays["factors"])
        bias = arrays["interior_bias"] if "interior_bias" in arrays else arrays["bias"]
        return fields, product_constants(arrays["weights"].reshape(len(factors), -1), bias, factors)

    return arguments


def depthwise(graph: Graph, op: DepthwiseConv2D) -> Arguments:
    """``struct mcu_depthwise_s8_mve``."""
    fields, arrays = weighted.depthwise_planar(graph, op)
    factors = _below_one(arrays["factors"])
    weights = arrays["weights"].reshape(-1, len(factors))
    return fields, depthwise_constants(weights, arrays["bias"], arrays["interior_bias"], factors)


def mean(graph: Graph, op: Mean) -> Arguments:
    """``struct mcu_mean_s8``."""
    fields, arrays = pooling.mean(graph, op)
    factor = fields["factor"]
    assert not isinstance(factor, int)
    _below_one(np.array([list(factor.values())]))
    return fields, arrays


def product_constants(weights: np.ndarray, bias: np.ndarray, factors: np.ndarray) -> dict[str, np.ndarray]:
    """What product_mve.h reads. int8 (channels, inputs), int32 (channels,) with the zero point folded in,
    int32 (channels, 2): multiplier and shift.
    """
    groups = _groups(len(weights), PRODUCT_GROUP)
    inputs = weights.shape[1]
    whole = inputs - inputs % VECTOR_VALUES
    grouped = weights[groups]  # (groups, 4, inputs)
    vectors = grouped[:, :, :whole].reshape(*groups.shape, -1, VECTOR_VALUES).transpose(0, 2, 1, 3)
    rows = [part.reshape(len(groups), -1) for part in (vectors, grouped[:, :, whole:])]
    behind = BEHIND if whole < inputs else 0
    return {
        "weights": np.pad(np.concatenate(rows, axis=1).reshape(-1), (0, behind)),
        "parameters": _by_group(groups, bias, *factors.T),
    }


def depthwise_constants(
    weights: np.ndarray, bias: np.ndarray, interior_bias: np.ndarray, factors: np.ndarray
) -> dict[str, np.ndarray]:
    """What depthwise_mve.c reads. int8 (taps, channels), int32 (channels,) twice, int32 (channels, 2)."""
    groups = _groups(len(factors), DEPTHWISE_GROUP)
    return {
        "weights": weights[:, groups].transpose(1, 0, 2).reshape(-1),
        "parameters": _by_group(groups[:, _WIDENED], bias, interior_bias, *factors.T),
    }


def _groups(channels: int, size: int) -> np.ndarray:
    """The channels of each group (groups, size): the last group ends with the last channel."""
    begins = np.minimum(np.arange(0, channels, size), channels - size)
    return begins[:, None] + np.arange(size)


def _by_group(groups: np.ndarray, *values: np.ndarray) -> np.ndarray:
    """int32: for each group, of each of the values those of its channels."""
    return np.stack([each[groups] for each in values], axis=1).astype(np.int32).reshape(-1)


def _below_one(factors: np.ndarray) -> np.ndarray:
    """The factors (channels, 2), unless one of them is 1 or more."""
    if (factors[:, 1] > 0).any():
        raise Refusal(f"output channel {int(factors[:, 1].argmax())}: a factor of 1 or more")
    return factors
