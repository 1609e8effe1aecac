"""Which kernels go into a board's memory for hot code: those of most MACs for each byte, until it is full.

Read from an image that is linked with all code in flash: the table of the model's layers has their MACs and
functions, and the machine code tells which functions a layer reaches: a kernel and its subroutines, which
go together. A kernel that several layers use has the MACs of all of them; a subroutine that several kernels
use counts its bytes once. What no layer with MACs reaches stays in flash.
"""

from __future__ import annotations

import re
import struct
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

from mcu_nas.devices.symbols import Symbol, read_symbols
from mcu_nas.devices.thumb_code import ThumbCode, read_thumb_code
from mcu_nas.errors import BuildError

JUMPS_BYTES = 512  # left to the linker, whose jumps from hot code to flash lie among it
_LAYER = struct.Struct("<III")  # struct mcu_layer of firmware/kernels/mcu_model.h: name, function, MACs
_CALLERS = re.compile(r"layer_\d+_\w+")  # the layers' functions in NAME.c: one call each
_Kernel = frozenset[str]  # the names of a kernel's function and of all that it calls


def hot_functions(elf: Path, binary: Path, flash_origin: int, capacity: int) -> list[str]:
    """Names of the functions whose sections .text.NAME go into ``capacity`` bytes, the hottest first.

    ``binary`` is the image's bytes from ``flash_origin`` on.

    Raises:
        ToolError: arm-none-eabi-nm or -objdump is not installed.
        BuildError: they refuse the image, or it has no table of layers.
    """
    symbols = [symbol for symbol in read_symbols(elf) if symbol.bytes]
    code = read_thumb_code(elf)
    functions = {symbol.value: symbol for symbol in symbols if symbol.value in code.names}
    sizes: dict[str, int] = defaultdict(int)
    for symbol in functions.values():
        sizes[symbol.name] += -(-symbol.bytes // 4) * 4
    macs: dict[_Kernel, int] = defaultdict(int)
    for function, count in _layers(symbols, binary, flash_origin):
        macs[_reached(code, functions, function)] += count
    return _hottest(macs, sizes, capacity - JUMPS_BYTES)


def _hottest(macs: Mapping[_Kernel, int], sizes: Mapping[str, int], room: int) -> list[str]:
    """The functions of those kernels that have the most MACs for each byte they add, until no other fits."""
    chosen: list[str] = []

    def added(kernel: _Kernel) -> int:
        return sum(sizes[name] for name in kernel.difference(chosen))

    while fitting := [kernel for kernel in macs if macs[kernel] and 0 < added(kernel) <= room]:
        best = max(fitting, key=lambda kernel: (macs[kernel] / added(kernel), sorted(kernel)))
        room -= added(best)
        chosen += sorted(best.difference(chosen))
    return chosen


def _layers(symbols: list[Symbol], binary: Path, flash_origin: int) -> Iterator[tuple[int, int]]:
    """The address of each layer's function, and the layer's MACs."""
    table = next((symbol for symbol in symbols if symbol.name == "layers"), None)
    if table is None:
        raise BuildError(f"{binary.name} has no table of layers")
    start = table.value - flash_origin
    content = binary.read_bytes()[start : start + table.bytes]
    for _, function, macs in _LAYER.iter_unpack(content):
        yield function & ~1, macs


def _reached(code: ThumbCode, functions: dict[int, Symbol], start: int) -> _Kernel:
    """The functions that run when the layer's function at ``start`` is called, itself left out."""
    waiting, seen = [start], {start}
    while waiting:
        entry = functions[waiting.pop()]
        for address in range(entry.value, entry.value + entry.bytes, 2):
            instruction = code.instructions.get(address)
            if instruction and instruction.target in functions and instruction.target not in seen:
                seen.add(instruction.target)
                waiting.append(instruction.target)
    names = {functions[address].name for address in seen}
    return frozenset(name for name in names if not _CALLERS.fullmatch(name))
