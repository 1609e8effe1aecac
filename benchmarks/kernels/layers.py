"""Networks of one operator, and one generated kernel of theirs on a simulated core."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from benchmarks.kernels.arm_function import ArmFunction
from benchmarks.trained_weights import with_trained_weights
from mcu_nas.compiler.kernel import Kernel
from mcu_nas.compiler.kernel_calls import kernel_call
from mcu_nas.compiler.target import Loads
from mcu_nas.graph import Graph
from mcu_nas.network import Network, Tensor, op_macs, output_size
from mcu_nas.operators import Activation, AveragePool2D, Conv2D, Op, Padding
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
    """One call of a generated kernel: its output, instructions executed, its text, and what it takes."""

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
    """The only operator of a graph, run by one of the kernels that serve it, on a simulated core.

    Raises:
        Refusal: the weights break a bound of the kernel's.
    """
    (op,) = graph.network.ops
    made = kernel_call(graph, op, kernel, SYMBOL, loads=loads).generated
    assert made is not None
    function = ArmFunction(made.assembly, SYMBOL, core)
    scratch = np.zeros(made.scratch_bytes, np.uint8)
    last = inputs[1] if made.has_second_input else scratch
    output = np.zeros(graph.network.shape(op.outputs[0]), np.int8)
    call = function(inputs[0], output, made.constants, last)
    return KernelRun(
        output=call.arrays[1],
        instructions=call.instructions,
        assembly=made.assembly,
        code_bytes=function.code_bytes,
        constants_bytes=made.constants.nbytes,
        scratch_bytes=made.scratch_bytes,
        stack_bytes=call.stack_bytes,
    )


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
