"""One copy of each function that several layers run.

What distinguishes layers of one shape, weights, biases and factors, lies in their constants: a generator
gives them the same instructions. The first layer's function then serves them all, under its name; likewise a
local function, such as the one that writes planes, where only that is equal.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from mcu_nas.compiler.generators.function_text import Assembly, Function
from mcu_nas.compiler.generators.generated import GeneratedKernel

_NAME = re.compile(r"[A-Za-z_]\w*")
_Known = dict[tuple[tuple[str, ...], bool], str]  # instructions and is_global -> symbol


def with_shared_functions(kernels: Iterable[GeneratedKernel]) -> Iterator[GeneratedKernel]:
    """The kernels, in order, without functions that an earlier one has: those are called by the name there.

    A kernel that is wholly another's is left with no function of its own.
    """
    known: _Known = {}
    for kernel in kernels:
        names: dict[str, str] = {}
        own: list[Function] = []
        for function in reversed(kernel.assembly.functions):  # callers after those that they call
            lines = _renamed(function.lines, names)
            name = known.setdefault((_instructions(lines), function.is_global), function.symbol)
            names[function.symbol] = name
            if name == function.symbol:
                own.insert(0, replace(function, lines=lines))
        assembly = Assembly(kernel.assembly.comment, tuple(own))
        yield replace(kernel, symbol=names[kernel.symbol], assembly=assembly)


def _renamed(lines: tuple[str, ...], names: Mapping[str, str]) -> tuple[str, ...]:
    """Lines in which functions are called by their new names."""
    return tuple(_NAME.sub(lambda found: names.get(found[0], found[0]), line) for line in lines)


def _instructions(lines: tuple[str, ...]) -> tuple[str, ...]:
    """Lines without their comments."""
    stripped = (line.partition("@")[0].rstrip() for line in lines)
    return tuple(line for line in stripped if line)
