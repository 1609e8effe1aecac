"""Which bytes of the arena a checking build may overwrite, and when: those that nobody reads any more.

Worked out from tensors' lifetimes and offsets and from the kernels' arguments, so that it checks what the
planner and the catalogue claim. firmware/host/poison.c does the overwriting.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mcu_nas.compiler.program import Program
from mcu_nas.devices.kernel_progress import Progress, kernel_progress

_NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True)
class PoisonTable:
    """``struct host_poison`` of firmware/host/poison.h, uint32: ranges (N, 2), events and layers (N,)."""

    ranges: np.ndarray
    events: np.ndarray
    layers: np.ndarray

    def pointers(self) -> ctypes.Array[ctypes.c_void_p]:
        """The struct itself; valid as long as this table is."""
        arrays = (self.ranges, self.events, self.layers)
        return (ctypes.c_void_p * len(arrays))(*(array.ctypes.data for array in arrays))


def poison_table(program: Program) -> PoisonTable:
    """What to overwrite before each layer, after each step that its kernel reports, and after the last layer.

    Before a layer: all that no live tensor holds. After a step: inputs that no later step reads, unless
    outputs lie there by then.
    """
    ranges: list[np.ndarray] = []  # one array (N, 2) an event
    layers = []
    for number in range(len(program.calls)):
        layers.append(len(ranges))
        ranges.append(_ranges(np.flatnonzero(~_live(program, number, number))))
        ranges += _step_ranges(program, number)
    layers.append(len(ranges))
    ranges.append(_ranges(np.flatnonzero(~_live(program, len(program.calls), len(program.calls)))))
    return PoisonTable(
        ranges=np.concatenate(ranges).astype(np.uint32),
        events=np.cumsum([0, *map(len, ranges)]).astype(np.uint32),
        layers=np.array(layers, np.uint32),
    )


def destroyed_inputs(program: Program) -> Iterator[tuple[int, int]]:
    """(operator index, arena offset) of each operator that writes over a byte which is still to be read.

    One such byte an operator. Kernels that report no steps are only held to leave other tensors alone. This
    reads the plan alone, so that it can be asked of many plans without building their C.
    """
    for number, call in enumerate(program.calls):
        if program.is_view(call):
            continue
        progress = _progress(program, number)
        written, read = _moments(program, number, progress)
        wrong = written <= read
        if progress is not None and progress.by_channel:
            distance = program.plan.offsets[call.output] - program.plan.offsets[call.inputs[0]]
            channels = program.graph.network.shape(call.output)[-1]
            wrong = written < read if distance % channels == 0 else wrong
        wrong |= (written < _NEVER) & _live(program, number, number + 1)
        if progress is not None and progress.scratch_bytes:
            begin = program.plan.scratch[number]
            scratch = slice(begin, begin + progress.scratch_bytes)
            wrong[scratch] |= (written < _NEVER)[scratch] | _live(program, number, number)[scratch]
        if wrong.any():
            yield number, int(wrong.argmax())


def _live(program: Program, before: int, until: int) -> np.ndarray:
    """Bytes of tensors that exist before operator ``before`` and are read by operator ``until`` or later:
    bool (arena bytes,).
    """
    network = program.graph.network
    kept = {*network.outputs, *(network.inputs if program.keeps_inputs else ())}
    live = np.zeros(program.arena_bytes, bool)
    for tensor, (first, last) in network.lifetimes.items():
        exists = tensor in network.inputs or first < before
        if exists and (last >= until or tensor in kept):
            live[_place(program, tensor)] = True
    return live


def _place(program: Program, tensor: int) -> slice:
    offset = program.plan.offsets[tensor]
    return slice(offset, offset + program.graph.network.tensors[tensor].bytes)


def _progress(program: Program, number: int) -> Progress | None:
    call = program.calls[number]
    descending = bool(call.fields.get("descending", 0))
    return kernel_progress(program.graph.network, call, descending=descending)


def _moments(program: Program, number: int, progress: Progress | None) -> tuple[np.ndarray, np.ndarray]:
    """The moments at which operator ``number`` writes and last reads each byte: int64 (arena bytes,) twice.

    Bytes that are not written have _NEVER, bytes that are not read -1.
    """
    call = program.calls[number]
    written = np.full(program.arena_bytes, _NEVER)
    read = np.full(program.arena_bytes, -1)
    written[_place(program, call.output)] = 0 if progress is None else progress.writes
    if progress is not None:
        read[_place(program, call.inputs[0])] = progress.reads
    return written, read


def _step_ranges(program: Program, number: int) -> list[np.ndarray]:
    """What dies after each step of operator ``number``, as ranges (N, 2) a step."""
    call, progress = program.calls[number], _progress(program, number)
    if progress is None:
        return []
    written, read = _moments(program, number, progress)
    dies = np.maximum(read, 0) // progress.moments  # the step after which the byte is dead
    dead = np.zeros(program.arena_bytes, bool)
    dead[_place(program, call.inputs[0])] = True
    dead &= ~_live(program, number, number + 1)
    dead &= written // progress.moments > dies
    offsets = np.flatnonzero(dead)
    offsets = offsets[np.argsort(dies[offsets], kind="stable")]
    ends = np.searchsorted(dies[offsets], np.arange(1, progress.steps))
    return [_ranges(part) for part in np.split(offsets, ends)]


def _ranges(offsets: np.ndarray) -> np.ndarray:
    """Ascending offsets as (offset, length) of each contiguous run: int64 (N, 2)."""
    begins = np.flatnonzero(np.diff(offsets, prepend=-2) > 1)
    lengths = np.diff(begins, append=len(offsets))
    return np.stack([offsets[begins], lengths], axis=1)
