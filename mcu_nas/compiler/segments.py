"""A network as segments: stretches between two points where a single activation is live, in NHWC."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mcu_nas.compiler.kernel import Kernel
from mcu_nas.compiler.layout import Buffer
from mcu_nas.compiler.tensor_formats import Formats, allocated_bytes
from mcu_nas.network import Network


def take_overs(network: Network, kernels: Sequence[Kernel]) -> dict[int, int]:
    """Which outputs are written into which dying input.

    Of several candidates the oldest is taken: a residual block's sum lies in the block's input, which is
    what makes segment maxima exact (written elsewhere, some chains need more than their largest segment).
    """
    takes_over: dict[int, int] = {}
    for index, (op, kernel) in enumerate(zip(network.ops, kernels, strict=True)):
        if not kernel.in_place:
            continue
        (output,) = op.outputs
        candidates = [
            tensor
            for tensor in (op.inputs[position] for position in kernel.in_place)
            if tensor not in network.constants
            and tensor not in network.outputs
            and network.lifetimes[tensor][1] == index
            and network.tensors[tensor].bytes == network.tensors[output].bytes
        ]
        if candidates:
            takes_over[output] = min(candidates, key=lambda tensor: (network.lifetimes[tensor][0], tensor))
    return takes_over


def chains_of(network: Network, takes_over: Mapping[int, int], formats: Formats) -> list[Buffer]:
    """One buffer per activation, or per chain of activations that take over one another's memory."""
    owner = {tensor: tensor for tensor in network.lifetimes}
    for output, source in takes_over.items():  # in execution order: a chain resolves to its first tensor
        owner[output] = owner[source]
    chains: dict[int, list[int]] = {}
    for tensor in network.lifetimes:
        chains.setdefault(owner[tensor], []).append(tensor)
    return [
        Buffer(
            tensors=tuple(chain),
            bytes=allocated_bytes(network, chain[0], formats),
            first=min(network.lifetimes[tensor][0] for tensor in chain),
            last=max(network.lifetimes[tensor][1] for tensor in chain),
        )
        for chain in chains.values()
    ]


def segments_of(
    buffers: Sequence[Buffer], op_count: int, formats: Formats
) -> list[tuple[range, list[Buffer]]]:
    """The operators and buffers of each stretch between two points where one buffer is live, in NHWC.

    A buffer that crosses a cut belongs to both sides; ``enters`` and ``leaves`` tell them so.
    """
    # crossings[i]: buffers live both at operator i and at operator i + 1; one in another format counts as two
    crossings = [0] * op_count
    for buffer in buffers:
        for index in range(buffer.first, buffer.last):
            crossings[index] += 1 if buffer.tensors[0] not in formats else 2
    ends = [index for index in range(op_count - 1) if crossings[index] == 1] + [op_count - 1]
    begins = [0, *(end + 1 for end in ends[:-1])]
    pieces: list[list[Buffer]] = [[] for _ in ends]
    piece_of = [0] * op_count
    for number, (begin, end) in enumerate(zip(begins, ends, strict=True)):
        piece_of[begin : end + 1] = [number] * (end + 1 - begin)
    for buffer in buffers:
        first, last = piece_of[buffer.first], piece_of[buffer.last]
        for number in range(first, last + 1):
            pieces[number].append(buffer.clipped(enters=number > first, leaves=number < last))
    return [(range(begin, end + 1), piece) for begin, end, piece in zip(begins, ends, pieces, strict=True)]
