"""Kernels with Helium beside those in portable C that they must equal, on the emulated Cortex-M55.

mve_driver.c is the other end: it answers a file of requests in one run of the emulator.
"""

from __future__ import annotations

import math
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import astuple, dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from mcu_nas.boards import load_board
from mcu_nas.compiler.calls.mve import depthwise_constants, product_constants
from mcu_nas.devices.build import build_program, port_sources
from mcu_nas.devices.toolchain import find_tool
from mcu_nas.resources import firmware_dir
from tests.kernels.kernel_driver import Axis

KERNELS = ("pointwise", "conv", "depthwise", "average_pool", "max_pool", "fully_connected", "add", "mean")
WITH_WEIGHTS = ("pointwise", "conv", "depthwise", "fully_connected")
POINT = Axis(1, 1, 1, 1, 0, 1)
_BEHIND_WINDOW = 15  # MCU_CONV_MVE_BEHIND
_SECONDS = 120


@dataclass(frozen=True)
class Run:
    """One kernel on one layer, its output ``distance`` bytes above its input; by default right after it.

    fully_connected: y.in_size rows; mean: y.in_size planes of x.in_size pixels; add: in_channels elements.
    ``inputs``, ``weights``, ``biases``: ranges that are drawn from. ``shifts``: of factors that are drawn.
    """

    kernel: str
    y: Axis
    x: Axis
    in_channels: int
    out_channels: int
    seed: int = 0
    distance: int | None = None
    descending: bool = False
    align: int = 0
    inputs: tuple[int, int] = (-128, 127)
    weights: tuple[int, int] = (-127, 127)
    biases: tuple[int, int] = (-2000, 2000)
    shifts: tuple[int, ...] = ()
    output: tuple[int, int, int] = (-3, -128, 127)  # zero point and range
    factors: tuple[tuple[int, int], ...] = ((1 << 30, 0),) * 3  # add's and mean's
    zero_points: tuple[int, int] | None = None

    @property
    def in_bytes(self) -> int:
        return self.y.in_size * self.x.in_size * self.in_channels

    @property
    def out_bytes(self) -> int:
        if self.kernel == "mean":
            return self.y.in_size * self.in_channels
        if self.kernel == "fully_connected":
            return self.y.in_size * self.out_channels
        return self.y.out_size * self.x.out_size * self.out_channels

    @property
    def scratch_bytes(self) -> int:
        """Or the second input's, of add."""
        if self.kernel == "add":
            return self.in_bytes
        return self.taps + _BEHIND_WINDOW if self.kernel == "conv" else 0

    @property
    def taps(self) -> int:
        """Weights of an output channel."""
        return self.y.taps * self.x.taps * (1 if self.kernel == "depthwise" else self.in_channels)

    @cached_property
    def request(self) -> Request:
        rng = np.random.default_rng(self.seed)
        zero_points = self.zero_points or tuple(rng.integers(-128, 128, 2).tolist())
        packed, portable = {"weights": np.zeros(0, np.int8), "parameters": np.zeros(0, np.int32)}, []
        if self.kernel in WITH_WEIGHTS:
            packed, portable = self._constants(rng, zero_points[0])
        low, high = self.inputs
        inputs = rng.integers(low, high + 1, self.in_bytes)
        others = rng.integers(low, high + 1, self.scratch_bytes)
        distance = self.in_bytes if self.distance is None else self.distance
        in_offset = max(0, -distance) + self.align
        out_offset = in_offset + distance
        other_offset = max(in_offset + self.in_bytes, out_offset + self.out_bytes)
        buffer = rng.integers(-128, 128, other_offset + self.scratch_bytes, dtype=np.int8)
        buffer[in_offset : in_offset + self.in_bytes] = inputs
        buffer[other_offset:] = others
        weight_bytes = portable[0].size if portable else 0
        channels = self.out_channels if portable else 0
        header = [
            KERNELS.index(self.kernel),
            self.descending,
            in_offset,
            out_offset,
            other_offset,
            buffer.size,
        ]
        header += [packed["weights"].size, packed["parameters"].size, weight_bytes, channels]
        header += [self.in_channels, self.out_channels, *zero_points, *self.output]
        header += [*astuple(self.y), *astuple(self.x), *np.ravel(self.factors)]
        arrays = [np.array(header, np.int32), packed["weights"], packed["parameters"], *portable, buffer]
        return Request(arrays, buffer, slice(out_offset, out_offset + self.out_bytes), other_offset)

    def _constants(
        self, rng: np.random.Generator, zero_point: int
    ) -> tuple[dict[str, np.ndarray], list[np.ndarray]]:
        """Packed, and as the portable kernel reads them."""
        low, high = self.weights
        weights = rng.integers(low, high + 1, (self.out_channels, self.taps)).astype(np.int8)
        bias = rng.integers(self.biases[0], self.biases[1] + 1, self.out_channels)
        interior = bias - zero_point * weights.sum(axis=1, dtype=np.int64)
        shift = -8 - math.ceil(math.log2(self.taps) / 2)  # sums of about 74² sqrt(taps) become about 40
        shifts = rng.choice(self.shifts or (shift, shift + 1), self.out_channels)
        multipliers = rng.integers(1 << 30, 1 << 31, self.out_channels)
        multipliers[::2] = (1 << 30) + (rng.integers(0, 4, len(multipliers[::2])) << 28)  # with many ties
        factors = np.column_stack([multipliers, shifts]).astype(np.int32)
        biases = [each.astype(np.int32) for each in (bias, interior)]
        if self.kernel == "depthwise":
            by_tap = np.ascontiguousarray(weights.T)
            return depthwise_constants(by_tap, *biases, factors), [by_tap, *biases, factors]
        return product_constants(weights, biases[1], factors), [weights, *biases, factors]


@dataclass(frozen=True, eq=False)
class Request:
    """What mve_driver.c reads; the buffer before the run, where in it the output lies and what follows."""

    arrays: list[np.ndarray]
    buffer: np.ndarray
    written: slice
    other_offset: int

    @property
    def data(self) -> bytes:
        return b"".join(part.tobytes() + b"\0" * (-part.nbytes % 4) for part in self.arrays)


@dataclass
class MveDriver:
    """The driver's image, built once."""

    _folder: tempfile.TemporaryDirectory[str] = field(default_factory=tempfile.TemporaryDirectory)

    @cached_property
    def _elf(self) -> Path:
        kernels = firmware_dir() / "kernels"
        board = load_board("qemu-cortex-m55")
        sources = [
            Path(__file__).with_name("mve_driver.c"),
            *(kernels / f"{kernel}{suffix}.c" for kernel in KERNELS for suffix in ("", "_mve")),
            *port_sources(board),
        ]
        flags = ["-Werror", f"-DBOARD_BAUD={board.serial.baud}u"]
        return build_program(sources, flags, "driver", board, Path(self._folder.name)).elf

    def assert_equal(self, runs: Sequence[Run]) -> list[np.ndarray]:
        """Each run's outputs, int8; fails where a kernel with Helium computes or writes anything else than
        the portable one, scratch apart.
        """
        folder = Path(self._folder.name)
        (folder / "requests").write_bytes(b"".join(run.request.data for run in runs))
        board = load_board("qemu-cortex-m55")
        assert board.emulator is not None
        command = [str(find_tool("qemu-system-arm")), "-M", board.emulator, "-kernel", str(self._elf)]
        command += ["-nodefaults", "-display", "none", "-serial", "stdio"]
        command += ["-semihosting-config", "enable=on,target=native"]
        done = subprocess.run(
            command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, timeout=_SECONDS, check=False
        )
        assert (done.returncode, done.stdout) == (0, b""), done.stdout + done.stderr
        answers = np.frombuffer((folder / "answers").read_bytes(), np.int8)
        outputs, at = [], 0
        for run in runs:
            request = run.request
            size = request.buffer.size
            expected, got = answers[at : at + size], answers[at + size : at + 2 * size]
            at += 2 * size
            _assert_same(run, request, expected, got)
            outputs.append(got[request.written])
        assert at == answers.size
        return outputs

    def close(self) -> None:
        """Removes the image."""
        self._folder.cleanup()


def _assert_same(run: Run, request: Request, expected: np.ndarray, got: np.ndarray) -> None:
    compared = request.buffer.size if run.kernel == "add" else request.other_offset
    different = np.flatnonzero(expected[:compared] != got[:compared])
    if different.size:
        first = int(different[0])
        raise AssertionError(
            f"{run}: {different.size} bytes differ; output {first - request.written.start} of "
            f"{run.out_bytes} is {got[first]}, not {expected[first]}"
        )
