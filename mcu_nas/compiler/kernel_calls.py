"""From an operator of a Graph to the call of its kernel: the fields of the kernel's argument struct.

Field names are those of ``struct mcu_<kernel>`` in firmware/kernels/<stem>.h; compiler/calls computes them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mcu_nas.compiler.calls import elementwise, movement, mve, pooling, weighted
from mcu_nas.compiler.calls.fields import Arguments, Fields
from mcu_nas.compiler.calls.generated import generate
from mcu_nas.compiler.generators.generated import GeneratedKernel
from mcu_nas.compiler.generators.paired_loads import with_paired_loads
from mcu_nas.compiler.kernel import Kernel
from mcu_nas.compiler.target import Loads
from mcu_nas.graph import Graph
from mcu_nas.operators import Op

# What computes the arguments of each C function of the catalogue, from the Graph and the operator.
ARGUMENTS: Mapping[str, Callable[[Graph, Any], Arguments]] = {
    "pointwise_s8": weighted.pointwise,
    "conv_s8": weighted.conv,
    "depthwise_s8": weighted.depthwise,
    "depthwise_planar_s8": weighted.depthwise_planar,
    "fully_connected_s8": weighted.fully_connected,
    "transpose_conv_s8": weighted.transpose_conv,
    "add_s8": elementwise.add,
    "add_broadcast_s8": elementwise.add_broadcast,
    "sub_s8": elementwise.sub,
    "mul_s8": elementwise.mul,
    "table_s8": elementwise.lookup,
    "mean_s8": pooling.mean,
    "average_pool_s8": pooling.average_pool,
    "max_pool_s8": pooling.max_pool,
    "reshape_s8": movement.reshape,
    "strided_copy_s8": movement.strided_copy,
    "pad_s8": movement.pad,
    "resize_nearest_s8": movement.resize_nearest,
    "concatenation_s8": movement.concatenation,
    "softmax_s8": elementwise.softmax,
    "pointwise_s8_mve": mve.product(weighted.pointwise),
    "conv_s8_mve": mve.product(weighted.conv),
    "depthwise_s8_mve": mve.depthwise,
    "fully_connected_s8_mve": mve.product(weighted.fully_connected),
    "add_s8_mve": elementwise.add,
    "mean_s8_mve": mve.mean,
    "average_pool_s8_mve": pooling.average_pool,
    "max_pool_s8_mve": pooling.max_pool,
}


@dataclass(frozen=True)
class KernelCall:
    """One operator as a call of ``mcu_<kernel.name>``, or of the function that was ``generated`` for it.

    ``fields`` are the scalar members of its argument struct, ``arrays`` the constants it points to
    (``factors``: rows of ``struct mcu_factor``);
    ``inputs`` and ``output`` are tensor ids, in the order of the C function's arguments. A constant that
    the function takes among its inputs is the array ``operand<position>``; ``operands`` names them all.
    """

    op: Op
    kernel: Kernel
    inputs: tuple[int, ...]
    output: int
    fields: Fields
    arrays: Mapping[str, np.ndarray] = field(default_factory=dict, repr=False)
    generated: GeneratedKernel | None = field(default=None, repr=False)

    @property
    def operands(self) -> tuple[int | str, ...]:
        """What the C function reads, in order: activations by tensor id, constants by array name."""
        named = ((tensor, f"operand{position}") for position, tensor in enumerate(self.op.inputs))
        found = (name if name in self.arrays else tensor for tensor, name in named)
        return tuple(x for x in found if x in self.arrays or x in self.inputs)


def kernel_call(
    graph: Graph,
    op: Op,
    kernel: Kernel,
    symbol: str,
    *,
    descending: bool = False,
    loads: Loads = Loads.LDM,
) -> KernelCall:
    """The call that runs ``op``, from the last pixel to the first where ``descending``.

    ``symbol`` names the function where one is generated, ``loads`` is the form of its loads.

    Raises:
        Refusal: the layer's values are beyond the generator, or the core's own kernel in C.
        UnsupportedError: a value that the kernel's arithmetic cannot hold.
    """
    (output,) = op.outputs
    inputs = graph.network.activations_in(op)
    if kernel.is_generated:
        function = generate(graph, op, kernel, symbol, descending=descending)
        if loads is Loads.LDRD:
            function = with_paired_loads(function)
        assert function.scratch_bytes <= kernel.scratch_bytes(graph.network, op)
        return KernelCall(op, kernel, inputs, output, {}, {"constants": function.constants}, function)
    fields, arrays = ARGUMENTS[kernel.name](graph, op)
    if kernel.lag_bytes is not None:
        fields = {"descending": int(descending), **fields}  # in the order of the struct's members
    return KernelCall(op, kernel, inputs, output, fields, arrays)
