"""The C kernels of training, built by the host's gcc for the processor at hand and called through ctypes.

Why not torch's own: on the narrow layers of microcontroller networks its CPU kernels spend most of a step
on batch norm's gradient and on depthwise convolution's (benchmarks/supernet_speed.md). A call releases the
interpreter's lock and runs on the calling thread alone.
"""

from __future__ import annotations

import ctypes
import hashlib
import shutil
import subprocess
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path
from threading import Lock

import torch
from torch import Tensor

from mcu_nas.errors import BuildError, ToolError
from mcu_nas.files import replacing
from mcu_nas.resources import cache_folder

LANES = 8  # vector.h
_SOURCES = tuple(Path(__file__).with_name(name) for name in ("batch_norm.c", "depthwise.c", "requantize.c"))
_FLAGS = ("-O3", "-march=native", "-std=gnu11", "-fPIC")
_C_TYPES = {torch.float32: "float", torch.float64: "double"}
_building = Lock()


class Shape(ctypes.Structure):
    """struct shape of depthwise.c."""

    _fields_ = tuple(
        (name, ctypes.c_size_t)
        for name in (
            "images",
            "height",
            "width",
            "channels",
            "kernel",
            "stride",
            "top",
            "left",
            "out_height",
            "out_width",
        )
    )


class Norm(ctypes.Structure):
    """struct norm of depthwise.c."""

    _fields_ = (("saved", ctypes.c_void_p), ("low", ctypes.c_double), ("high", ctypes.c_double))


Strides = ctypes.c_size_t * 3  # of a depthwise weight, in elements: channel, row, column
_TENSOR, _SIZE, _NUMBER = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_double
_SHAPE, _NORM = ctypes.POINTER(Shape), ctypes.POINTER(Norm)
_ARGUMENTS = {
    "batch_norm_statistics": (_TENSOR, *2 * (_SIZE,), *2 * (_TENSOR,), _NUMBER, _TENSOR),
    "batch_norm_forward": (_TENSOR, *2 * (_SIZE,), *2 * (_TENSOR,), *3 * (_NUMBER,), *2 * (_TENSOR,)),
    "batch_norm_backward": (*2 * (_TENSOR,), *2 * (_SIZE,), _TENSOR, *2 * (_NUMBER,), *3 * (_TENSOR,)),
    "requantize_forward": (_TENSOR, *2 * (_SIZE,), *3 * (_TENSOR,), *2 * (_NUMBER,), _TENSOR),
    "requantize_backward": (
        *2 * (_TENSOR,),
        *2 * (_SIZE,),
        *4 * (_TENSOR,),
        *2 * (_NUMBER,),
        *2 * (_TENSOR,),
    ),
    "depthwise_forward": (_SHAPE, _TENSOR, _NORM, _TENSOR, Strides, _TENSOR),
    "depthwise_backward": (_SHAPE, _TENSOR, _NORM, *2 * (_TENSOR,), Strides, *4 * (_TENSOR,)),
}


def serves(x: Tensor) -> bool:
    """Whether the kernels take an activation (N, C, H, W): on the CPU, float, LANES channels or more."""
    return x.device.type == "cpu" and x.dtype in _C_TYPES and x.shape[1] >= LANES and x.numel() > 0


def library(dtype: torch.dtype) -> ctypes.CDLL:
    """The kernels for tensors of ``dtype``, float32 or float64; built at the first call and
    kept in the cache folder.

    Raises:
        ToolError: gcc is missing.
        BuildError: gcc refused the kernels.
    """
    with _building:
        return _built(_C_TYPES[dtype])


@cache
def _built(real: str) -> ctypes.CDLL:
    kept = cache_folder() / "kernels" / f"{real}-{_fingerprint()}.so"
    if kept.exists():
        return _loaded(kept)
    with tempfile.TemporaryDirectory(prefix="mcu-nas-kernels-") as folder:
        built = Path(folder) / kept.name
        result = _gcc(f"-DREAL={real}", "-shared", "-o", str(built), *map(str, _SOURCES))
        if result.returncode:
            raise BuildError(f"gcc refused the kernels of training: {result.stderr.strip()}")
        with suppress(OSError), replacing(kept) as temporary:  # a cache that cannot be written costs seconds
            shutil.copyfile(built, temporary)
        return _loaded(built)


def _fingerprint() -> str:
    """Of all that the machine code depends on: sources, flags, gcc, and the processor as gcc sees it."""
    found = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.[ch]")):
        found.update(path.read_bytes())
    for told in (_gcc("--version"), _gcc("-Q", "--help=target")):
        found.update(told.stdout.encode())
    found.update(" ".join(_FLAGS).encode())
    return found.hexdigest()[:16]


def _gcc(*arguments: str) -> subprocess.CompletedProcess[str]:
    gcc = shutil.which("gcc")
    if gcc is None:
        raise ToolError("gcc is not installed: `apt install gcc libc6-dev` brings it on Debian")
    command = [gcc, *_FLAGS, *arguments]
    return subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)


def _loaded(path: Path) -> ctypes.CDLL:
    kernels = ctypes.CDLL(str(path))
    for name, arguments in _ARGUMENTS.items():
        getattr(kernels, name).argtypes = arguments
    return kernels


def check(status: int) -> None:
    """Of what a kernel returned.

    Raises:
        MemoryError: its scratch, of one image's size, could not be had.
    """
    if status:
        raise MemoryError("no memory for one image of a training step")
