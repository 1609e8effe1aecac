"""A Graph under change: the one place where a pass adds, reshapes and renumbers tensors."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from mcu_nas.graph import Graph, Quantization
from mcu_nas.network import Network, Tensor
from mcu_nas.operators import Op, renumbered


class Edit:
    """Tensors of a new graph, numbered as in the old one until ``finish``."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._tensors = list(graph.network.tensors)
        self._constants = dict(graph.constants)
        self._quantization = dict(graph.quantization)

    def constant(self, like: int, values: np.ndarray, quantization: Quantization | None) -> int:
        """A new constant with the name of tensor ``like``, which may have other users; its number."""
        name = self._tensors[like].name
        self._tensors.append(Tensor(name, values.shape, str(values.dtype)))
        number = len(self._tensors) - 1
        self._constants[number] = values
        if quantization is not None:
            self._quantization[number] = quantization
        return number

    def reshape(self, tensor: int, shape: tuple[int, ...]) -> None:
        """Give an activation another shape."""
        self._tensors[tensor] = replace(self._tensors[tensor], shape=shape)

    def finish(self, ops: Iterable[Op]) -> Graph:
        """The graph of these operators. Tensors that none uses go, network inputs and outputs stay; the
        rest keep their order and are numbered without gaps.
        """
        ops = tuple(ops)
        network = self._graph.network
        used = {t for op in ops for t in op.inputs + op.outputs} | {*network.inputs, *network.outputs}
        number = {old: new for new, old in enumerate(sorted(used))}
        constants = {number[old]: values for old, values in self._constants.items() if old in number}
        return replace(
            self._graph,
            network=Network(
                tuple(self._tensors[old] for old in sorted(used)),
                tuple(renumbered(op, number) for op in ops),
                tuple(number[t] for t in network.inputs),
                tuple(number[t] for t in network.outputs),
                frozenset(constants),
            ),
            constants=constants,
            quantization={number[old]: q for old, q in self._quantization.items() if old in number},
        )


def readers(network: Network, ops: Iterable[Op]) -> dict[int, list[int]]:
    """Per activation, the positions of the operators that read it, in execution order."""
    result: dict[int, list[int]] = {tensor: [] for tensor in network.lifetimes}
    for position, op in enumerate(ops):
        for tensor in dict.fromkeys(network.activations_in(op)):
            result[tensor].append(position)
    return result
