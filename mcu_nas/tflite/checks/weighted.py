"""Checks of the operators with weights."""

from __future__ import annotations

import math

from mcu_nas.graph import Quantization
from mcu_nas.operators import Conv2D, DepthwiseConv2D, FullyConnected
from mcu_nas.tflite.checks.check import Check, shown
from mcu_nas.tflite.schema import CHANNEL_AXIS

# The converter computes s_in * s_w in float32; files with a larger difference mean something else.
_BIAS_SCALE_TOLERANCE = 1e-3
_SMALLEST_FLOAT32 = 1.2e-38


def convolution(check: Check, op: Conv2D | DepthwiseConv2D) -> None:
    check.activations(0)
    check.constant(1, "weights", "int8", 4)
    check.image(0)
    image, weights = check.shapes[0], check.shapes[1]
    if isinstance(op, Conv2D):
        channels = weights[0]
        if weights[3] != image[3]:
            raise check.place.unsupported(f"its weights take {weights[3]} channels of {image[3]}, groups")
    else:
        channels = weights[3]
        if weights[0] != 1 or channels % image[3]:
            raise check.place.error(f"its weights are {shown(weights)}, the input has {image[3]} channels")
    check.window_output(op, (weights[1], weights[2]), op.dilation, channels)
    _weights_and_bias(check, channels)


def fully_connected(check: Check, op: FullyConnected) -> None:
    check.activations(0)
    check.constant(1, "weights", "int8", 2)
    features, taken = check.shapes[1]
    if math.prod(check.shapes[0]) != taken:
        raise check.place.error(f"its weights take {taken} values, the input has {shown(check.shapes[0])}")
    check.output((1, features))
    _weights_and_bias(check, features)


def _weights_and_bias(check: Check, channels: int) -> None:
    check.constant(2, "bias", "int32", 1)
    if check.shapes[2] != (channels,):
        raise check.place.error(f"its bias has {check.shapes[2][0]} values for {channels} channels")
    weights, bias = (check.quantization(t) for t in check.op.inputs[1:3])
    for role, quantization in (("weights", weights), ("bias", bias)):
        if len(quantization.scales) not in (1, channels):
            count = len(quantization.scales)
            raise check.place.error(f"its {role} have {count} scales for {channels} channels")
        if any(quantization.zero_points):
            raise check.place.error(f"its {role} have a zero point other than 0")
    _bias_scale(check, weights, bias, channels)


def _bias_scale(check: Check, weights: Quantization, bias: Quantization, channels: int) -> None:
    assert weights.axis == CHANNEL_AXIS[type(check.op)]
    scale_in = check.quantization(check.op.inputs[0]).scale
    spread = [q.scales * (channels if len(q.scales) == 1 else 1) for q in (weights, bias)]
    for channel, (scale_weights, scale_bias) in enumerate(zip(*spread, strict=True)):
        expected = scale_in * scale_weights
        if abs(scale_bias - expected) > _BIAS_SCALE_TOLERANCE * expected + _SMALLEST_FLOAT32:
            raise check.place.error(
                f"bias scale of channel {channel} is {scale_bias:.6g}, "
                f"input scale times weight scale is {expected:.6g}"
            )
