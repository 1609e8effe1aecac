"""Single C kernels on random data, built once under AddressSanitizer and UndefinedBehaviorSanitizer.

driver.c is the other end: one process that answers request after request.
"""

from __future__ import annotations

import subprocess
import tempfile
from dataclasses import astuple, dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from hypothesis import strategies as st

from mcu_nas.resources import firmware_dir

ORDERED = ("pointwise", "conv", "depthwise", "average_pool", "max_pool")  # in either order of pixels
KERNELS = (*ORDERED, "depthwise_planar")  # as driver.c numbers them
FLAGS = ("-std=c11", "-O1", "-g", "-Wall", "-Wextra", "-Werror", "-Wconversion")
SANITIZE = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all")


@dataclass(frozen=True)
class Axis:
    """``struct mcu_axis`` of window.h."""

    in_size: int
    out_size: int
    taps: int
    stride: int
    pad: int
    dilation: int

    def inside(self, out: int) -> list[int]:
        """Input indices that output number ``out`` reads."""
        taps = [out * self.stride - self.pad + tap * self.dilation for tap in range(self.taps)]
        return [index for index in taps if 0 <= index < self.in_size]


@dataclass(frozen=True)
class Layer:
    """One layer with random constants and a random input made from ``seed``."""

    kernel: str
    y: Axis
    x: Axis
    in_channels: int
    out_channels: int
    seed: int

    @property
    def in_bytes(self) -> int:
        return self.y.in_size * self.x.in_size * self.in_channels

    @property
    def out_bytes(self) -> int:
        return self.y.out_size * self.x.out_size * self.out_channels

    @cached_property
    def windows(self) -> list[list[int]]:
        """Input pixels that each output pixel reads."""
        return [
            [row * self.x.in_size + column for row in self.y.inside(y) for column in self.x.inside(x)]
            for y in range(self.y.out_size)
            for x in range(self.x.out_size)
        ]

    def request(self, distance: int, descending: bool) -> tuple[bytes, int, np.ndarray]:
        """What driver.c reads, where the output begins, and the buffer before the run."""
        rng = np.random.default_rng(self.seed)
        dense = self.kernel in ("pointwise", "conv")
        taps = self.y.taps * self.x.taps * (self.in_channels if dense else 1)
        zero_point = int(rng.integers(-128, 128))
        weights = rng.integers(-127, 128, (self.out_channels, taps), dtype=np.int8)
        bias = rng.integers(-2000, 2000, self.out_channels)
        interior = bias - zero_point * weights.sum(axis=1, dtype=np.int64)
        shift = -8 - int(np.ceil(np.log2(taps) / 2))  # sums of about 74² sqrt(taps) become about 40
        factors = [(int(rng.integers(2**30, 2**31)), shift) for _ in range(self.out_channels)]
        pixels = rng.integers(-128, 128, self.in_bytes)
        in_offset = max(0, -distance) + int(rng.integers(3))
        out_offset = in_offset + distance
        buffer_bytes = max(in_offset + self.in_bytes, out_offset + self.out_bytes) + int(rng.integers(3))
        buffer = rng.integers(-128, 128, buffer_bytes, dtype=np.int8)
        buffer[in_offset : in_offset + self.in_bytes] = pixels
        header = [KERNELS.index(self.kernel), descending, in_offset, out_offset, buffer_bytes, weights.size]
        header += [self.in_channels, self.out_channels, zero_point, -3, -128, 127]
        header += [*astuple(self.y), *astuple(self.x)]
        in_c_order = weights if dense else weights.T  # depthwise: taps before channels
        parts = [np.array(header, np.int32), in_c_order, bias.astype(np.int32), interior.astype(np.int32)]
        parts += [np.array(factors, np.int32), buffer]
        return b"".join(part.tobytes() for part in parts), out_offset, buffer


class KernelDriver:
    """The running driver.c."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="mcu_nas-kernels-")
        self._errors = Path(self._folder.name) / "stderr"
        kernels = firmware_dir() / "kernels"
        program = Path(self._folder.name) / "driver"
        sources = [Path(__file__).with_name("driver.c"), *(kernels / f"{kernel}.c" for kernel in KERNELS)]
        subprocess.run(["gcc", *FLAGS, *SANITIZE, f"-I{kernels}", *sources, "-o", program], check=True)
        self._process = subprocess.Popen(
            [program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors.open("wb")
        )

    def run(self, layer: Layer, distance: int, descending: bool = False) -> np.ndarray:
        """The layer's outputs, int8, with the output ``distance`` bytes above its input.

        Fails where the kernel wrote anything else, or the sanitizers found a fault.
        """
        request, out_offset, before = layer.request(distance, descending)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(request)
        self._process.stdin.flush()
        answer = self._process.stdout.read(before.size)
        assert len(answer) == before.size, self._errors.read_text(errors="replace")
        after = np.frombuffer(answer, np.int8)
        written = slice(out_offset, out_offset + layer.out_bytes)
        np.testing.assert_array_equal(np.delete(after, written), np.delete(before, written))
        return after[written]

    def disjoint(self, layer: Layer) -> np.ndarray:
        """The layer's outputs with the output right after the input."""
        return self.run(layer, layer.in_bytes)

    def close(self) -> None:
        """End the process and remove its files."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()
        self._folder.cleanup()


@st.composite
def axes(draw: st.DrawFn, dilated: bool) -> Axis:
    """Windows with any padding before the first element, SAME and VALID among them."""
    in_size, taps, stride = draw(st.integers(1, 7)), draw(st.integers(1, 4)), draw(st.integers(1, 3))
    dilation = draw(st.integers(1, 3)) if dilated else 1
    pad = draw(st.integers(0, (taps - 1) * dilation))
    out_size = draw(st.integers(1, (in_size - 1 + pad) // stride + 1))
    return Axis(in_size, out_size, taps, stride, pad, dilation)


@st.composite
def layers(draw: st.DrawFn, kernels: tuple[str, ...] = ORDERED) -> Layer:
    """A small random layer of one of ``kernels``."""
    kernel = draw(st.sampled_from(kernels))
    channels = draw(st.integers(1, 6))
    seed = draw(st.integers(0, 2**32 - 1))
    if kernel == "pointwise":
        y, x = (Axis(size, size, 1, 1, 0, 1) for size in draw(st.tuples(*[st.integers(1, 7)] * 2)))
        return Layer(kernel, y, x, channels, draw(st.integers(1, 9)), seed)
    y, x = draw(axes("pool" not in kernel)), draw(axes("pool" not in kernel))
    if kernel == "conv":
        return Layer(kernel, y, x, channels, draw(st.integers(1, 9)), seed)
    multiplier = draw(st.integers(1, 3)) if kernel == "depthwise" else 1
    return Layer(kernel, y, x, channels, channels * multiplier, seed)
