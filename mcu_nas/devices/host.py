"""The generated C on the host computer: test accuracy at speed, a sanitized run in an exact arena, and a
checking run in which dead bytes are overwritten.
"""

from __future__ import annotations

import ctypes
import itertools
import math
import subprocess
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from mcu_nas.compiler.program import Program
from mcu_nas.devices.host_build import HostBuild, build_library, build_runner
from mcu_nas.devices.poison import poison_table
from mcu_nas.errors import JobError
from mcu_nas.network import Network

_THREADS = 2


class SanitizedModels:
    """Programs of different names in one executable under AddressSanitizer and UndefinedBehaviorSanitizer.

    Raises:
        ToolError: gcc is missing.
        BuildError: gcc refused the generated C.
    """

    def __init__(self, programs: Sequence[Program]) -> None:
        self._programs = programs
        self._folder = tempfile.TemporaryDirectory(prefix="mcu_nas-host-")
        self._runner = build_runner(programs, Path(self._folder.name))

    def run(self, number: int, *inputs: np.ndarray, arena_bytes: int | None = None) -> np.ndarray:
        """As HostModel.run, of one of the programs, in a heap block of exactly ``arena_bytes``, by default
        those that the program declares.

        Raises:
            JobError: the run found a fault; the message holds its report's first line.
        """
        program = self._programs[number]
        samples, results = _buffers(program.graph.network, inputs)
        arena = program.arena_bytes if arena_bytes is None else arena_bytes
        command = [str(self._runner), str(number), str(arena)]
        done = subprocess.run(command, input=samples.tobytes(), capture_output=True, check=False)
        if done.returncode != 0 or len(done.stdout) != results.nbytes:
            report = done.stderr.decode(errors="replace").strip().splitlines()
            first = next((line for line in report if "error" in line.lower()), f"exit code {done.returncode}")
            raise JobError(f"{program.name}: the generated C failed on the host: {first}")
        results[:] = np.frombuffer(done.stdout, np.int8).reshape(results.shape)
        return _shaped(program.graph.network, results)


class HostModel:
    """A Program's C built by the host's gcc.

    ``sanitize`` builds an executable under sanitizers instead of an optimised shared library; its arena is a
    heap block of exactly the declared size. ``poison`` overwrites, between layers and within them, the bytes
    that nobody is to read any more (devices/poison.py).

    Raises:
        ToolError: gcc is missing.
        BuildError: gcc refused the generated C.
    """

    def __init__(self, program: Program, *, sanitize: bool = False, poison: bool = False) -> None:
        self.program = program
        self.arena_bytes = program.arena_bytes  # what a sanitized run gets; a test may take a byte away
        self.poison = poison_table(program) if poison else None
        self._sanitized = SanitizedModels([program]) if sanitize else None
        self._library: ctypes.CDLL | None = None
        if not sanitize:
            with tempfile.TemporaryDirectory(prefix="mcu_nas-host-") as folder:
                build = HostBuild.CHECKING if poison else HostBuild.FAST
                library = build_library(program, Path(folder), build)
                self._library = ctypes.CDLL(str(library))  # it stays mapped

    def run(self, *inputs: np.ndarray) -> np.ndarray:
        """Outputs of N inferences, int8 (N, ...), from one array int8 (N, ...) per model input.

        A model with several outputs gives them flattened, one after another: (N, bytes).

        Raises:
            JobError: the sanitized run found a fault; the message holds its report's first line. In a
                checking run, a kernel reported other steps than ``poison_table`` expects.
        """
        if self._sanitized is not None:
            return self._sanitized.run(0, *inputs, arena_bytes=self.arena_bytes)
        samples, results = _buffers(self.program.graph.network, inputs)
        self._run_threads(samples, results)
        return _shaped(self.program.graph.network, results)

    def _run_threads(self, samples: np.ndarray, results: np.ndarray) -> None:
        """Each thread runs a contiguous part of the samples in an arena of its own."""
        assert self._library is not None
        library = self._library
        model = ctypes.c_byte.in_dll(library, f"{self.program.name}_model")

        def run_part(part: slice) -> None:
            arena = np.empty(max(self.program.arena_bytes, 1), np.uint8)
            pointers = (
                ctypes.addressof(model),
                arena.ctypes.data,
                samples[part].ctypes.data,
                results[part].ctypes.data,
            )
            arguments = (*map(ctypes.c_void_p, pointers), ctypes.c_uint64(len(samples[part])))
            if self.poison is None:
                library.host_batch(*arguments)
            else:
                fault = library.host_poison_batch(*arguments, self.poison.pointers())
                if fault:
                    raise JobError(f"{self.program.name}: layer {fault - 1} reports unexpected steps")

        edges = [len(samples) * i // _THREADS for i in range(_THREADS + 1)]
        with ThreadPoolExecutor(_THREADS) as pool:
            list(pool.map(run_part, (slice(*edge) for edge in itertools.pairwise(edges))))


def _buffers(network: Network, inputs: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """The samples of all inputs, dense, int8 (N, bytes), and room for the results, int8 (N, bytes)."""
    count = len(inputs[0])
    flat = [
        _checked(array, network.shape(tensor), count)
        for array, tensor in zip(inputs, network.inputs, strict=True)
    ]
    samples = np.ascontiguousarray(np.concatenate(flat, axis=1))
    size = sum(network.tensors[tensor].bytes for tensor in network.outputs)
    return samples, np.empty((count, size), np.int8)


def _checked(array: np.ndarray, shape: tuple[int, ...], count: int) -> np.ndarray:
    """One input as int8 (N, bytes)."""
    if array.dtype != np.int8 or array.size != count * math.prod(shape[1:]):
        raise ValueError(
            f"input is {array.dtype} {array.shape}, not int8 (N, {', '.join(map(str, shape[1:]))})"
        )
    return array.reshape(count, -1)


def _shaped(network: Network, results: np.ndarray) -> np.ndarray:
    """int8 (N, bytes) as HostModel.run gives it."""
    if len(network.outputs) > 1:
        return results
    return results.reshape(len(results), *network.shape(network.outputs[0])[1:])
