"""A row of the kernel catalogue."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mcu_nas.compiler.generators.formats import Format
from mcu_nas.compiler.target import WeightStorage
from mcu_nas.cores import InstructionSet
from mcu_nas.network import Network
from mcu_nas.operators import Op


def no_bytes(network: Network, op: Op) -> int:
    """Of a kernel without constants, or without scratch."""
    return 0


@dataclass(frozen=True, slots=True)
class Kernel:
    """A C function ``mcu_<name>``, or what generates a function for each layer; and what the planner and the
    cost models must know of it.

    ``constants_bytes``: its constant arrays in flash, exact for a C function, at most for a generated one.
    ``in_place``: positions of the inputs whose buffer the output may take over, element by element.
    ``copies``: the output is the input's bytes; in place, it is a view and nothing runs.
    ``input_array``: the C function takes its inputs, of any number, as one array of pointers.
    ``lag_bytes``: how far the output stays away from the input that it may overlap (overlaps.py); such a
    kernel runs in ascending and in descending order. ``any_pixel``: the output may lie at any whole number
    of pixels from its input. ``scratch_bytes``: memory that it needs while it runs; of a generated one at
    most, and with what aligning its begin to a word takes.
    ``thrifty``: takes less memory and more time than the first row that serves the operator.
    ``instruction_set``: what a core must have for it, PORTABLE for C that any runs. ``is_generated``: each
    layer has a function of its own, in assembly. ``arguments_of``: the kernel whose argument
    struct a C function takes, where that is not its own. ``weights``: how a generated one stores them.
    ``effort``: of a core's own kernels that serve one operator, the one with the least runs fastest.
    ``reads``, ``writes``: formats of its first input and of its output; rows of one name may differ in them.
    """

    name: str
    serves: type | tuple[type, ...]
    condition: Callable[[Network, Any], bool] = lambda network, op: True
    constants_bytes: Callable[[Network, Any], int] = no_bytes
    in_place: tuple[int, ...] = ()
    copies: bool = False
    input_array: bool = False
    lag_bytes: Callable[[Network, Any], int] | None = None
    any_pixel: bool = False
    scratch_bytes: Callable[[Network, Any], int] = no_bytes
    thrifty: bool = False
    instruction_set: InstructionSet = InstructionSet.PORTABLE
    is_generated: bool = False
    arguments_of: str = ""
    weights: WeightStorage = WeightStorage.BYTES
    effort: Callable[[Network, Any], float] = no_bytes
    reads: Format = Format.NHWC
    writes: Format = Format.NHWC

    @property
    def is_portable(self) -> bool:
        """Whether any core runs it."""
        return self.instruction_set is InstructionSet.PORTABLE

    @property
    def struct(self) -> str:
        """The argument struct of a C function."""
        return f"mcu_{self.arguments_of or self.name}"

    @property
    def is_nhwc(self) -> bool:
        """Whether it reads and writes NHWC; of the rows of one name one does."""
        return self.reads is Format.NHWC and self.writes is Format.NHWC

    @property
    def stem(self) -> str:
        """Stem of the kernel's files in firmware/kernels, and of its layers' functions."""
        return self.name.replace("_s8", "")
