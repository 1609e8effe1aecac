"""firmware/kernels/pointwise.c on the host: what generated pointwise kernels must equal."""

from __future__ import annotations

import ctypes
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import numpy as np

from mcu_nas.compiler.generators.pointwise_layer import PointwiseLayer
from mcu_nas.resources import firmware_dir


class _Layer(ctypes.Structure):
    """``struct mcu_pointwise_s8``."""

    _fields_ = [
        *((name, ctypes.c_int32) for name in ("descending", "pixels", "in_channels", "out_channels")),
        *((name, ctypes.c_int32) for name in ("zero_point", "min", "max")),
        *((name, ctypes.c_void_p) for name in ("weights", "bias", "factors")),
    ]


@cache
def _library() -> ctypes.CDLL:
    kernels = firmware_dir() / "kernels"
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder, "pointwise.so")
        command = ["gcc", "-std=c11", "-O1", "-shared", "-fPIC", f"-I{kernels}"]
        subprocess.run([*command, str(kernels / "pointwise.c"), "-o", str(library)], check=True)
        return ctypes.CDLL(str(library))


def portable_pointwise(layer: PointwiseLayer, image: np.ndarray) -> np.ndarray:
    """int8 (pixels, inputs) to int8 (pixels, outputs)."""
    weights = np.ascontiguousarray(layer.weights)
    bias = layer.folded_bias.astype(np.int32)
    factors = np.stack([layer.multipliers, layer.shifts], 1).astype(np.int32)
    out = np.zeros((layer.pixels, layer.outputs), np.int8)
    c_layer = _Layer(
        0,
        layer.pixels,
        layer.inputs,
        layer.outputs,
        layer.output_zero_point,
        layer.output_min,
        layer.output_max,
        weights.ctypes.data,
        bias.ctypes.data,
        factors.ctypes.data,
    )
    image = np.ascontiguousarray(image)
    _library().mcu_pointwise_s8(
        ctypes.byref(c_layer), ctypes.c_void_p(image.ctypes.data), ctypes.c_void_p(out.ctypes.data)
    )
    return out
