"""firmware/kernels/add.c on the host: what generated ADD kernels must equal."""

from __future__ import annotations

import ctypes
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import numpy as np

from mcu_nas.compiler.generators.sum_line import AddLayer
from mcu_nas.resources import firmware_dir


class _Layer(ctypes.Structure):
    """``struct mcu_add_s8``."""

    _fields_ = [
        *((name, ctypes.c_int32) for name in ("count", "a_zero_point", "b_zero_point")),
        *((name, 2 * ctypes.c_int32) for name in ("a_factor", "b_factor", "sum_factor")),
        *((name, ctypes.c_int32) for name in ("zero_point", "min", "max")),
    ]


@cache
def _library() -> ctypes.CDLL:
    kernels = firmware_dir() / "kernels"
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder, "add.so")
        command = ["gcc", "-std=c11", "-O1", "-shared", "-fPIC", f"-I{kernels}"]
        subprocess.run([*command, str(kernels / "add.c"), "-o", str(library)], check=True)
        return ctypes.CDLL(str(library))


def portable_add(layer: AddLayer, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """int8 (count,) twice to int8 (count,)."""
    factors = [(factor.value, factor.shift) for factor in (*layer.factors, layer.sum_factor)]
    limits = (layer.output_zero_point, layer.output_min, layer.output_max)
    c_layer = _Layer(layer.count, *layer.zero_points, *factors, *limits)
    a, b, out = np.ascontiguousarray(a), np.ascontiguousarray(b), np.zeros(layer.count, np.int8)
    pointers = (ctypes.c_void_p(array.ctypes.data) for array in (a, b, out))
    _library().mcu_add_s8(ctypes.byref(c_layer), *pointers)
    return out
