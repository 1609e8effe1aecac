"""Networks of one operator, and one generated kernel of theirs on a simulated core.

An operator that reads the first one's output may follow, where a kernel's format depends on it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.kernels.arm_function import ArmFunction
from benchmarks.trained_weights import with_trained_weights
from mcu_nas.compiler.generators.formats import PAIR_SHIFT, Format, Planes, pairs_from_nhwc
from mcu_nas.compiler.input_planes import input_planes
from mcu_nas.compiler.kernel import Kernel
from mcu_nas.compiler.kernel_calls import kernel_call
from mcu_nas.compiler.target import Loads
from mcu_nas.graph import Graph
from mcu_nas.network import Network, Tensor, op_macs, output_size
from mcu_nas.operators import Activation, AveragePool2D, Conv2D, DepthwiseConv2D, Op, Padding
from mcu_nas.quantize.synthetic import random_graph
from mcu_nas.spaces.builder import NetworkBuilder

SYMBOL = "kernel"


def convolution(
    image: tuple[int, int, int],
    outputs: int,
    window: tuple[int, int] = (1, 1),
    stride: int = 1,
    activation: Activation = Activation.RELU,
) -> Network:
    """SAME padding; image: height, width, channels."""
    builder = NetworkBuilder()
    x = builder.input("x", (1, *image))
    weights = builder.constant("weights", (outputs, *window, image[2]))
    bias = builder.constant("bias", (outputs,), "int32")
    sizes = (
        output_size(Padding.SAME, size, taps, stride) for size, taps in zip(image[:2], window, strict=True)
    )
    out = Tensor("out", (1, *sizes, outputs), "int8")
    return builder.build(
        builder.append(
            lambda y: Conv2D((x, weights, bias), (y,), (stride, stride), Padding.SAME, activation), out
        )
    )


def before_depthwise(image: tuple[int, int, int], outputs: int) -> Network:
    """A pointwise convolution, the network's output, and the 3×3 depthwise one that alone reads it."""
    builder = NetworkBuilder()
    x = builder.conv("layer", builder.input("x", (1, *image)), outputs, 1, 1, Activation.RELU)
    network = builder.build(builder.depthwise("reader", x, 3, 1, Activation.RELU))
    return replace(network, outputs=(x,))


def depthwise(
    image: tuple[int, int, int], taps: int, stride: int = 1, activation: Activation = Activation.RELU
) -> Network:
    """SAME padding, as many outputs as channels."""
    builder = NetworkBuilder()
    x = builder.input("x", (1, *image))
    return builder.build(builder.depthwise("layer", x, taps, stride, activation))


def fully_connected(inputs: int, outputs: int) -> Network:
    """One vector."""
    builder = NetworkBuilder()
    return builder.build(builder.fully_connected("layer", builder.input("x", (1, inputs)), outputs))


def addition(image: tuple[int, int, int]) -> Network:
    """Two activations."""
    builder = NetworkBuilder()
    a, b = (builder.input(name, (1, *image)) for name in "ab")
    return builder.build(builder.add("layer", a, b))


def mean(image: tuple[int, int, int]) -> Network:
    """Over the whole image."""
    builder = NetworkBuilder()
    return builder.build(builder.mean("layer", builder.input("x", (1, *image))))


def average_pool(image: tuple[int, int, int]) -> Network:
    """One window over the whole image."""
    builder = NetworkBuilder()
    x, window = builder.input("x", (1, *image)), (image[0], image[1])
    out = Tensor("out", (1, 1, 1, image[2]), "int8")
    return builder.build(builder.append(lambda y: AveragePool2D((x,), (y,), window, window), out))


@dataclass(frozen=True, eq=False)
class KernelRun:
    """One call of a generated kernel: its output as NHWC, instructions executed, its text, what it takes."""

    output: np.ndarray
    instructions: int
    assembly: str
    code_bytes: int
    constants_bytes: int
    scratch_bytes: int
    stack_bytes: int


def run_kernel(
    graph: Graph,
    kernel: Kernel,
    inputs: list[np.ndarray],
    loads: Loads = Loads.LDM,
    core: str = "cortex-m7",
) -> KernelRun:
    """The first operator of a graph, run by one of the kernels that serve it, on a simulated core.

    inputs: NHWC; they are handed to the kernel in the format that it reads.

    Raises:
        Refusal: the weights break a bound of the kernel's.
    """
    network, op = graph.network, graph.network.ops[0]
    made = kernel_call(graph, op, kernel, SYMBOL, loads=loads).generated
    assert made is not None
    function = ArmFunction(made.assembly, SYMBOL, core)
    scratch = np.zeros(made.scratch_bytes, np.uint8)
    last = inputs[1] if made.has_second_input else scratch
    planes = planes_between(graph, kernel)
    given = in_format(kernel.reads, inputs[0], planes)
    output = np.zeros_like(in_format(kernel.writes, np.zeros(network.shape(op.outputs[0]), np.int8), planes))
    call = function(given, output, made.constants, last)
    return KernelRun(
        output=as_nhwc(kernel.writes, call.arrays[1], planes),
        instructions=call.instructions,
        assembly=str(made.assembly),
        code_bytes=function.code_bytes,
        constants_bytes=made.constants.nbytes,
        scratch_bytes=made.scratch_bytes,
        stack_bytes=call.stack_bytes,
    )


def planes_between(graph: Graph, kernel: Kernel) -> Planes | None:
    """Those that the kernel of the first operator reads or writes, if it does."""
    reader = {kernel.reads: graph.network.ops[0], kernel.writes: graph.network.ops[-1]}.get(Format.PLANES)
    if not isinstance(reader, DepthwiseConv2D):
        return None
    return input_planes(graph.network, reader, graph.quantization[reader.inputs[0]].zero_point)


def in_format(form: Format, image: np.ndarray, planes: Planes | None) -> np.ndarray:
    """int8 (1, height, width, channels) as a kernel reads it."""
    if form is Format.PAIRS:
        return pairs_from_nhwc(image.reshape(-1, image.shape[-1]))
    return image if form is Format.NHWC or planes is None else planes.from_nhwc(image[0])


def as_nhwc(form: Format, output: np.ndarray, planes: Planes | None) -> np.ndarray:
    """A kernel's output as int8, pixel by pixel."""
    if form is Format.PAIRS:
        above = 32 - PAIR_SHIFT
        first = (output << above) >> above
        return np.stack([first, (output - first) >> PAIR_SHIFT], axis=1).astype(np.int8)
    if form is Format.NHWC or planes is None:
        return output
    bottom, right = planes.top + planes.rows, planes.left + planes.columns
    return output[:, planes.top : bottom, planes.left : right].transpose(1, 2, 0).astype(np.int8)


def work_of(network: Network, op: Op, unit: str) -> int:
    """A layer's work in the unit of its kernel's inner loop: MACs, elements of a sum, averaged values."""
    tensor = {"elements": op.outputs[0], "values": op.inputs[0]}.get(unit)
    return op_macs(network, op) if tensor is None else math.prod(network.shape(tensor))


def trained_graph(network: Network) -> Graph:
    """With weights as training leaves them."""
    rng = np.random.default_rng(1)
    return with_trained_weights(random_graph(network, rng), rng)


def random_inputs(network: Network) -> list[np.ndarray]:
    """int8, over the whole range, of each of the network's inputs."""
    rng = np.random.default_rng(5)
    return [rng.integers(-128, 128, network.shape(tensor), dtype=np.int8) for tensor in network.inputs]
