"""Peak memory under its named rules, per layer, in bytes.

Published peaks differ because each tool counts by its own, mostly unnamed, rule. Here each has a name:

- ``layer_sum``: a convolution's input + output; a depthwise one also counts what else is live, which is the
  block's input in a residual block (as the MCUNet repository publishes, NeurIPS 2020).
- ``inplace_dw``: the same, a depthwise convolution counted as max(input, output) + one output plane.
- ``live``: every activation that is live, in the given order of operators.
- ``overlap``: a lower bound for buffers that overlap (diagonal memory optimisation, arXiv 2010.01668;
  vMCU, MLSys 2024): other live bytes + the least of input + output and max(input, output) + lag.
- ``planned``: the bytes that the generated firmware occupies at that layer.

The first two ignore the residual at the projection, where input, expanded tensor and output are all live.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from mcu_nas.compiler.planner import Plan
from mcu_nas.network import Network
from mcu_nas.operators import (
    Add,
    AveragePool2D,
    Conv2D,
    DepthwiseConv2D,
    HardSwish,
    LeakyRelu,
    Logistic,
    MaxPool2D,
    Mul,
    Op,
    Quantize,
    Relu,
    Relu6,
    Reshape,
    Softmax,
    Sub,
    Tanh,
)

RULES = ("layer_sum", "inplace_dw", "live", "overlap", "planned")


@dataclass(frozen=True)
class Peaks:
    """Bytes under each rule: ``layers[i][rule]`` of operator i, None where the rule skips it.

    ``total[rule]`` is the peak. ``total["planned"]`` is the arena; it exceeds every layer's bytes where the
    layout has gaps. ``live_without_input`` leaves the network's inputs out, as some publications do.
    """

    layers: tuple[Mapping[str, int | None], ...]
    total: Mapping[str, int]
    live_without_input: int


def peaks(network: Network, plan: Plan) -> Peaks:
    """The memory of a network under every rule; ``plan`` is the network's own."""
    layers = tuple(
        {
            "layer_sum": layer_sum(network, index),
            "inplace_dw": inplace_dw(network, index),
            "live": live(network, index),
            "overlap": overlap(network, index),
            "planned": planned(network, plan, index),
        }
        for index in range(len(network.ops))
    )
    total = {rule: max((layer[rule] or 0 for layer in layers), default=0) for rule in RULES}
    without_input = max(
        (
            sum(_bytes(network, t) for t in _held(network, index) if t not in network.inputs)
            for index in range(len(network.ops))
        ),
        default=0,
    )
    return Peaks(layers, {**total, "planned": plan.arena_bytes}, without_input)


def live(network: Network, index: int, round_to: int = 1) -> int:
    """Bytes of the activations live at an operator, each rounded up (TFLite Micro rounds to 16)."""
    return sum(-(-_bytes(network, t) // round_to) * round_to for t in _held(network, index))


def layer_sum(network: Network, index: int) -> int | None:
    """Input + output of a convolution, at a depthwise one with the other live activations."""
    op = network.ops[index]
    if isinstance(op, DepthwiseConv2D):
        return live(network, index)
    if isinstance(op, Conv2D):
        return _bytes(network, op.inputs[0]) + _bytes(network, op.outputs[0])
    return None


def inplace_dw(network: Network, index: int) -> int | None:
    """``layer_sum`` with depthwise convolutions in place, one output plane beside them."""
    op = network.ops[index]
    if not isinstance(op, DepthwiseConv2D):
        return layer_sum(network, index)
    source, output = _bytes(network, op.inputs[0]), _bytes(network, op.outputs[0])
    others = live(network, index) - source - output
    return others + max(source, output) + _plane(network, op)


def overlap(network: Network, index: int) -> int:
    """The least that a layout with overlapping input and output could need at an operator."""
    op = network.ops[index]
    everything = live(network, index)
    if isinstance(op, Reshape):
        return everything
    (output,) = op.outputs
    needs = [everything]
    for source in set(network.activations_in(op)):
        if _dies(network, source, index):
            pair = _bytes(network, source), _bytes(network, output)
            needs.append(everything - sum(pair) + max(pair) + _lag(network, op, source))
    return min(needs)


def planned(network: Network, plan: Plan, index: int) -> int:
    """Bytes of the arena that live activations and scratch occupy at an operator under a plan."""
    live_there = network.live_at(index)
    spans = [(plan.offsets[t], plan.offsets[t] + plan.tensor_bytes(network, t)) for t in live_there]
    if index in plan.scratch:
        low = plan.scratch[index]
        spans.append((low, low + plan.kernels[index].scratch_bytes(network, network.ops[index])))
    occupied, end = 0, 0
    for start, stop in sorted(spans):
        occupied += max(0, stop - max(start, end))
        end = max(end, stop)
    return occupied


def _held(network: Network, index: int) -> Iterator[int]:
    """The activations that hold memory at an operator: a view's output is its dying input's."""
    op = network.ops[index]
    view = isinstance(op, Reshape) and _dies(network, op.inputs[0], index)
    return (t for t in network.live_at(index) if not (view and t in op.outputs))


def _dies(network: Network, tensor: int, index: int) -> bool:
    """Whether an activation is not needed after an operator."""
    return network.lifetimes[tensor][1] == index and tensor not in network.outputs


def _bytes(network: Network, tensor: int) -> int:
    return network.tensors[tensor].bytes


def _plane(network: Network, op: Op) -> int:
    """One channel of the output."""
    _, height, width, _ = network.shape(op.outputs[0])
    return height * width


def _lag(network: Network, op: Op, source: int) -> int:
    """Bytes of input that must survive while an output element is written: what overlap costs.

    Whole input rows under a k×k window, one pixel under 1×1, a plane or the rows for depthwise (whichever
    is less), nothing element by element, everything where each output reads the whole input or an operand
    is repeated.
    """
    match op:
        case Add() | Sub() | Mul():
            return 0 if _bytes(network, source) == _bytes(network, op.outputs[0]) else _bytes(network, source)
        case Softmax() | Relu() | Relu6() | LeakyRelu() | HardSwish() | Logistic() | Tanh() | Quantize():
            return 0
        case Conv2D() | DepthwiseConv2D():
            _, tall, wide, _ = network.shape(op.inputs[1])
            rows = _rows(network, source, (tall, wide), op.dilation[0])
            return min(rows, _plane(network, op)) if isinstance(op, DepthwiseConv2D) else rows
        case AveragePool2D() | MaxPool2D():
            return min(_rows(network, source, op.window, 1), _plane(network, op))
        case _:
            return _bytes(network, source)


def _rows(network: Network, source: int, window: tuple[int, int], dilation: int) -> int:
    _, height, width, channels = network.shape(source)
    if window == (1, 1):
        return channels
    return min((window[0] - 1) * dilation + 1, height) * width * channels
