"""What each kernel takes in whole models, beside its floor, the instructions of its inner loop alone."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from benchmarks.kernels.layers import work_of
from mcu_nas.compiler.generators.inner_loops import inner_loop_of
from mcu_nas.compiler.program import Program
from mcu_nas.devices.measurement import LayersMeasurement
from mcu_nas.network import Network, op_macs
from mcu_nas.operators import Op

_NAMES = ("weights", "kernel")
_NUMBERS = ("layers", "work", "per unit", "floor", "times the floor", "share of all instructions")


@dataclass(frozen=True)
class KernelShare:
    """The layers of one kernel in a model, or in several.

    Attributes:
        work: in ``unit``, as benchmarks/kernels counts it; of a kernel in C its MACs, or output values.
        floor: instructions that the inner loops would take for that work; of a kernel in C 0: unknown.
    """

    layers: int
    work: int
    unit: str
    instructions: int
    floor: float

    def __add__(self, other: KernelShare) -> KernelShare:
        return KernelShare(
            self.layers + other.layers,
            self.work + other.work,
            self.unit,
            self.instructions + other.instructions,
            self.floor + other.floor,
        )


def kernel_shares(program: Program, measured: LayersMeasurement) -> dict[str, KernelShare]:
    """A model's layers by kernel, as they were counted."""
    functions = {
        function.symbol: function.lines
        for kernel in program.generated
        for function in kernel.assembly.functions
    }
    shares: dict[str, KernelShare] = {}
    for call, layer in zip(program.calls, measured.layers, strict=True):
        if call.generated is None:
            share = KernelShare(1, *_plain_work(program.graph.network, call.op), layer.count, 0.0)
        else:
            loop = inner_loop_of("\n".join(_lines_run(functions, call.generated.symbol)))
            work = work_of(program.graph.network, call.op, loop.unit)
            share = KernelShare(1, work, loop.unit, layer.count, round(work * loop.floor, 1))
        name = call.kernel.name
        shares[name] = shares[name] + share if name in shares else share
    return shares


def _plain_work(network: Network, op: Op) -> tuple[int, str]:
    macs = op_macs(network, op)
    return (macs, "MACs") if macs else (math.prod(network.shape(op.outputs[0])), "outputs")


def _lines_run(functions: Mapping[str, tuple[str, ...]], symbol: str) -> Iterator[str]:
    """Those of a function and of the ones that it calls, which may be other layers' (shared_functions.py)."""
    yield from functions[symbol]
    called = dict.fromkeys(name for line in functions[symbol] for name in line.split() if name in functions)
    for name in called:
        yield from _lines_run(functions, name)


def floor_table(models: Mapping[str, Iterable[Mapping[str, KernelShare]]]) -> Iterator[str]:
    """Markdown lines; ``models``: by how weights are stored, the shares of each model's kernels."""
    yield f"| {' | '.join((*_NAMES, *_NUMBERS))} |"
    yield "|" + "---|" * len(_NAMES) + "---:|" * len(_NUMBERS)
    for weights, all_shares in models.items():
        total: dict[str, KernelShare] = {}
        for shares in all_shares:
            for name, share in shares.items():
                total[name] = total[name] + share if name in total else share
        everything = sum(share.instructions for share in total.values())
        for name, share in sorted(total.items(), key=lambda item: -item[1].instructions):
            cells = [weights, name, str(share.layers), *_distance(share)]
            cells.append(f"{100 * share.instructions / everything:.1f} %")
            yield f"| {' | '.join(cells)} |"


def _distance(share: KernelShare) -> tuple[str, str, str, str]:
    work, per_unit = f"{share.work:,} {share.unit}", f"{share.instructions / share.work:.3f}"
    if not share.floor:
        return work, per_unit, "–", "–"
    return work, per_unit, f"{share.floor / share.work:.3f}", f"{share.instructions / share.floor:.2f}"
