"""What each operator of a Graph must satisfy: shapes that agree, and TFLite's int8 quantization rules."""

from __future__ import annotations

import math

from mcu_nas.graph import PROBABILITIES, Graph, Quantization
from mcu_nas.network import output_size
from mcu_nas.operators import (
    Add,
    AveragePool2D,
    Conv2D,
    DepthwiseConv2D,
    FullyConnected,
    MaxPool2D,
    Mean,
    Op,
    Pool2D,
    Reshape,
    Softmax,
)
from mcu_nas.tflite.faults import Place
from mcu_nas.tflite.schema import CHANNEL_AXIS

# The converter computes s_in * s_w in float32; files with a larger difference mean something else.
_BIAS_SCALE_TOLERANCE = 1e-3
_SMALLEST_FLOAT32 = 1.2e-38
_MAX_SIDE = 4096  # pixels; bounds the time that cost models spend on a damaged file


def check_operator(graph: Graph, op: Op, place: Place) -> None:
    """Check one operator of a graph whose tensors exist and are written in order.

    Raises:
        ModelError: shapes or quantization contradict the TFLite int8 specification.
        UnsupportedError: they are sound, but this version cannot compile them.
    """
    check = _Check(graph, op, place)
    match op:
        case Conv2D() | DepthwiseConv2D():
            check.convolution(op)
        case FullyConnected():
            check.fully_connected()
        case Add():
            check.add()
        case Mean():
            check.mean(op)
        case AveragePool2D() | MaxPool2D():
            check.pool(op)
        case Reshape():
            check.reshape(op)
        case Softmax():
            check.softmax()


class _Check:
    def __init__(self, graph: Graph, op: Op, place: Place) -> None:
        self._graph = graph
        self._network = graph.network
        self._op = op
        self._place = place
        self._shapes = [self._network.shape(t) for t in op.inputs]
        self._out = self._network.shape(op.outputs[0])

    def convolution(self, op: Conv2D | DepthwiseConv2D) -> None:
        self._activations(0)
        self._constant(1, "weights", "int8", 4)
        self._image(0)
        image, weights = self._shapes[0], self._shapes[1]
        if isinstance(op, Conv2D):
            channels = weights[0]
            if weights[3] != image[3]:
                raise self._place.unsupported(f"its weights take {weights[3]} channels of {image[3]}, groups")
        else:
            channels = weights[3]
            if weights[0] != 1 or channels % image[3]:
                raise self._place.error(
                    f"its weights are {_shown(weights)}, the input has {image[3]} channels"
                )
        self._window_output(op, (weights[1], weights[2]), op.dilation, channels)
        self._weights_and_bias(channels)

    def fully_connected(self) -> None:
        self._activations(0)
        self._constant(1, "weights", "int8", 2)
        features, taken = self._shapes[1]
        if math.prod(self._shapes[0]) != taken:
            raise self._place.error(
                f"its weights take {taken} values, the input has {_shown(self._shapes[0])}"
            )
        self._output((1, features))
        self._weights_and_bias(features)

    def add(self) -> None:
        self._activations(0, 1)
        if self._shapes[0] != self._shapes[1]:
            both = f"{_shown(self._shapes[0])} and {_shown(self._shapes[1])}"
            raise self._place.unsupported(f"adds {both}, broadcasting")
        self._output(self._shapes[0])

    def mean(self, op: Mean) -> None:
        self._activations(0)
        axes = op.inputs[1]
        if axes not in self._network.constants or self._network.tensors[axes].dtype != "int32":
            raise self._place.unsupported("its axes are not an int32 constant")
        self._image(0)
        values = self._graph.constants[axes].reshape(-1).tolist()
        if len(values) > 4 or set(values) != {1, 2}:
            raise self._place.unsupported(f"averages over axes {values[:4]}, not height and width")
        channels = self._shapes[0][3]
        self._output((1, 1, 1, channels) if op.keep_dims else (1, channels))

    def pool(self, op: Pool2D) -> None:
        self._activations(0)
        self._image(0)
        self._window_output(op, op.window, (1, 1), self._shapes[0][3])
        self._same_quantization()

    def reshape(self, op: Reshape) -> None:
        self._activations(0)
        self._same_quantization()
        if len(op.inputs) == 2:
            self._constant(1, "new shape", "int32", 1)
        if math.prod(self._shapes[0]) != math.prod(self._out):
            raise self._place.error(f"reshapes {_shown(self._shapes[0])} to {_shown(self._out)}")
        if len(op.inputs) == 2:
            values = self._graph.constants[op.inputs[1]].tolist()
            fits = (wanted in (-1, size) for wanted, size in zip(values, self._out, strict=False))
            if len(values) != len(self._out) or not all(fits):
                raise self._place.error(f"its new shape is {values[:5]}, its output {_shown(self._out)}")

    def softmax(self) -> None:
        self._activations(0)
        if len(self._shapes[0]) != 2:
            raise self._place.unsupported(f"its input is {_shown(self._shapes[0])}, not a row")
        self._output(self._shapes[0])
        if self._of(self._op.outputs[0]) != PROBABILITIES:
            raise self._place.error("its output has another scale than 1/256 or zero point than -128")

    def _same_quantization(self) -> None:
        if self._of(self._op.inputs[0]) != self._of(self._op.outputs[0]):
            raise self._place.error("its input and output differ in scale or zero point")

    def _activations(self, *positions: int) -> None:
        """Inputs at these positions, and the output, are activations with one scale and zero point."""
        for tensor in (*(self._op.inputs[p] for p in positions), self._op.outputs[0]):
            name = self._network.tensors[tensor].name
            if tensor in self._network.constants:
                raise self._place.unsupported(f"takes the constant {name!r} as an activation")
            quantization = self._of(tensor)
            if len(quantization.scales) != 1:
                raise self._place.error(f"activation {name!r} has {len(quantization.scales)} scales, not 1")
            if not -128 <= quantization.zero_point <= 127:
                raise self._place.error(f"{name!r} has zero point {quantization.zero_point}, beyond int8")

    def _of(self, tensor: int) -> Quantization:
        quantization = self._graph.quantization.get(tensor)
        if quantization is None:
            raise self._place.error(f"tensor {self._network.tensors[tensor].name!r} has no quantization")
        return quantization

    def _constant(self, position: int, role: str, dtype: str, rank: int) -> None:
        tensor = self._op.inputs[position]
        declared = self._network.tensors[tensor]
        if tensor not in self._network.constants:
            raise self._place.unsupported(f"its {role} {declared.name!r} are no constant")
        if declared.dtype != dtype:
            raise self._place.unsupported(f"its {role} {declared.name!r} are {declared.dtype}, not {dtype}")
        if len(declared.shape) != rank:
            raise self._place.error(f"its {role} {declared.name!r} have shape {_shown(declared.shape)}")

    def _image(self, position: int) -> None:
        if len(self._shapes[position]) != 4:
            raise self._place.error(f"its input has shape {_shown(self._shapes[position])}, not 1×H×W×C")
        if max(self._shapes[position][1:3]) > _MAX_SIDE:
            raise self._place.unsupported(
                f"its input is {_shown(self._shapes[position])}, beyond {_MAX_SIDE} px"
            )

    def _window_output(
        self,
        op: Conv2D | DepthwiseConv2D | Pool2D,
        window: tuple[int, int],
        dilation: tuple[int, int],
        channels: int,
    ) -> None:
        _, height, width, _ = self._shapes[0]
        size = tuple(
            output_size(op.padding, length, kernel, stride, step)
            for length, kernel, stride, step in zip((height, width), window, op.stride, dilation, strict=True)
        )
        if min(size) < 1:
            raise self._place.error(f"its {window[0]}×{window[1]} window exceeds the {height}×{width} input")
        self._output((1, *size, channels))

    def _output(self, expected: tuple[int, ...]) -> None:
        if self._out != expected:
            raise self._place.error(f"its output is {_shown(self._out)}, should be {_shown(expected)}")

    def _weights_and_bias(self, channels: int) -> None:
        self._constant(2, "bias", "int32", 1)
        if self._shapes[2] != (channels,):
            raise self._place.error(f"its bias has {self._shapes[2][0]} values for {channels} channels")
        weights, bias = (self._of(t) for t in self._op.inputs[1:3])
        for role, quantization in (("weights", weights), ("bias", bias)):
            if len(quantization.scales) not in (1, channels):
                count = len(quantization.scales)
                raise self._place.error(f"its {role} have {count} scales for {channels} channels")
            if any(quantization.zero_points):
                raise self._place.error(f"its {role} have a zero point other than 0")
        self._bias_scale(weights, bias, channels)

    def _bias_scale(self, weights: Quantization, bias: Quantization, channels: int) -> None:
        assert weights.axis == CHANNEL_AXIS[type(self._op)]
        scale_in = self._of(self._op.inputs[0]).scale
        spread = [q.scales * (channels if len(q.scales) == 1 else 1) for q in (weights, bias)]
        for channel, (scale_weights, scale_bias) in enumerate(zip(*spread, strict=True)):
            expected = scale_in * scale_weights
            if abs(scale_bias - expected) > _BIAS_SCALE_TOLERANCE * expected + _SMALLEST_FLOAT32:
                raise self._place.error(
                    f"bias scale of channel {channel} is {scale_bias:.6g}, "
                    f"input scale times weight scale is {expected:.6g}"
                )


def _shown(shape: tuple[int, ...]) -> str:
    return "×".join(str(size) for size in shape)
