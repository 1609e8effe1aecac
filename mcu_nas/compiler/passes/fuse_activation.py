"""RELU and RELU6 into the operator before them, which then clamps its outputs itself."""

from __future__ import annotations

from dataclasses import replace

from mcu_nas.compiler.passes.edit import Edit, readers
from mcu_nas.graph import Graph
from mcu_nas.operators import Activation, Add, Conv2D, DepthwiseConv2D, FullyConnected, Op, Relu, Relu6

_CLAMPING = (Conv2D, DepthwiseConv2D, FullyConnected, Add)


def fuse_activation(graph: Graph) -> Graph:
    """The graph with every RELU and RELU6 fused that alone reads the output of a convolution, fully
    connected layer or ADD of its own scale and zero point, where it only clamps; the graph itself where
    there is none.
    """
    network = graph.network
    uses = readers(network, network.ops)
    ops: list[Op] = []
    writer: dict[int, int] = {}  # activation -> position in ops
    for op in network.ops:
        before = writer.get(op.inputs[0])
        producer = ops[before] if before is not None else None
        alone = len(uses.get(op.inputs[0], ())) == 1 and op.inputs[0] not in network.outputs
        if isinstance(op, Relu | Relu6) and isinstance(producer, _CLAMPING) and alone and _clamps(graph, op):
            assert before is not None
            activation = _both(producer.activation, op)
            ops[before] = replace(producer, outputs=op.outputs, activation=activation)
            writer[op.outputs[0]] = before
        else:
            writer[op.outputs[0]] = len(ops)
            ops.append(op)
    return graph if len(ops) == len(network.ops) else Edit(graph).finish(ops)


def _clamps(graph: Graph, op: Op) -> bool:
    """Whether an activation does not rescale: its factor is then exactly 1."""
    return graph.quantization[op.inputs[0]] == graph.quantization[op.outputs[0]]


def _both(fused: Activation, op: Relu | Relu6) -> Activation:
    """A fused activation, then another: RELU6's range lies within RELU's."""
    return Activation.RELU6 if isinstance(op, Relu6) or fused is Activation.RELU6 else Activation.RELU
