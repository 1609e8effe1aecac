"""Formats of tensors between generated kernels: which are possible, and which of them there is room for.

A tensor that one kernel alone reads may have the format which that kernel would like best, where its producer
can write it (generators/formats.py). A network's inputs and outputs, and what several operators read, are
NHWC.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence

from mcu_nas.compiler.catalogue import in_formats
from mcu_nas.compiler.generators.formats import Format, pairs_bytes
from mcu_nas.compiler.input_planes import input_planes, reader_of
from mcu_nas.compiler.kernel import Kernel
from mcu_nas.compiler.target import Target
from mcu_nas.network import Network

Formats = Mapping[int, Format]  # of tensors that are not NHWC
Refused = frozenset[tuple[int, str]]  # operator number, name of a kernel
FORMAT_ALIGN = 4  # of a tensor that is not NHWC


def tensor_bytes(network: Network, tensor: int, formats: Formats) -> int:
    """Bytes of an activation in its format."""
    if tensor not in formats:
        return network.tensors[tensor].bytes
    if formats[tensor] is Format.PLANES:
        return input_planes(network, reader_of(network, tensor)).bytes
    _, height, width, channels = network.shape(tensor)
    return pairs_bytes(height * width, channels)


def allocated_bytes(network: Network, tensor: int, formats: Formats) -> int:
    """Bytes of the arena that an activation takes: with what aligning its begin may take."""
    return tensor_bytes(network, tensor, formats) + (FORMAT_ALIGN - 1 if tensor in formats else 0)


def with_formats(
    network: Network, target: Target, kernels: Sequence[Kernel], formats: Formats, refused: Refused
) -> list[Kernel]:
    """Of each operator the kernel that it has, or where its tensors have formats the fastest for these."""
    chosen = list(kernels)
    for number, op in enumerate(network.ops):
        reads, writes = (formats.get(tensor, Format.NHWC) for tensor in (op.inputs[0], op.outputs[0]))
        if (reads, writes) != (Format.NHWC, Format.NHWC):
            rows = in_formats(network, op, target, reads, writes)
            chosen[number] = next(row for row in rows if (number, row.name) not in refused)
    return chosen


def possible_formats(
    network: Network, target: Target, kernels: Sequence[Kernel], refused: Refused
) -> dict[int, Format]:
    """Tensors that could be handed on in another format with less effort than ``kernels``, from NHWC to NHWC,
    take. Between two kinds of operators there is one such format."""
    readers = Counter(tensor for op in network.ops for tensor in op.inputs)
    writer = {op.outputs[0]: number for number, op in enumerate(network.ops)}
    found: dict[int, Format] = {}
    for number, op in enumerate(network.ops):
        tensor = op.inputs[0]
        if tensor not in writer or readers[tensor] > 1 or tensor in network.outputs:
            continue
        for between in (Format.PAIRS, Format.PLANES):
            ends = ((writer[tensor], Format.NHWC, between), (number, between, Format.NHWC))
            gains = [
                _gain(network, target, kernels, at, (reads, writes), refused) for at, reads, writes in ends
            ]
            if sum(gains) > 0:
                found[tensor] = between
    return found


def _gain(
    network: Network,
    target: Target,
    kernels: Sequence[Kernel],
    at: int,
    formats: tuple[Format, Format],
    refused: Refused,
) -> float:
    """Effort that operator ``at`` saves where it reads and writes these formats; -inf: it cannot."""
    op, kernel = network.ops[at], kernels[at]
    rows = in_formats(network, op, target, *formats)
    row = next((row for row in rows if (at, row.name) not in refused), None)
    if row is None or not kernel.is_generated:
        return -math.inf
    return kernel.effort(network, op) - row.effort(network, op)
