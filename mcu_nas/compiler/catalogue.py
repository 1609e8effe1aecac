"""The kernel catalogue: which kernels serve an operator, on a target, the fastest first.

In-place ability, overlap, constants and scratch belong to a kernel, so that they stand in the rows, below
the planner and the cost models (portable_kernels.py, mve_kernels.py, armv7em_*.py).
"""

from __future__ import annotations

from functools import cache

from mcu_nas.compiler.armv7em_byte_kernels import ARMV7E_M_BYTE_KERNELS
from mcu_nas.compiler.armv7em_formats import ARMV7E_M_FORMAT_KERNELS
from mcu_nas.compiler.armv7em_kernels import ARMV7E_M_KERNELS
from mcu_nas.compiler.armv7em_pairs import ARMV7E_M_PAIR_KERNELS
from mcu_nas.compiler.armv7em_words import ARMV7E_M_WORD_KERNELS
from mcu_nas.compiler.generators.formats import Format
from mcu_nas.compiler.kernel import Kernel
from mcu_nas.compiler.mve_kernels import MVE_KERNELS
from mcu_nas.compiler.portable_kernels import PORTABLE_KERNELS
from mcu_nas.compiler.target import PORTABLE, Target, WeightStorage
from mcu_nas.cores import InstructionSet
from mcu_nas.errors import UnsupportedError
from mcu_nas.network import Network
from mcu_nas.operators import Op

KERNELS = (
    *PORTABLE_KERNELS,
    *MVE_KERNELS,
    *ARMV7E_M_KERNELS,
    *ARMV7E_M_WORD_KERNELS,
    *ARMV7E_M_PAIR_KERNELS,
    *ARMV7E_M_BYTE_KERNELS,
    *ARMV7E_M_FORMAT_KERNELS,
)


def kernels_of(instruction_set: InstructionSet) -> tuple[Kernel, ...]:
    """The rows whose kernels run on cores with an instruction set."""
    return tuple(row for row in KERNELS if row.is_portable or row.instruction_set is instruction_set)


def choose(network: Network, op: Op, target: Target = PORTABLE) -> Kernel:
    """The fastest kernel that runs ``op``.

    Raises:
        UnsupportedError: no kernel of the catalogue serves it.
    """
    return variants(network, op, target)[0]


def variants(network: Network, op: Op, target: Target = PORTABLE) -> tuple[Kernel, ...]:
    """The kernels from NHWC to NHWC among which a plan may choose, the fastest first: the core's own by their
    effort, one in portable C, and where the core has none of its own a thrifty one.

    Raises:
        UnsupportedError: no kernel of the catalogue serves it.
    """
    found = _serving(network, op, target, Format.NHWC, Format.NHWC)
    own = [kernel for kernel in found if not kernel.is_portable]
    plain = [kernel for kernel in found if kernel.is_portable and not kernel.thrifty][:1]
    thrifty = [kernel for kernel in found if kernel.thrifty and not own]
    if not plain:
        raise UnsupportedError(f"no kernel for {op.tflite_name}")
    return (*own, *plain, *thrifty)


def in_formats(network: Network, op: Op, target: Target, reads: Format, writes: Format) -> tuple[Kernel, ...]:
    """The generated kernels that read and write these formats, the fastest first."""
    found = _serving(network, op, target, reads, writes)
    return tuple(kernel for kernel in found if kernel.is_generated)


def _serving(network: Network, op: Op, target: Target, reads: Format, writes: Format) -> list[Kernel]:
    """By effort, which is none for portable kernels: these come first, in the order of their rows."""
    kind: type = type(op)
    rows = (row for row in _rows_of(kind, target) if (row.reads, row.writes) == (reads, writes))
    return sorted(
        (row for row in rows if row.condition(network, op)), key=lambda row: row.effort(network, op)
    )


@cache
def _rows_of(op: type, target: Target) -> tuple[Kernel, ...]:
    """The rows that may serve an operator."""
    return tuple(
        kernel
        for kernel in kernels_of(target.instruction_set)
        if issubclass(op, kernel.serves)
        and (kernel.weights is WeightStorage.BYTES or target.weights is WeightStorage.WIDE)
    )
