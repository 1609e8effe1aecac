"""Checks of the operators with weights."""

from __future__ import annotations

import math

from mcu_nas.graph import Quantization
from mcu_nas.network import output_size, shown
from mcu_nas.operators import (
    Conv2D,
    DepthwiseConv2D,
    FullyConnected,
    TransposeConv,
    Weighted,
    layer_inputs,
)
from mcu_nas.tflite.checks.check import MAX_SIDE, Check
from mcu_nas.tflite.schema import CHANNEL_AXIS

# The converter computes s_in * s_w in float32; files with a larger difference mean something else.
_BIAS_SCALE_TOLERANCE = 1e-3
_SMALLEST_FLOAT32 = 1.2e-38


def convolution(check: Check, op: Conv2D | DepthwiseConv2D) -> None:
    """CONV_2D, DEPTHWISE_CONV_2D."""
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
    _weights_and_bias(check, op, channels)


def transpose_convolution(check: Check, op: TransposeConv) -> None:
    """TRANSPOSE_CONV."""
    check.constant(0, "output shape", "int32", 1)
    check.constant(1, "weights", "int8", 4)
    check.activations(2)
    check.image(2)
    weights, image = check.shapes[1], check.shapes[2]
    stated = check.graph.constants[op.inputs[0]].tolist()
    if stated != list(check.out):
        raise check.place.error(f"its output shape is {stated[:5]}, its output {shown(check.out)}")
    if weights[3] != image[3]:
        raise check.place.error(f"its weights take {weights[3]} channels, the input has {image[3]}")
    if len(check.out) != 4 or check.out[3] != weights[0]:
        raise check.place.error(f"its output is {shown(check.out)}, its weights give {weights[0]} channels")
    if max(check.out[1:3]) > MAX_SIDE:
        raise check.place.unsupported(f"its output is {shown(check.out)}, beyond {MAX_SIDE} px")
    sizes = zip(check.out[1:3], weights[1:3], op.stride, strict=True)
    if tuple(output_size(op.padding, *size) for size in sizes) != image[1:3]:
        raise check.place.error(
            f"a convolution of its {shown(check.out)} output does not give its {shown(image)} input"
        )
    _weights_and_bias(check, op, weights[0])


def fully_connected(check: Check, op: FullyConnected) -> None:
    """FULLY_CONNECTED."""
    check.activations(0)
    check.constant(1, "weights", "int8", 2)
    features, taken = check.shapes[1]
    values = check.shapes[0][-1] if op.keep_num_dims else math.prod(check.shapes[0])
    if values != taken:
        raise check.place.error(f"its weights take {taken} values, the input has {shown(check.shapes[0])}")
    check.output((*check.shapes[0][:-1], features) if op.keep_num_dims else (1, features))
    _weights_and_bias(check, op, features)


def _weights_and_bias(check: Check, op: Weighted, channels: int) -> None:
    tensors = layer_inputs(op)
    check.constant(op.inputs.index(tensors[2]), "bias", "int32", 1)
    if check.network.shape(tensors[2]) != (channels,):
        count = check.network.shape(tensors[2])[0]
        raise check.place.error(f"its bias has {count} values for {channels} channels")
    source, weights, bias = (check.quantization(tensor) for tensor in tensors)
    for role, quantization in (("weights", weights), ("bias", bias)):
        if len(quantization.scales) not in (1, channels):
            count = len(quantization.scales)
            raise check.place.error(f"its {role} have {count} scales for {channels} channels")
        if any(quantization.zero_points):
            raise check.place.error(f"its {role} have a zero point other than 0")
    if len(weights.scales) > 1 and weights.axis != CHANNEL_AXIS[type(op)]:  # shared with another operator
        raise check.place.error(f"its weights are quantized along axis {weights.axis}")
    _bias_scale(check, source.scale, weights, bias, channels)


def _bias_scale(
    check: Check, scale_in: float, weights: Quantization, bias: Quantization, channels: int
) -> None:
    spread = [q.scales * (channels if len(q.scales) == 1 else 1) for q in (weights, bias)]
    for channel, (scale_weights, scale_bias) in enumerate(zip(*spread, strict=True)):
        expected = scale_in * scale_weights
        if abs(scale_bias - expected) > _BIAS_SCALE_TOLERANCE * expected + _SMALLEST_FLOAT32:
            raise check.place.error(
                f"bias scale of channel {channel} is {scale_bias:.6g}, "
                f"input scale times weight scale is {expected:.6g}"
            )
