"""What one operator's check asks again and again: shapes, constants, quantization, each with its error."""

from __future__ import annotations

from mcu_nas.graph import Graph, Quantization
from mcu_nas.network import output_size, shown
from mcu_nas.operators import Conv2D, DepthwiseConv2D, Op, Pool2D
from mcu_nas.tflite.faults import Place

MAX_SIDE = 4096  # pixels; bounds the time that cost models spend on a damaged file


class Check:
    """One operator of a graph under check; ``place`` says where it stands in the file."""

    def __init__(self, graph: Graph, op: Op, place: Place) -> None:
        self.graph = graph
        self.network = graph.network
        self.op = op
        self.place = place
        self.shapes = [self.network.shape(t) for t in op.inputs]
        self.out = self.network.shape(op.outputs[0])

    def same_quantization(self) -> None:
        """The output has its first input's scale and zero point."""
        if self.quantization(self.op.inputs[0]) != self.quantization(self.op.outputs[0]):
            raise self.place.error("its input and output differ in scale or zero point")

    def activations(self, *positions: int) -> None:
        """Inputs at these positions, and the output, are activations with one scale and zero point."""
        for tensor in (*(self.op.inputs[p] for p in positions), self.op.outputs[0]):
            name = self.network.tensors[tensor].name
            if tensor in self.network.constants:
                raise self.place.unsupported(f"takes the constant {name!r} as an activation")
            self.one_scale(tensor, "activation")

    def one_scale(self, tensor: int, role: str) -> None:
        """A tensor is quantized per tensor, its zero point within int8."""
        name = self.network.tensors[tensor].name
        quantization = self.quantization(tensor)
        if len(quantization.scales) != 1:
            raise self.place.error(f"{role} {name!r} has {len(quantization.scales)} scales, not 1")
        if not -128 <= quantization.zero_point <= 127:
            raise self.place.error(f"{name!r} has zero point {quantization.zero_point}, beyond int8")

    def quantization(self, tensor: int) -> Quantization:
        """The quantization of a tensor, which must have one."""
        quantization = self.graph.quantization.get(tensor)
        if quantization is None:
            raise self.place.error(f"tensor {self.network.tensors[tensor].name!r} has no quantization")
        return quantization

    def constant(self, position: int, role: str, dtype: str, rank: int) -> None:
        """The input at a position is a constant of a dtype and rank."""
        tensor = self.op.inputs[position]
        declared = self.network.tensors[tensor]
        if tensor not in self.network.constants:
            raise self.place.unsupported(f"its {role} {declared.name!r} are no constant")
        if declared.dtype != dtype:
            raise self.place.unsupported(f"its {role} {declared.name!r} are {declared.dtype}, not {dtype}")
        if len(declared.shape) != rank:
            raise self.place.error(f"its {role} {declared.name!r} have shape {shown(declared.shape)}")

    def image(self, position: int) -> None:
        """The input at a position is an image that is not absurdly large."""
        if len(self.shapes[position]) != 4:
            raise self.place.error(f"its input has shape {shown(self.shapes[position])}, not 1×H×W×C")
        if max(self.shapes[position][1:3]) > MAX_SIDE:
            raise self.place.unsupported(f"its input is {shown(self.shapes[position])}, beyond {MAX_SIDE} px")

    def window_output(
        self,
        op: Conv2D | DepthwiseConv2D | Pool2D,
        window: tuple[int, int],
        dilation: tuple[int, int],
        channels: int,
    ) -> None:
        """The output is what a window gives on the first input."""
        _, height, width, _ = self.shapes[0]
        size = tuple(
            output_size(op.padding, length, kernel, stride, step)
            for length, kernel, stride, step in zip((height, width), window, op.stride, dilation, strict=True)
        )
        if min(size) < 1:
            raise self.place.error(f"its {window[0]}×{window[1]} window exceeds the {height}×{width} input")
        self.output((1, *size, channels))

    def output(self, expected: tuple[int, ...]) -> None:
        """The output has this shape."""
        if self.out != expected:
            raise self.place.error(f"its output is {shown(self.out)}, should be {shown(expected)}")
