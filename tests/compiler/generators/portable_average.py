"""firmware/kernels/average_pool.c and mean.c on the host: what generated averages must equal."""

from __future__ import annotations

import ctypes
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import numpy as np

from mcu_nas.compiler.generators.global_average import GlobalAverage, GlobalMean
from mcu_nas.resources import firmware_dir


class _Average(ctypes.Structure):
    """``struct mcu_average_pool_s8``."""

    _fields_ = [
        ("descending", ctypes.c_int32),
        *((name, 6 * ctypes.c_int32) for name in ("y", "x")),
        *((name, ctypes.c_int32) for name in ("channels", "out_min", "out_max")),
    ]


class _Mean(ctypes.Structure):
    """``struct mcu_mean_s8``."""

    _fields_ = [
        *((name, ctypes.c_int32) for name in ("planes", "pixels", "channels", "sum_offset")),
        *((name, ctypes.c_int32) for name in ("multiplier", "shift")),
        *((name, ctypes.c_int32) for name in ("zero_point", "min", "max")),
    ]


@cache
def _library() -> ctypes.CDLL:
    kernels = firmware_dir() / "kernels"
    sources = [str(kernels / name) for name in ("average_pool.c", "mean.c")]
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder, "average.so")
        command = ["gcc", "-std=c11", "-O1", "-shared", "-fPIC", f"-I{kernels}"]
        subprocess.run([*command, *sources, "-o", str(library)], check=True)
        return ctypes.CDLL(str(library))


def portable_average(layer: GlobalAverage | GlobalMean, image: np.ndarray) -> np.ndarray:
    """int8 (pixels, channels) to int8 (channels,)."""
    library = _library()
    image, out = np.ascontiguousarray(image), np.zeros(layer.channels, np.int8)
    pointers = (ctypes.c_void_p(image.ctypes.data), ctypes.c_void_p(out.ctypes.data))
    if isinstance(layer, GlobalAverage):
        one, all_pixels = (1, 1, 1, 1, 0, 1), (layer.pixels, 1, layer.pixels, 1, 0, 1)
        average = _Average(0, one, all_pixels, layer.channels, layer.output_min, layer.output_max)
        library.mcu_average_pool_s8(ctypes.byref(average), *pointers)
    else:
        need = layer.requantization
        factor = (int(need.multipliers[0]), int(need.shifts[0]))
        limits = (need.zero_point, need.minimum, need.maximum)
        mean = _Mean(1, layer.pixels, layer.channels, layer.sum_offset, *factor, *limits)
        library.mcu_mean_s8(ctypes.byref(mean), *pointers)
    return out
