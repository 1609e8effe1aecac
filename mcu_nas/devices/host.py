"""The generated C on the host computer: test accuracy at speed, a sanitized run in an exact arena, and a
checking run in which dead bytes are overwritten.
"""

from __future__ import annotations

import ctypes
import itertools
import math
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from mcu_nas.compiler.emit import write_sources
from mcu_nas.compiler.program import Program
from mcu_nas.devices.poison import poison_table
from mcu_nas.devices.toolchain import C_WARNINGS, run_tool
from mcu_nas.errors import BuildError, JobError
from mcu_nas.resources import firmware_dir

_FAST = ("-O3", "-march=native", "-fPIC", "-shared")
_SANITIZED = ("-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
_CHECKING = ("-O1", "-fPIC", "-shared", "-DMCU_CHECK_ROWS")
_THREADS = 2


class HostModel:
    """A Program's C built by the host's gcc.

    ``sanitize`` builds an executable under AddressSanitizer and UndefinedBehaviorSanitizer instead of an
    optimised shared library; its arena is a heap block of exactly the declared size. ``poison`` overwrites,
    between layers and within them, the bytes that nobody is to read any more (devices/poison.py).

    Raises:
        ToolError: gcc is missing.
        BuildError: gcc refused the generated C.
    """

    def __init__(self, program: Program, *, sanitize: bool = False, poison: bool = False) -> None:
        self.program = program
        self.arena_bytes = program.arena_bytes  # what a sanitized run gets; a test may take a byte away
        self._folder = tempfile.TemporaryDirectory(prefix="mcu_nas-host-")
        self._library: ctypes.CDLL | None = None
        self.poison = poison_table(program) if poison else None
        self._runner = Path(self._folder.name) / "runner"
        write_sources(program, Path(self._folder.name))
        if sanitize:
            self._build(_SANITIZED, ("batch.c", "runner.c"), self._runner)
        else:
            library = Path(self._folder.name) / "model.so"
            if poison:  # row_done.h is not among the files of a model whose kernels report no steps
                flags = (*_CHECKING, f"-I{firmware_dir() / 'kernels'}")
                self._build(flags, ("batch.c", "poison.c"), library)
            else:
                self._build(_FAST, ("batch.c",), library)
            self._library = ctypes.CDLL(str(library))
            self._folder.cleanup()  # the library stays mapped

    def run(self, *inputs: np.ndarray) -> np.ndarray:
        """Outputs of N inferences, int8 (N, ...), from one array int8 (N, ...) per model input.

        A model with several outputs gives them flattened, one after another: (N, bytes).

        Raises:
            JobError: the sanitized run found a fault; the message holds its report's first line. In a
                checking run, a kernel reported other steps than ``poison_table`` expects.
        """
        network = self.program.graph.network
        count = len(inputs[0])
        flat = [
            self._checked(array, tensor, count) for array, tensor in zip(inputs, network.inputs, strict=True)
        ]
        samples = np.ascontiguousarray(np.concatenate(flat, axis=1))
        sizes = [network.tensors[tensor].bytes for tensor in network.outputs]
        results = np.empty((count, sum(sizes)), np.int8)
        if self._library is None:
            self._run_sanitized(samples, results)
        else:
            self._run_threads(samples, results)
        if len(sizes) > 1:
            return results
        return results.reshape(count, *network.shape(network.outputs[0])[1:])

    def _checked(self, array: np.ndarray, tensor: int, count: int) -> np.ndarray:
        """One input as int8 (N, bytes)."""
        shape = self.program.graph.network.shape(tensor)[1:]
        if array.dtype != np.int8 or array.size != count * math.prod(shape):
            raise ValueError(
                f"input is {array.dtype} {array.shape}, not int8 (N, {', '.join(map(str, shape))})"
            )
        return array.reshape(count, -1)

    def _run_threads(self, samples: np.ndarray, results: np.ndarray) -> None:
        """Each thread runs a contiguous part of the samples in an arena of its own."""
        assert self._library is not None
        library = self._library

        def run_part(part: slice) -> None:
            arena = np.empty(max(self.program.arena_bytes, 1), np.uint8)
            pointers = (arena.ctypes.data, samples[part].ctypes.data, results[part].ctypes.data)
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

    def _run_sanitized(self, samples: np.ndarray, results: np.ndarray) -> None:
        command = [str(self._runner), str(self.arena_bytes)]
        done = subprocess.run(command, input=samples.tobytes(), capture_output=True, check=False)
        if done.returncode != 0 or len(done.stdout) != results.nbytes:
            report = done.stderr.decode(errors="replace").strip().splitlines()
            first = next((line for line in report if "error" in line.lower()), f"exit code {done.returncode}")
            raise JobError(f"{self.program.name}: the generated C failed on the host: {first}")
        results[:] = np.frombuffer(done.stdout, np.int8).reshape(results.shape)

    def _build(self, flags: tuple[str, ...], host_files: tuple[str, ...], target: Path) -> None:
        folder, host = Path(self._folder.name), firmware_dir() / "host"
        arguments: list[str | Path] = [
            "-std=c11",
            "-Werror",
            *C_WARNINGS,
            *flags,
            f"-DMCU_MODEL_SYMBOL={self.program.name}_model",
            f"-I{folder / 'kernels'}",
            *sorted(folder.glob("*.c")),
            *sorted(folder.glob("kernels/*.c")),
            *(host / file for file in host_files),
            "-o",
            target,
        ]
        done = run_tool("gcc", arguments)
        if done.returncode != 0:
            lines = done.stderr.strip().splitlines()
            first = next((line for line in lines if "error" in line), f"exit code {done.returncode}")
            raise BuildError(f"{self.program.name}: gcc refused the generated C: {first}")
