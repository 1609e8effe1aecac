"""What a generator gives: one function in assembly with its constants, or the reason why it gives none."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mcu_nas.compiler.generators.function_text import Assembly


@dataclass(frozen=True)
class GeneratedKernel:
    """A kernel for one layer, as an AAPCS function without state:

        void symbol(const void *in, void *out, const void *constants, void *scratch);

    or, where it has two inputs, and then no scratch,

        void symbol(const void *in, void *out, const void *constants, const void *second);

    Attributes:
        symbol: the function's global name.
        assembly: GNU as source, the function and the local ones that it calls.
        constants: uint32, in the order in which the code reads it; 4-byte aligned in flash.
        scratch_bytes: memory the function may write while it runs, 4-byte aligned; 0: it reads no pointer.
        stack_bytes: the most stack the function uses, its saved registers included.
        has_second_input: it is of the second form.
    """

    symbol: str
    assembly: Assembly
    constants: np.ndarray
    scratch_bytes: int
    stack_bytes: int
    has_second_input: bool = False

    @property
    def prototype(self) -> str:
        """Its declaration in C."""
        last = "const void *second" if self.has_second_input else "void *scratch"
        return f"void {self.symbol}(const void *in, void *out, const void *constants, {last});"

    def __post_init__(self) -> None:
        assert self.constants.dtype == np.uint32
        assert self.constants.ndim == 1
        assert not (self.has_second_input and self.scratch_bytes)


class Refusal(Exception):  # noqa: N818 - a result, not an error: the catalogue takes another kernel
    """A layer that a generator does not serve. No user meets it.

    The message says which condition fails, of which output channel and by which figure, for a person who asks
    why a kernel was not chosen.
    """
